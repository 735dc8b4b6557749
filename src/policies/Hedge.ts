/**
 * A second call when the first one takes long: it answers tail latency with a little more load.
 *
 * Invariants (checked by `test/policies/Hedge.test.ts` and `test/policies/Hedge.durable.test.ts`):
 *
 *   G1. The first call that succeeds is the answer, and the only one; the others are interrupted before it is given.
 *   G2. Another call begins only after another `delay` without an answer, and at most `calls` begin in all.
 *   G3. A call that fails waits for those under way. When none is, the last failure is the answer: nothing begins for its
 *       sake. That is what `Retry` is for.
 *   G4. No call outlives the whole, however it ends.
 *   G5. In a run the calls of a composed agent lie in scopes of their own, and a replay has the same winner.
 *
 * Source: Jeffrey Dean and Luiz André Barroso, "The Tail at Scale", CACM 56(2), 2013, "Hedged requests".
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import type { UnknownOutcome } from "../core/AgentError.ts"
import * as Run from "../core/Run.ts"
import * as Policy from "./Policy.ts"
import * as Timeout from "./Timeout.ts"

/**
 * How many calls there may be.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Options {
  /** At most so many, the first one included. Default 2. */
  readonly calls?: number
}

/** An agent that is not idempotent fails with `UnknownOutcome`: to call it twice does harm. */
type Repeatable<T> = [Extract<Policy.Error<T>, UnknownOutcome>] extends [never]
  ? unknown
  : "It is not idempotent: a second call would do harm"

/**
 * Makes another call when there is no answer after `delay`, and takes the first success.
 *
 * **Details**
 *
 * - Choose a delay that few calls exceed, such as their 95th percentile: then five in a hundred are made twice.
 * - Around an agent that performs a task all calls are one step, with one idempotency key. In a run, around a composed agent
 *   or an effect, each call has a scope, `hedge/[1]`, `hedge/[2]`, …, and the delays are timers.
 * - `Timeout.after` before it in a `pipe` limits each call, after it all of them together.
 *
 * **Gotchas**
 *
 * - Only for what may run twice at once. An agent made with `idempotent: false` does not compile; whether an effect may be
 *   repeated, nobody but you knows.
 * - Interruption stops the waiting for a loser. What it has done by then is done.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const after = (
  delay: Duration.Input,
  options: Options = {}
): (<T extends Policy.Target>(self: T & Repeatable<T>) => Policy.Adding<T, never>) => {
  const { calls = 2 } = options
  if (!Number.isInteger(calls) || calls < 1) throw new RangeError(`calls must be a positive integer, got ${calls}`)
  const wait = Timeout.limitOf("delay", delay)
  const inScope = Run.scoped("hedge")
  return <T extends Policy.Target>(self: T & Repeatable<T>) =>
    Policy.apply<T, typeof Schema.Never>(self, {
      errors: Schema.Never,
      around: (effect) => inScope(hedged(effect, calls, wait))
    })
}

const hedged = <A, E, R>(effect: Effect.Effect<A, E, R>, calls: number, delay: Duration.Duration) =>
  Effect.suspend(() => {
    let begun = 0
    let failed = 0
    const call = Effect.suspend(() => {
      begun++
      return Effect.catchCause(effect, (cause): Effect.Effect<never, E> =>
        ++failed === begun ? Effect.failCause(cause) : Effect.never
      )
    })
    const branches = Array.from({ length: calls }, (_, index) =>
      Run.scoped(`[${index + 1}]`)(index === 0 ? call : Effect.andThen(pause(Duration.times(delay, index)), call))
    )
    return Effect.raceAllFirst(branches)
  })

const furtherCalls = Metric.counter("tutti_hedge_calls_total", { incremental: true })

/** In the program of a run nothing is counted: a replay would count it again. */
const pause = (duration: Duration.Duration): Effect.Effect<void> =>
  Run.withCurrent(
    (current) => Timeout.timerIn(current, "delay", duration),
    Effect.andThen(Effect.sleep(duration), Metric.update(furtherCalls, 1))
  )
