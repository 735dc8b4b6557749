/**
 * `Directory` on Node's file system.
 *
 * **Gotchas**
 *
 * - Calls are synchronous: the process waits while the disk syncs.
 * - The lock is the operating system's (on the file `.lock`), so a process that dies leaves none behind. Network file
 *   systems break it. Keep the directory on a local disk.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import Process from "node:process"
import { DatabaseSync } from "node:sqlite"
import { Directory } from "../persistence/Directory.ts"
import { PersistenceError } from "../persistence/Persistence.ts"

/**
 * Where the files lie and how careful a write is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** It, and what is above it, is created. Nothing else may lie in it but files whose names begin with a dot. */
  readonly directory: string
  /**
   * `"full"` (default): an acknowledged write survives a power cut. `"normal"`: it survives a crash of the process, but
   * a power cut or a crash of the system may tear or lose the last ones.
   */
  readonly synchronous?: "full" | "normal"
  /** How long to wait while another process holds the directory. Default 5 seconds. */
  readonly lockTimeout?: Duration.Input
}

/** Always the same name: what a crash leaves of it is overwritten by the next write. */
const temporary = ".writing"

/**
 * Opens a directory for the current scope. Nobody else can meanwhile.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Directory["Service"], PersistenceError, Scope.Scope> {
  const root = Path.resolve(options.directory)
  const careful = options.synchronous !== "normal"
  yield* Effect.acquireRelease(lock(root, options.lockTimeout ?? "5 seconds"), (lock) =>
    Effect.sync(() => lock.close())
  )
  const sync = (path: string) => {
    if (careful) syncPath(path)
  }
  const ensure = (directory: string): void => {
    const first = Fs.mkdirSync(directory, { recursive: true })
    // The entry of a new directory is durable once the one above it is.
    if (first === undefined) return
    for (let made = directory; made.length >= first.length; made = Path.dirname(made)) sync(Path.dirname(made))
  }

  return Directory.of({
    path: root,
    list: () => filesOf(root, ""),
    read: (name) => Fs.readFileSync(Path.join(root, name), "utf8"),
    replace: (name, text) => {
      const path = Path.join(root, name)
      const directory = Path.dirname(path)
      ensure(directory)
      const written = Path.join(root, temporary)
      Fs.writeFileSync(written, text, { flush: careful })
      Fs.renameSync(written, path)
      sync(directory)
    },
    remove: (name) => {
      const path = Path.join(root, name)
      Fs.rmSync(path, { force: true })
      if (Fs.existsSync(Path.dirname(path))) sync(Path.dirname(path))
    }
  })
})

/**
 * A directory for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Directory, PersistenceError> =>
  Layer.effect(Directory, make(options))

const filesOf = (root: string, below: string): ReadonlyArray<string> =>
  Fs.readdirSync(Path.join(root, below), { withFileTypes: true })
    .filter(({ name }) => !name.startsWith("."))
    .flatMap((entry) => (entry.isDirectory() ? filesOf(root, `${below}${entry.name}/`) : [`${below}${entry.name}`]))

const syncPath = (path: string): void => {
  // Windows knows no syncing of directories; a rename there is durable by the file system's own journal.
  if (Process.platform === "win32") return
  const handle = Fs.openSync(path, "r")
  try {
    Fs.fsyncSync(handle)
  } finally {
    Fs.closeSync(handle)
  }
}

const lock = (root: string, patience: Duration.Input): Effect.Effect<DatabaseSync, PersistenceError> =>
  Effect.try({
    try: () => {
      Fs.mkdirSync(root, { recursive: true })
      return locked(Path.join(root, ".lock"))
    },
    catch: (cause) => lockError(root, cause)
  }).pipe(
    Effect.retry({
      while: ({ retryable }) => retryable,
      schedule: Schedule.spaced("25 millis").pipe(Schedule.upTo({ duration: patience }))
    })
  )

/** SQLite locks a file as the system wants it, and between two stores of one process, too. */
const locked = (path: string): DatabaseSync => {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec("BEGIN EXCLUSIVE")
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

const lockError = (root: string, cause: unknown): PersistenceError => {
  // SQLITE_BUSY (https://sqlite.org/rescode.html).
  const isHeld = cause instanceof Error && "errcode" in cause && cause.errcode === 5
  const detail = isHeld ? `another process uses "${root}"` : `"${root}" is no directory that can be written to`
  return new PersistenceError({ operation: "open its directory", retryable: isHeld, detail, cause })
}
