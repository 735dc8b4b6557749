/** `Effect.retry` whose waits are durable timers and whose clock is the run's. Outside a run it is `Effect.retry`. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Run from "./Run.ts"

/**
 * Tries again by the schedule, which may look at the typed error.
 *
 * **Details** For effects made of steps: each attempt's steps are recorded as further calls, the waits as timers, and
 * the schedule is given the times of the journal, so that it decides on replay as it did before.
 */
export const retry = <A, E, R, R2>(
  self: Effect.Effect<A, E, R>,
  schedule: Schedule.Schedule<unknown, E, never, R2>
): Effect.Effect<A, E, R | R2> =>
  Run.withCurrent((current) => retryInRun(self, schedule, current), Effect.retry(self, schedule)) as Effect.Effect<
    A,
    E,
    R | R2
  >

const retryInRun = Effect.fnUntraced(function* <A, E, R, R2>(
  self: Effect.Effect<A, E, R>,
  schedule: Schedule.Schedule<unknown, E, never, R2>,
  { run, scope }: Run.Current
) {
  const step = yield* Schedule.toStep(schedule)
  while (true) {
    const exit = yield* Effect.exit(self)
    if (Exit.isSuccess(exit)) return exit.value
    const error = Cause.findErrorOption(exit.cause)
    if (error._tag === "None") return yield* exit
    const decided = yield* Effect.exit(step(yield* run.time.now, error.value))
    if (Exit.isFailure(decided)) return yield* exit
    yield* run.sleep(scope, "backoff", decided.value[1])
  }
})
