import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Run from "../core/Run.ts"

/** Work that nobody may interrupt but the loss of its run: a compensation. */
export class OwnedFibers {
  private readonly fibers = new Set<Fiber.Fiber<unknown, unknown>>()

  readonly whileOwned: Run.Reopen = (effect) =>
    Effect.flatMap(Effect.forkDetach(Effect.interruptible(effect)), (fiber) => {
      this.fibers.add(fiber)
      return Effect.ensuring(
        Fiber.join(fiber),
        Effect.sync(() => this.fibers.delete(fiber))
      )
    })

  interrupt(): void {
    for (const fiber of this.fibers) fiber.interruptUnsafe()
  }
}
