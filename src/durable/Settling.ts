/** When a program has come to rest: nothing in it can run until it hears an answer. */
import * as Effect from "effect/Effect"

/** A scheduler that knows priorities runs who waits here when nothing else can run, but before those who wait for idleness. */
const afterAllOthers = Number.MAX_SAFE_INTEGER - 1

/** Waits until no question has come for so many turns of the scheduler. `questions`: how many have come so far. */
export const settled = (turns: number, questions: () => number): Effect.Effect<void> =>
  Effect.suspend(() => {
    let seen = questions()
    let quiet = 0
    return Effect.whileLoop({
      while: () => quiet < turns,
      body: () => Effect.yieldNowWith(afterAllOthers),
      step: () => {
        quiet = seen === questions() ? quiet + 1 : 0
        seen = questions()
      }
    })
  })
