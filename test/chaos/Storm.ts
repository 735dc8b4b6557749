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
  readonly deployment: Layer.Layer<Engine | EventStore | R, unknown>
  /** How the log is read in the end: past every proxy, on a connection of its own. */
  readonly log: Layer.Layer<EventStoreDriver, unknown>
  readonly faults: (witness: Workload.Witness) => ReadonlyArray<Fault<R>>
}

/** Answers that are on their way when a fault strikes still arrive. */
const settle = "300 millis"

/** Rages, then says what is wrong with the log: nothing. */
export const run = Effect.fnUntraced(function* <R>(storm: Storm<R>) {
  const workload = Workload.make()
  const { witness } = workload
  const faults = storm.faults(witness)

  const strike = Effect.fnUntraced(function* ({ heal, lasts = "500 millis", name, strike, stopsWrites }: Fault<R>) {
    yield* workload.progress(40)
    yield* strike
    yield* Effect.sleep(settle)
    const before = witness.acknowledged.size
    yield* Effect.sleep(lasts)
    if (stopsWrites) assert.strictEqual(witness.acknowledged.size, before, `acknowledged while ${name}`)
    yield* heal
  })

  const log = Effect.provide(LogAudit.readAll, storm.log)
  yield* Effect.gen(function* () {
    const load = yield* Effect.forkScoped(workload.load)
    const rage = Effect.forEach(
      Array.from({ length: rounds }).flatMap(() => faults),
      strike,
      { discard: true }
    )
    yield* Effect.raceFirst(Effect.andThen(rage, workload.progress(40)), Effect.andThen(Fiber.join(load), Effect.never))
    yield* workload.stop
    yield* Effect.timeoutOrElse(Fiber.join(load), {
      duration: "60 seconds",
      orElse: () => Effect.flatMap(log, (log) => Effect.fail(new Error(`the load did not end: ${stuck(witness, log)}`)))
    })
  }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(workload.layer, storm.deployment)))

  const problems = Invariants.problems(witness, yield* log)
  if (problems.length > 0) {
    const some = problems.slice(0, 20).join("\n  ")
    assert.fail(`${problems.length} problems; ${Workload.describe(witness)}:\n  ${some}`)
  }
  return { refused: witness.refused }
})

/** Which runs have no outcome, and what the log has of them. */
const stuck = (witness: Workload.Witness, log: ReadonlyArray<StoredEvent>): string => {
  const open = [...witness.runs].filter(([, { outcome }]) => outcome === undefined).map(([id]) => id)
  const runs = open.map((id) => {
    const events = log.filter(({ stream }) => stream === `run/${id}`)
    return `${id}: ${events.map(({ meta, type }) => (meta.path === undefined ? type : `${type} ${meta.path}`)).join(", ")}`
  })
  return [Workload.describe(witness), ...runs].join("\n  ")
}
