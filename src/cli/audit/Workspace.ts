/**
 * What an audit may do to the outside world: read and write files, ask git.
 *
 * Nothing else in this folder touches the disk or starts a process, so a test
 * can swap this one service. `layerNode` is the real thing.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/** A file operation that the operating system refused. */
export class WorkspaceError extends Schema.TaggedError<WorkspaceError>()("WorkspaceError", {
  operation: Schema.Literals(["inspect", "list", "read", "write", "rename", "remove"]),
  path: Schema.String,
  /** What the system called it, such as `EACCES`. */
  code: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `Cannot ${this.operation} ${this.path} (${this.code})`
  }
}

/** A git command that could not be started (`exitCode: null`) or that failed. */
export class GitError extends Schema.TaggedError<GitError>()("GitError", {
  arguments: Schema.Array(Schema.String),
  exitCode: Schema.NullOr(Schema.Int),
  output: Schema.String
}) {
  override get message(): string {
    return this.exitCode === null
      ? "git could not be started"
      : `git ${this.arguments[0] ?? ""} failed with exit code ${this.exitCode}: ${this.output}`
  }
}

export type EntryKind = "File" | "Folder" | "Link" | "Other"

export interface Inspection {
  readonly kind: EntryKind | "Missing"
  readonly bytes: number
  /** Whether this process may read it. */
  readonly access: "Readable" | "Denied"
}

export interface Entry {
  readonly name: string
  readonly kind: EntryKind
}

export class Workspace extends Context.Service<
  Workspace,
  {
    /** What lies at a path. Does not follow a link. Nothing there is an answer, not an error. */
    readonly inspect: (path: string) => Effect.Effect<Inspection, WorkspaceError>
    /** The entries of a folder, by name. */
    readonly list: (path: string) => Effect.Effect<ReadonlyArray<Entry>, WorkspaceError>
    readonly readText: (path: string) => Effect.Effect<string, WorkspaceError>
    /** Writes and flushes a file, making its folders. A crash may leave it half written. */
    readonly writeText: (path: string, text: string) => Effect.Effect<void, WorkspaceError>
    /** Moves a file over another, atomically. Both lie in one folder. */
    readonly rename: (from: string, to: string) => Effect.Effect<void, WorkspaceError>
    /** Removes a file. One that is not there is removed already. */
    readonly remove: (path: string) => Effect.Effect<void, WorkspaceError>
    /** Runs git in a folder and returns what it printed. Interruption kills it. */
    readonly git: (folder: string, args: ReadonlyArray<string>) => Effect.Effect<string, GitError>
  }
>()("tutti/cli/Workspace") {}

/** The real file system and the real git. */
export const layerNode: Layer.Layer<Workspace> = Layer.sync(Workspace, () =>
  Workspace.of({
    inspect: (file) => attempt("inspect", file, () => inspect(file)),
    list: (folder) =>
      attempt("list", folder, async () => {
        const entries = await fs.readdir(folder, { withFileTypes: true })
        return entries
          .map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      }),
    readText: (file) => attempt("read", file, (signal) => fs.readFile(file, { encoding: "utf8", signal })),
    writeText: (file, text) =>
      attempt("write", file, async () => {
        await fs.mkdir(path.dirname(file), { recursive: true })
        await fs.writeFile(file, text, { flush: true })
      }),
    rename: (from, to) => attempt("rename", from, () => fs.rename(from, to)),
    remove: (file) => attempt("remove", file, () => fs.rm(file, { force: true })),
    git
  })
)

const attempt = <A>(
  operation: WorkspaceError["operation"],
  file: string,
  run: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A, WorkspaceError> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new WorkspaceError({ operation, path: file, code: codeOf(cause), cause })
  })

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"

const kindOf = (entry: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }): EntryKind =>
  entry.isFile() ? "File" : entry.isDirectory() ? "Folder" : entry.isSymbolicLink() ? "Link" : "Other"

const missing: Inspection = { kind: "Missing", bytes: 0, access: "Denied" }

const inspect = async (file: string): Promise<Inspection> => {
  try {
    const found = await fs.lstat(file)
    // A link's own rights say nothing, and following it may leave the repository.
    const access = found.isSymbolicLink() || (await mayRead(file)) ? "Readable" : "Denied"
    return { kind: kindOf(found), bytes: found.size, access }
  } catch (cause) {
    if (codeOf(cause) === "ENOENT" || codeOf(cause) === "ENOTDIR") return missing
    throw cause
  }
}

const mayRead = (file: string): Promise<boolean> =>
  fs.access(file, fs.constants.R_OK).then(
    () => true,
    () => false
  )

/** Settings that keep a repository under audit from running programs of its own, and output stable. */
const gitSettings = ["core.fsmonitor=false", "core.quotePath=false", "log.showSignature=false"]

const git = (folder: string, args: ReadonlyArray<string>): Effect.Effect<string, GitError> =>
  Effect.callback((resume, signal) => {
    const settings = gitSettings.flatMap((setting) => ["-c", setting])
    execFile(
      "git",
      ["--no-pager", ...settings, ...args],
      { cwd: folder, env: gitEnvironment(), signal, encoding: "utf8", maxBuffer: 256 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) return resume(Effect.succeed(stdout))
        const exitCode = typeof error.code === "number" ? error.code : null
        resume(Effect.fail(new GitError({ arguments: [...args], exitCode, output: stderr.trim() })))
      }
    )
  })

const gitEnvironment = (): NodeJS.ProcessEnv => {
  // Inside a git hook these point at the repository of the hook, not at the audited one.
  const { GIT_DIR: _dir, GIT_INDEX_FILE: _index, GIT_WORK_TREE: _tree, ...inherited } = process.env
  return { ...inherited, GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" }
}
