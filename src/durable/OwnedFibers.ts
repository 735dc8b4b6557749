import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Run from "../core/Run.ts"

/** Work that nobody may interrupt but the loss of its run: a compensation. */
export class OwnedFibers {
  /** Most runs never have any. */
  private fibers: Set<Fiber.Fiber<unknown, unknown>> | undefined

  readonly whileOwned: Run.Reopen = (effect) =>
    Effect.flatMap(Effect.forkDetach(Effect.interruptible(effect)), (fiber) => {
      const fibers = (this.fibers ??= new Set())
      fibers.add(fiber)
      return Effect.ensuring(
        Fiber.join(fiber),
        Effect.sync(() => fibers.delete(fiber))
      )
    })

  interrupt(): void {
    for (const fiber of this.fibers ?? []) fiber.interruptUnsafe()
  }
}
