/** Trying again, inside a run and outside. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Run from "./Run.ts"

/**
 * `Effect.retry` whose waits are durable timers and whose clock is the run's. Outside a run: `Effect.retry`.
 *
 * **Details** Each wait is a timer named `backoff` in the scope of the caller. Defects and interruptions are not retried.
 *
 * @category combinators
 * @since 0.1.0
 */
export const retry = <A, E, R, R2>(
  self: Effect.Effect<A, E, R>,
  schedule: Schedule.Schedule<unknown, E, never, R2>
): Effect.Effect<A, E, R | R2> =>
  Run.withCurrent(
    Effect.fnUntraced(function*({ run, scope }: Run.Current) {
      const step = yield* Schedule.toStep(schedule)
      while (true) {
        const exit = yield* Effect.exit(self)
        if (Exit.isSuccess(exit)) return exit.value
        const error = Cause.findErrorOption(exit.cause)
        if (error._tag === "None") return yield* exit
        const decided = yield* Effect.exit(step(yield* run.now, error.value))
        if (Exit.isFailure(decided)) return yield* exit
        yield* run.sleep(scope, "backoff", decided.value[1])
      }
    }),
    Effect.retry(self, schedule)
  ) as Effect.Effect<A, E, R | R2>
