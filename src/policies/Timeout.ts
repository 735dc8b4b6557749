/**
 * A limit on how long one call may take.
 *
 * Invariants (checked by `test/policies/Timeout.test.ts` and `test/policies/Timeout.durable.test.ts`):
 *
 *   O1. A call that has not ended when its time is up is interrupted, and fails with `TimedOut`.
 *   O2. A call that ends in time is left as it is.
 *   O3. In a run the limit of a composed agent, or of an effect, is a durable timer: a restart does not begin it anew.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Agent from "../core/Agent.ts"
import * as Run from "../core/Run.ts"
import * as StepPath from "../core/StepPath.ts"
import * as Policy from "./Policy.ts"

/**
 * The call did not end within its time and was interrupted.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", {
  /** Name of the agent, if it was one. */
  agent: Schema.optionalKey(Schema.String),
  timeout: Schema.DurationFromMillis
}) {
  override get message(): string {
    const who = this.agent === undefined ? "The call" : `Agent "${this.agent}"`
    return `${who} did not end within ${Duration.format(this.timeout)}.`
  }
}

/**
 * Interrupts the call after a time.
 *
 * **When to use** For agents and effects alike. `Agent.timeout` is for agents alone, and fails with `AgentTimedOut`.
 *
 * **Details**
 *
 * - Before `Retry.upTo` in a `pipe` it limits each attempt, after it all of them together.
 * - Around an agent that performs a task it is part of the step, and begins anew with each attempt. Around anything else it
 *   is a durable timer in a run, which costs an event when it begins.
 * - It cannot outlast a `Deadline` around it, which then interrupts the call, and is the error that is seen.
 *
 * **Errors** `TimedOut` — the time is up.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const after = (duration: Duration.Input): (<T extends Policy.Target>(self: T) => Policy.Adding<T, TimedOut>) => {
  const timeout = limitOf("timeout", duration)
  return <T extends Policy.Target>(self: T) => {
    const fields = Agent.isAgent(self) ? { agent: self.name, timeout } : { timeout }
    return Policy.apply(self, {
      errors: TimedOut,
      around: (effect) =>
        inTime(
          effect,
          timeout,
          Effect.suspend(() => Effect.fail(new TimedOut(fields)))
        )
    })
  }
}

/** Checks a limit of time. */
export const limitOf = (what: string, duration: Duration.Input): Duration.Duration => {
  const limit = Duration.fromInputUnsafe(duration)
  if (!(Duration.toMillis(limit) > 0 && Duration.isFinite(limit))) {
    throw new RangeError(`${what} must be positive and finite, got ${Duration.format(limit)}`)
  }
  return limit
}

const inTime = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  timeout: Duration.Duration,
  late: Effect.Effect<never, TimedOut>
): Effect.Effect<A, E | TimedOut, R> =>
  Run.withCurrent(
    (current) => against(effect, timerIn(current, "timeout", timeout), late),
    Effect.timeoutOrElse(effect, { duration: timeout, orElse: () => late })
  )

/** A timer of the run. It has its path before anything beside it begins, so that no name of a step there can take it. */
export const timerIn = (current: Run.Current, name: string, duration: Duration.Duration): Effect.Effect<void> => {
  const scope = StepPath.makeScope(StepPath.next(current.scope, StepPath.segment(name)))
  return current.run.sleep(scope, "timer", duration)
}

const timeIsUp = Symbol("time is up")

/** Whichever is first: the effect, or the timer, and then this failure. */
export const against = <A, E, R, E2>(
  effect: Effect.Effect<A, E, R>,
  timer: Effect.Effect<void>,
  late: Effect.Effect<never, E2>
): Effect.Effect<A, E | E2, R> =>
  Effect.flatMap(Effect.raceFirst(effect, Effect.as(timer, timeIsUp)), (answer) =>
    answer === timeIsUp ? late : Effect.succeed(answer as A)
  )
