/** One chaos test of a deployment: the workload on it, faults in turn, and the invariants at the end. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Engine } from "../../src/durable/Engine.ts"
import type { StoredEvent } from "../../src/event-store/Envelope.ts"
import type { EventStore } from "../../src/event-store/EventStore.ts"
import type { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import type { Persistence } from "../../src/persistence/Persistence.ts"
import * as LogAudit from "../../src/testing/LogAudit.ts"
import * as Faults from "./Faults.ts"
import * as Invariants from "./Invariants.ts"
import * as Workload from "./Workload.ts"

export interface Storm<R> {
  /** What the load runs on. */
  readonly deployment: Layer.Layer<Engine | EventStore | Persistence | R, unknown>
  /** How the log is read in the end: past every proxy, on a connection of its own. */
  readonly log: Layer.Layer<EventStoreDriver, unknown>
  readonly faults: (witness: Workload.Witness) => ReadonlyArray<Faults.Fault<R>>
}

/** Rages, then says what is wrong with the log: nothing. */
export const run = Effect.fnUntraced(function* <R>(storm: Storm<R>) {
  const workload = Workload.make()
  const { witness } = workload
  const log = Effect.provide(LogAudit.readAll, storm.log)
  // What is prepared once, such as tables, is there before a client with little patience comes.
  yield* log
  yield* Faults.strikeAll(workload, storm.faults(witness)).pipe(
    Effect.provide(Layer.provideMerge(workload.layer, opened(storm.deployment, witness))),
    Effect.catchIf(Cause.isTimeoutError, () =>
      Effect.flatMap(log, (log) => Effect.fail(new Error(`the load did not end: ${stuck(witness, log)}`)))
    )
  )
  Faults.report(Invariants.problems(witness, yield* log), Workload.describe(witness))
  return { refused: witness.refused }
})

/** Opens a deployment again if the first tries are refused, as its supervisor would: a client may have little patience. */
const opened = <A, E>(deployment: Layer.Layer<A, E>, witness: Workload.Witness): Layer.Layer<A, E> => {
  const open = Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    return yield* Effect.onExit(Layer.buildWithScope(Layer.fresh(deployment), scope), (exit) =>
      Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void
    )
  })
  const refused = Effect.sync(() => void witness.refused++)
  return Layer.effectContext(
    Effect.retry(
      Effect.tapError(open, () => refused),
      { times: 5, schedule: Schedule.spaced("200 millis") }
    )
  )
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
