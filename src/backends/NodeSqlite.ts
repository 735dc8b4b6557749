/**
 * `Sqlite` on Node's own SQLite: no dependency, one file, no server.
 *
 * **Gotchas**
 *
 * - Calls are synchronous: the process waits while the disk syncs.
 * - Network file systems break SQLite's locks. Keep the file on a local disk.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Sqlite, SqliteError, type SqliteStatement } from "../persistence/Sqlite.ts"

/**
 * Where the database lies and how careful it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Path of the file. It and its directory are created. `":memory:"` keeps nothing. */
  readonly filename: string
  /**
   * `"full"` (default): an acknowledged write survives a power cut. `"normal"`:
   * it survives a crash of the process, but a power cut or a crash of the
   * system may take the last commits (never half of one).
   */
  readonly synchronous?: "full" | "normal"
  /** How long to go on trying while another process holds the lock. Default 5 seconds. */
  readonly lockTimeout?: Duration.Input
}

/** SQLite's own wait for a lock blocks the event loop, so it is short; the rest is waited for by `Schedule`. */
const busyTimeoutMillis = 20

const cachedStatements = 200

/**
 * Opens a database for the current scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Sqlite["Service"], SqliteError, Scope.Scope> {
  const { filename } = options
  const patience = Schedule.jittered(Schedule.spaced("25 millis")).pipe(
    Schedule.upTo({ duration: options.lockTimeout ?? "5 seconds" })
  )
  const once = <A>(operation: string, body: () => A): Effect.Effect<A, SqliteError> =>
    Effect.suspend(() => {
      try {
        return Effect.succeed(body())
      } catch (cause) {
        const kind = kindOf(cause)
        return kind === undefined
          ? Effect.die(cause)
          : Effect.fail(new SqliteError({ filename, operation, kind, cause }))
      }
    })
  const attempt = <A>(operation: string, body: () => A): Effect.Effect<A, SqliteError> => {
    const effect = once(operation, body)
    return Effect.catchIf(effect, isBusy, () => Effect.retry(effect, { while: isBusy, schedule: patience }))
  }

  const database = yield* Effect.acquireRelease(
    attempt("open the database", () => open(options)),
    (database) => Effect.sync(() => database.close())
  )
  const statements = new Map<string, SqliteStatement>()
  const prepare = (sql: string): SqliteStatement => {
    let statement = statements.get(sql)
    if (statement === undefined) {
      statement = database.prepare(sql) as SqliteStatement
      if (statements.size >= cachedStatements) statements.delete(statements.keys().next().value!)
      statements.set(sql, statement)
    }
    return statement
  }
  const begin = prepare("BEGIN IMMEDIATE")
  const commit = prepare("COMMIT")
  const version = prepare("PRAGMA data_version")
  const transaction = <A>(body: () => A): A => {
    begin.run()
    try {
      const result = body()
      commit.run()
      return result
    } catch (cause) {
      // A failed commit (disk full) may have rolled back by itself.
      if (database.isTransaction) database.exec("ROLLBACK")
      throw cause
    }
  }

  return Sqlite.of({
    filename,
    prepare,
    transaction,
    attempt,
    dataVersion: () => (version.get() as { readonly data_version: number }).data_version,
    migrate: (component, steps) =>
      attempt(`prepare the tables of the ${component}`, () => transaction(() => migrate(database, component, steps)))
  })
})

/**
 * A connection for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Sqlite, SqliteError> => Layer.effect(Sqlite, make(options))

const open = (options: Options): DatabaseSync => {
  if (options.filename !== ":memory:") mkdirSync(dirname(options.filename), { recursive: true })
  const database = new DatabaseSync(options.filename, { timeout: busyTimeoutMillis })
  try {
    database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${options.synchronous ?? "full"}`)
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

const migrate = (database: DatabaseSync, component: string, steps: ReadonlyArray<string>): void => {
  database.exec("CREATE TABLE IF NOT EXISTS tutti_schema (component TEXT PRIMARY KEY, version INTEGER NOT NULL)")
  const row = database.prepare("SELECT version FROM tutti_schema WHERE component = ?").get(component)
  const current = row === undefined ? 0 : Number(row["version"])
  if (current > steps.length) throw new NewerSchema(component, current, steps.length)
  if (current === steps.length) return
  for (const step of steps.slice(current)) database.exec(step)
  database
    .prepare("INSERT INTO tutti_schema VALUES (?, ?) ON CONFLICT (component) DO UPDATE SET version = excluded.version")
    .run(component, steps.length)
}

class NewerSchema extends Error {
  constructor(component: string, found: number, known: number) {
    super(`the ${component} has schema version ${found}, this program knows ${known}`)
  }
}

const isBusy = (error: SqliteError): boolean => error.kind === "Busy"

/** SQLite's primary result codes (https://sqlite.org/rescode.html). */
const kinds: { readonly [code: number]: SqliteError["kind"] } = {
  3: "CannotOpen",
  5: "Busy",
  6: "Busy",
  8: "ReadOnly",
  11: "Corrupt",
  13: "Full",
  14: "CannotOpen",
  26: "NotADatabase"
}

/** Nothing for an error that has not come from SQLite or the file system: a bug. */
const kindOf = (cause: unknown): SqliteError["kind"] | undefined => {
  if (cause instanceof NewerSchema) return "Newer"
  if (!(cause instanceof Error) || !("code" in cause)) return undefined
  // The upper bits of an extended result code only refine the primary one.
  if ("errcode" in cause && typeof cause.errcode === "number") return kinds[cause.errcode & 0xff] ?? "Other"
  if (cause.code === "ERR_INVALID_STATE") return "Closed"
  return "errno" in cause ? "CannotOpen" : undefined
}
