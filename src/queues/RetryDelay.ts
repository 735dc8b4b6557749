/**
 * When to try again, told by a `Schedule` and the number of failures alone.
 *
 * Tries of one item may be made by different processes, so the schedule has no memory but this number: it is run anew up to
 * it. The time that passes in it is the sum of its own delays.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"

/** The delay after so many failures; `undefined` if the schedule has ended. */
export const after = Effect.fnUntraced(function* (
  schedule: Schedule.Schedule<unknown, number>,
  failures: number
): Effect.fn.Return<Duration.Duration | undefined> {
  const step = yield* Schedule.toStep(schedule)
  let delay = Duration.zero
  let elapsed = 0
  for (let failure = 1; failure <= failures; failure++) {
    const next = yield* Pull.catchDone(step(elapsed, failure), () => Effect.undefined)
    if (next === undefined) return undefined
    delay = next[1]
    elapsed += Duration.toMillis(delay)
  }
  return delay
})
