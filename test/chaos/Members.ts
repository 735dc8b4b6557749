/** Processes of a test. What they hear and say is one JSON object a line; none outlives its scope. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { StoredEvent } from "../../src/event-store/Envelope.ts"

export interface Member<Message> {
  readonly pid: number
  readonly send: (signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM") => Effect.Effect<void>
  /** Writes a line to its input. */
  readonly tell: (line: string) => Effect.Effect<void>
  /** What it said so far. */
  readonly said: () => ReadonlyArray<Message>
  /** A signal, or an exit code. */
  readonly ended: Effect.Effect<string>
}

/** Starts a program with settings. */
export const join = <Message extends object>(
  program: URL,
  settings: object
): Effect.Effect<Member<Message>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(
        process.execPath,
        [
          "--conditions=tutti-source",
          "--disable-warning=ExperimentalWarning",
          fileURLToPath(program),
          JSON.stringify(settings)
        ],
        { stdio: ["pipe", "pipe", "inherit"] }
      )
      let output = ""
      child.stdout.on("data", (chunk) => (output += chunk))
      const ended = new Promise<string>((resolve) =>
        child.once("close", (code, signal) => resolve(signal ?? `exit ${code}`))
      )
      return {
        pid: child.pid!,
        send: (signal) => Effect.sync(() => void child.kill(signal)),
        tell: (line) => Effect.sync(() => void child.stdin.write(`${line}\n`)),
        said: () =>
          output
            .split("\n")
            .slice(0, -1)
            // Its log goes there, too.
            .filter((line) => line.startsWith("{"))
            .map((line) => JSON.parse(line)),
        ended: Effect.promise(() => ended)
      } satisfies Member<Message>
    }),
    ({ ended, send }) => Effect.andThen(send("SIGKILL"), ended)
  )

/** What a member said last, and how often the log has each type of event. */
export const stateOf = ({ said }: Member<object>, log: ReadonlyArray<StoredEvent>): string => {
  const counts = new Map<string, number>()
  for (const { type } of log) counts.set(type, (counts.get(type) ?? 0) + 1)
  return JSON.stringify({ said: said().slice(-5), log: [...counts] })
}
