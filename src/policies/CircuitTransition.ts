/** What becomes known when a circuit goes from one state to another: a fact for listeners, a metric, a log line. */
import * as DateTime from "effect/DateTime"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Broadcast } from "./Broadcast.ts"
import type * as Circuit from "./Circuit.ts"

/**
 * A circuit went from one state to another.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Transition {
  /** The breaker's name; of a key, the name of all and the key: `hosts/example.org`. */
  readonly breaker: string
  readonly from: Circuit.State["_tag"]
  readonly to: Circuit.State["_tag"]
  readonly at: DateTime.Utc
}

/** What circuits of one name have in common. */
export interface Group {
  readonly name: string
  readonly broadcast: Broadcast<Transition>
}

const transitionsTotal = Metric.counter("tutti_breaker_transitions_total", { incremental: true })

/** Tells listeners and counts. Answers with what is left to do: to log it. `now`: milliseconds since the epoch. */
export const announce = (
  { broadcast, name }: Group,
  { now, ...transition }: Omit<Transition, "at"> & { readonly now: number },
  context: Context.Context<never>
): Effect.Effect<void> => {
  Metric.withAttributes(transitionsTotal, { breaker: name, to: transition.to }).updateUnsafe(1, context)
  broadcast.publish({ ...transition, at: DateTime.makeUnsafe(now) })
  return log(transition.breaker, transition.to)
}

const log = (breaker: string, state: Circuit.State["_tag"]): Effect.Effect<void> => {
  switch (state) {
    case "Open":
      return Effect.logWarning(`The circuit of "${breaker}" opened.`)
    case "HalfOpen":
      return Effect.logDebug(`The circuit of "${breaker}" lets a probe through.`)
    case "Closed":
      return Effect.logInfo(`The circuit of "${breaker}" closed.`)
  }
}
