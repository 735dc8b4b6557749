import * as Effect from "effect/Effect"

/** Turns of the event loop that a call waits for another: some tens of milliseconds. */
const patience = 10_000

/**
 * A place between a check and a write where calls about the same thing wait for each other, so that the one does not
 * write before the other has looked, however fast the store is. Nobody waits for ever, and nobody once two have met.
 */
export const makeMeeting = (): ((about: string) => Effect.Effect<void>) => {
  const waiting = new Map<string, number>()
  let haveMet = false
  return (about) =>
    Effect.suspend(() => {
      const here = (waiting.get(about) ?? 0) + 1
      waiting.set(about, here)
      if (here > 1) haveMet = true
      let turns = 0
      return Effect.whileLoop({
        while: () => turns++ === 0 || (!haveMet && turns < patience),
        body: () => Effect.yieldNow,
        step: () => {}
      }).pipe(Effect.ensuring(Effect.sync(() => void waiting.set(about, waiting.get(about)! - 1))))
    })
}
