/** PostgreSQL of our own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFile, execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Binaries from "./Binaries.ts"
import * as Port from "./Port.ts"
import { ServerError } from "./ServerError.ts"
import * as ServerProcess from "./ServerProcess.ts"

export interface Options {
  /**
   * Commits wait for the disk. Default false: a killed server loses nothing that it acknowledged, because the system has
   * it; a power cut would. Figures of benchmarks need `true`.
   */
  readonly fsync?: boolean
  /** Settings of `postgresql.conf`. */
  readonly settings?: Readonly<Record<string, string | number>>
}

export interface Postgres extends ServerProcess.Server {
  readonly url: string
}

export const wanted: Binaries.Wanted = {
  server: "PostgreSQL",
  programs: ["initdb", "postgres"],
  debian: "postgresql",
  homebrew: "postgresql",
  variable: "TUTTI_TEST_POSTGRES_URL"
}

export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Postgres, ServerError, Scope.Scope> {
  const bin = yield* Binaries.find(wanted)
  const user = yield* unprivileged
  const directory = yield* ServerProcess.directory("postgres", user)
  const data = join(directory, "data")
  yield* initialise(bin, data, user)
  const port = yield* Port.free
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    port,
    // Shared memory as a file in the data directory: removed with it, even after a kill.
    dynamic_shared_memory_type: "mmap",
    max_connections: 200,
    fsync: options.fsync === true ? "on" : "off",
    full_page_writes: options.fsync === true ? "on" : "off",
    ...options.settings
  }
  const server = yield* ServerProcess.make({
    name: "PostgreSQL",
    port,
    directory,
    command: join(bin, "postgres"),
    args: ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    user,
    answers: Effect.map(Port.ask(port, startup), (answer) => answer.startsWith("R")),
    // Its process, its data and the second of its start.
    incarnation: Effect.sync(() => readFileSync(join(data, "postmaster.pid"), "utf8").split("\n").slice(0, 3).join(" "))
  })
  return { ...server, url: `postgres://tutti@127.0.0.1:${port}/postgres` }
})

/** The first message of a client. A server that is up asks it to authenticate; one that starts answers with an error. */
const startup = (() => {
  const body = Buffer.from("\0\x03\0\0user\0tutti\0database\0postgres\0\0", "latin1")
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([length, body])
})()

/** PostgreSQL refuses to run as root. */
const unprivileged: Effect.Effect<ServerProcess.User | undefined, ServerError> = Effect.suspend(() => {
  if (process.getuid?.() !== 0) return Effect.succeed(undefined)
  for (const name of ["postgres", "nobody"]) {
    try {
      const id = (flag: string) => Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: "pipe" }))
      return Effect.succeed({ uid: id("-u"), gid: id("-g") })
    } catch {
      continue
    }
  }
  return Effect.fail(
    new ServerError({
      server: "PostgreSQL",
      detail: 'does not run as root, and there is no user "postgres" or "nobody"'
    })
  )
})

/** The tests' database sorts by a locale, as those of users do: what relies on byte order must say so. */
const initialise = (bin: string, data: string, user: ServerProcess.User | undefined) =>
  Effect.callback<void, ServerError>((resume) => {
    const version = /\d+/.exec(execFileSync(join(bin, "postgres"), ["--version"], { encoding: "utf8" }))
    const locale = Number(version?.[0]) >= 15 ? ["--locale-provider=icu", "--icu-locale=en-US"] : []
    execFile(
      join(bin, "initdb"),
      ["-D", data, "-U", "tutti", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", ...locale],
      { ...user, cwd: join(data, ".."), encoding: "utf8" },
      (error, _, stderr) =>
        resume(
          error === null
            ? Effect.void
            : Effect.fail(
                new ServerError({ server: "PostgreSQL", detail: `could not make its data: ${stderr.trim()}` })
              )
        )
    )
  })
