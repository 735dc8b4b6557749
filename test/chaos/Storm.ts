/**
 * One chaos test: a load on a deployment, faults in turn, and the invariants at the end.
 *
 * `CHAOS_ROUNDS` says how often each fault strikes; CI takes 1.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { Engine } from "../../src/durable/Engine.ts"
import type { StoredEvent } from "../../src/event-store/Envelope.ts"
import type { EventStore } from "../../src/event-store/EventStore.ts"
import type { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import type { Persistence } from "../../src/persistence/Persistence.ts"
import * as LogAudit from "../../src/testing/LogAudit.ts"
import * as Invariants from "./Invariants.ts"
import * as Workload from "./Workload.ts"

export const rounds = Number(process.env["CHAOS_ROUNDS"] ?? 6)

/** Something that goes wrong. Both effects fail if it did not happen. */
export interface Fault<R = never> {
  readonly name: string
  readonly strike: Effect.Effect<void, unknown, R>
  readonly heal: Effect.Effect<void, unknown, R>
  /** How long it lasts. Default half a second. */
  readonly lasts?: `${number} ${"millis" | "seconds"}`
  /** Nobody can write while it lasts, so nothing may be acknowledged. */
  readonly stopsWrites: boolean
}

export interface Storm<R> {
  /** What the load runs on. */
  readonly deployment: Layer.Layer<Engine | EventStore | Persistence | R, unknown>
  /** How the log is read in the end: past every proxy, on a connection of its own. */
  readonly log: Layer.Layer<EventStoreDriver, unknown>
  readonly faults: (witness: Workload.Witness) => ReadonlyArray<Fault<R>>
}

/** Answers that are on their way when a fault strikes still arrive. */
const settle = "300 millis"

/** What goes on meanwhile. */
export interface Load<R> {
  /** Goes on until `stop`, and a little longer: what it has begun it ends. */
  readonly load: Effect.Effect<void, unknown, R>
  readonly stop: Effect.Effect<void>
  /** Succeeds once so much more was acknowledged. */
  readonly progress: (acknowledgements: number) => Effect.Effect<void, unknown>
  readonly acknowledged: () => number
}

/** Lets each fault strike under load, `rounds` times in turn; then the load goes on once more, and ends. */
export const rage = Effect.fnUntraced(function* <R, R2>(work: Load<R>, faults: ReadonlyArray<Fault<R2>>) {
  const strike = Effect.fnUntraced(function* ({ heal, lasts = "500 millis", name, strike, stopsWrites }: Fault<R2>) {
    yield* work.progress(40)
    yield* strike
    yield* Effect.sleep(settle)
    const before = work.acknowledged()
    yield* Effect.sleep(lasts)
    if (stopsWrites) assert.strictEqual(work.acknowledged(), before, `acknowledged while ${name}`)
    yield* heal
  })
  const all = Effect.forEach(
    Array.from({ length: rounds }).flatMap(() => faults),
    strike,
    { discard: true }
  )
  const load = yield* Effect.forkScoped(work.load)
  yield* Effect.raceFirst(Effect.andThen(all, work.progress(40)), Effect.andThen(Fiber.join(load), Effect.never))
  yield* work.stop
  yield* Effect.timeout(Fiber.join(load), "60 seconds")
}, Effect.scoped)

/** Rages, then says what is wrong with the log: nothing. */
export const run = Effect.fnUntraced(function* <R>(storm: Storm<R>) {
  const workload = Workload.make()
  const { witness } = workload
  const log = Effect.provide(LogAudit.readAll, storm.log)
  // What is prepared once, such as tables, is there before a client with little patience comes.
  yield* log
  yield* rage(workload, storm.faults(witness)).pipe(
    Effect.provide(Layer.provideMerge(workload.layer, storm.deployment)),
    Effect.catchTag("TimeoutError", () =>
      Effect.flatMap(log, (log) => Effect.fail(new Error(`the load did not end: ${stuck(witness, log)}`)))
    )
  )
  report(Invariants.problems(witness, yield* log), Workload.describe(witness))
  return { refused: witness.refused }
})

/** Fails if there are problems, and names the first of them. */
export const report = (problems: ReadonlyArray<string>, seen: string): void => {
  if (problems.length > 0) assert.fail([`${problems.length} problems; ${seen}:`, ...problems.slice(0, 20)].join("\n  "))
}

/** Which runs have no outcome, and what the log has of them. */
const stuck = (witness: Workload.Witness, log: ReadonlyArray<StoredEvent>): string => {
  const open = [...witness.runs].filter(([, { outcome }]) => outcome === undefined).map(([id]) => id)
  const runs = open.map((id) => {
    const events = log.filter(({ stream }) => stream === `run/${id}`)
    return `${id}: ${events.map(({ meta, type }) => (meta.path === undefined ? type : `${type} ${meta.path}`)).join(", ")}`
  })
  return [Workload.describe(witness), ...runs].join("\n  ")
}
