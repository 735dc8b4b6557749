/**
 * A server that the tests own: its process, its port and its throw-away data.
 *
 *   V1. `start` returns once the server answers, `kill` once it is gone. After `kill`, `start` finds the data again.
 *   V2. When the scope closes, or this process ends in whatever way, the server stops and its data is removed.
 *   V3. A fault that did not happen is a failure: nothing is killed twice, and a killed server died of SIGKILL.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Processes from "./processTree.ts"
import { ServerError } from "./ServerError.ts"
import { onWallClock } from "./wallClock.ts"

export interface Server {
  readonly port: number
  /** Where its data lies, until the scope closes. */
  readonly directory: string
  /** Of the process that runs, or ran last. */
  readonly pid: Effect.Effect<number>
  /** Whether it answers within a second. */
  readonly answers: Effect.Effect<boolean>
  /** What the server says of itself, that is another thing after each start. */
  readonly incarnation: Effect.Effect<string>
  /** SIGKILL, to the server and what it started. */
  readonly kill: Effect.Effect<void, ServerError>
  /** Starts it again after `kill`, with the same port and data. */
  readonly start: Effect.Effect<void, ServerError>
  /** SIGSTOP: connections stay open and nothing answers. */
  readonly freeze: Effect.Effect<void>
  /** SIGCONT. */
  readonly thaw: Effect.Effect<void>
}

/** Whom a server runs as, if not as us. */
export interface User {
  readonly uid: number
  readonly gid: number
}

export interface Program {
  readonly name: string
  readonly port: number
  readonly directory: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly user?: User | undefined
  readonly answers: Effect.Effect<boolean>
  readonly incarnation: Effect.Effect<string>
}

/** A directory that is removed with the scope, after the server in it was stopped. */
export const directory = (name: string, user?: User): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const path = mkdtempSync(join(tmpdir(), `tutti-${name}-`))
        if (user !== undefined) chownSync(path, user.uid, user.gid)
        return { path, close: Processes.watch(path) }
      }),
      ({ close }) => close
    ),
    ({ path }) => path
  )

const patience = "60 seconds"

/** Starts a server whose directory is tied to the scope. */
export const make = Effect.fnUntraced(function* (program: Program): Effect.fn.Return<Server, ServerError> {
  let running: Life | undefined
  let pid = 0
  const answers = Effect.map(
    Effect.timeoutOption(program.answers, "1 second"),
    (answer) => answer._tag === "Some" && answer.value
  ).pipe(onWallClock)

  const start = Effect.gen(function* () {
    const life = yield* begin(program, () => (running = undefined))
    running = life
    pid = life.pid
    const died = Effect.flatMap(life.exit, (exit) =>
      failure(program, `did not start (${exit}); it said: ${said(program)}`)
    )
    yield* Effect.repeat(answers, { until: (up) => up, schedule: Schedule.spaced("20 millis") }).pipe(
      Effect.raceFirst(died),
      Effect.timeoutOrElse({ duration: patience, orElse: () => failure(program, `did not answer within ${patience}`) })
    )
  }).pipe(onWallClock)

  const kill = Effect.suspend(() => {
    if (running === undefined) return failure(program, "is not running, so it cannot be killed")
    return Processes.signal(running.pid, "KILL").pipe(
      Effect.andThen(running.exit),
      Effect.flatMap((exit) => (exit === "SIGKILL" ? Effect.void : failure(program, `ended by itself (${exit})`)))
    )
  })
  const signal = (name: "STOP" | "CONT") => Effect.suspend(() => Processes.signal(pid, name))

  // A server that was killed a moment ago may still hold what its successor needs.
  const patiently = Effect.retry(start, { times: 10, schedule: Schedule.spaced("200 millis") }).pipe(onWallClock)
  const again = Effect.suspend(() => (running === undefined ? patiently : failure(program, "is running already")))
  yield* start
  return {
    port: program.port,
    directory: program.directory,
    pid: Effect.sync(() => pid),
    answers,
    incarnation: program.incarnation,
    kill,
    start: again,
    freeze: signal("STOP"),
    thaw: signal("CONT")
  }
})

interface Life {
  readonly pid: number
  /** How it ended: a signal, or "exit 1". */
  readonly exit: Effect.Effect<string>
}

const begin = (program: Program, ended: () => void): Effect.Effect<Life, ServerError> =>
  Effect.callback((resume) => {
    const log = openSync(logOf(program), "a")
    const pidFile = join(program.directory, "pid")
    const child: ChildProcess = spawn(program.command, program.args, {
      cwd: program.directory,
      detached: true,
      stdio: ["ignore", log, log],
      ...program.user
    })
    closeSync(log)
    child.unref()
    const exit = new Promise<string>((resolve) =>
      child.once("exit", (code, signal) => {
        rmSync(pidFile, { force: true })
        ended()
        resolve(signal ?? `exit ${code}`)
      })
    )
    child.once("error", (error) => resume(failure(program, `could not be run: ${error.message}`)))
    child.once("spawn", () => {
      writeFileSync(pidFile, String(child.pid))
      resume(Effect.succeed({ pid: child.pid!, exit: Effect.promise(() => exit) }))
    })
  })

const logOf = (program: Program) => join(program.directory, "log")

const said = (program: Program): string => readFileSync(logOf(program), "utf8").trim().split("\n").slice(-8).join(" | ")

const failure = (program: Program, detail: string): Effect.Effect<never, ServerError> =>
  Effect.fail(new ServerError({ server: program.name, detail }))
