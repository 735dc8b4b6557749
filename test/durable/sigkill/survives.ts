/**
 * A real process, killed again and again: nothing that was acknowledged is lost or done twice.
 *
 *   K1. Every run that was accepted ends, with the outcome it would have had.
 *   K2. The log holds what every log must: no step with two outcomes, no gap.
 *   K3. A step whose record is in the log is not run again: all executions of it are older than the record.
 *   K4. Each process executes an attempt of a step at most once, so a step runs at most once more for each kill.
 *   K5. Each compensation of a failed saga is recorded once; sagas that succeeded have none.
 */
import { assert } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { EventStoreDriver } from "../../../src/event-store/EventStoreDriver.ts"
import type { StoredEvent } from "../../../src/index.ts"
import { LogAudit } from "../../../src/testing/index.ts"
import { temporaryFile } from "../../backends.ts"
import { type Place, stores } from "./place.ts"
import { expected, runs } from "./workload.ts"

const worker = fileURLToPath(new URL("worker.ts", import.meta.url))
const seed = Number(process.env["SIGKILL_SEED"] ?? 1)

/** Source: mulberry32, Tommy Ettinger, 2017, public domain. */
const lots = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
}

interface Life {
  readonly pid: number
  readonly killed: boolean
  readonly output: string
  readonly errors: string
  /** Lines that the side file had when the process was gone, and events that the log had. */
  readonly lines: number
  readonly events: number
}

/** What happens along with the death of a process. */
export type Around = (kill: Effect.Effect<void>) => Effect.Effect<void, Error>
const alone: Around = (kill) => kill

interface Circumstances {
  readonly place: Place
  readonly side: string
  readonly around: Around
}

/** One life of the worker, killed once the log has `target` events. */
const live = Effect.fnUntraced(function* ({ around, place, side }: Circumstances, target: number) {
  const driver = yield* EventStoreDriver
  const child = spawn(
    process.execPath,
    ["--conditions=tutti-source", "--disable-warning=ExperimentalWarning", worker, JSON.stringify(place), side],
    { stdio: ["pipe", "pipe", "pipe"] }
  )
  let output = ""
  let errors = ""
  child.stdout.on("data", (chunk) => (output += chunk))
  child.stderr.on("data", (chunk) => (errors += chunk))
  const closed = new Promise<string | null>((resolve) => child.once("close", (_, signal) => resolve(signal)))
  const ended = Effect.promise(() => closed)
  const kill = Effect.sync(() => void child.kill("SIGKILL"))
  const reached = Effect.repeat(driver.head, { until: (head) => head >= target, schedule: Schedule.spaced(2) })
  const signal = yield* Effect.raceFirst(Effect.as(ended, Effect.void), Effect.as(reached, around(kill))).pipe(
    Effect.flatten,
    Effect.andThen(ended),
    Effect.ensuring(kill)
  )
  const life: Life = {
    pid: child.pid!,
    killed: signal === "SIGKILL",
    output,
    errors,
    lines: linesOf(side).length,
    events: yield* driver.head
  }
  return life
})

/** Executions of steps so far: `<pid> <idempotency key>`. */
export const linesOf = (side: string): ReadonlyArray<string> => {
  try {
    return readFileSync(side, "utf8")
      .split("\n")
      .filter((line) => line !== "")
  } catch {
    return []
  }
}

const isOutcome = ({ type }: StoredEvent) => type === "StepCompleted" || type === "StepFailed"
const isLeaf = (path: string) => !/(^|\/)Part$/.test(path)

/** What every process that survives prints. */
export const outcomes = Array.from({ length: runs }, (_, n) => expected(n))

/** K2 and K5. */
export const checkLog = (log: ReadonlyArray<StoredEvent>): void => {
  // K2
  assert.deepStrictEqual(LogAudit.problems(log), [])
  assert.strictEqual(log.filter(({ type }) => type === "RunCompleted").length, 2 * runs)
  // K5
  const undone = log.filter((event) => isOutcome(event) && /undoing/.test(event.meta.path ?? ""))
  const places = undone.map(({ meta }) => `${meta.runId} ${meta.path}`)
  assert.strictEqual(new Set(places).size, places.length)
  const ofRuns = undone.map(({ meta }) => meta.runId!)
  for (let n = 0; n < runs; n++) {
    assert.strictEqual(ofRuns.filter((run) => run === `Trip/${n}`).length, n % 2 === 0 ? 3 : 0, `Trip/${n}`)
  }
}

/** Kills the worker so many times, lets it end, and checks K1 to K5. */
export const survives = Effect.fnUntraced(
  function* (place: Place, kills: number, around: (turn: number) => Around = () => alone) {
    const side = `${yield* temporaryFile}.side`
    const draw = lots(seed)
    const lives: Array<Life> = []
    while (lives.at(-1)?.killed !== false) {
      const last = lives.at(-1)?.events ?? 0
      const target = lives.length < kills ? last + 1 + Math.floor(draw() * 10) : Infinity
      lives.push(yield* live({ place, side, around: around(lives.length) }, target))
      assert.isBelow(lives.length, 3 * kills)
    }
    const killed = lives.filter((life) => life.killed).length
    const last = lives.at(-1)!
    assert.isAtLeast(killed, kills, `only ${killed} kills: ${last.errors}`)

    // K1
    assert.deepStrictEqual(JSON.parse(last.output), outcomes, last.errors)
    const log = yield* LogAudit.readAll
    checkLog(log)

    // K3: a record that the log had when a process was gone is followed by no execution in a later one.
    const lines = linesOf(side)
    const recorded = new Map<string, number>()
    for (const event of log) {
      if (isOutcome(event)) recorded.set(`${event.meta.runId}/${event.meta.path}`, event.position)
    }
    const ghosts = lives.flatMap(({ events, lines: upTo }) =>
      lines.slice(upTo).filter((line) => (recorded.get(line.slice(line.indexOf(" ") + 1)) ?? Infinity) <= events)
    )
    assert.deepStrictEqual(ghosts, [])
    for (const key of recorded.keys()) {
      if (isLeaf(key))
        assert.isTrue(
          lines.some((line) => line.endsWith(` ${key}`)),
          `${key} is recorded and never ran`
        )
    }

    // K4
    const executions = new Map<string, number>()
    for (const line of lines) executions.set(line, (executions.get(line) ?? 0) + 1)
    for (const [line, count] of executions) assert.isAtMost(count, line.endsWith("/flaky") ? 3 : 1, line)
  },
  (effect, place) =>
    Effect.flatMap(
      Effect.promise(() => stores(place)),
      (stores) => Effect.provide(effect, stores)
    )
)
