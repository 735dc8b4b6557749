import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

/** The fiber of a run's program. It ends with the fibers that it has forked, and what they have to undo. */
export class ProgramFiber<A, E> {
  private fiber: Fiber.Fiber<A, E> | undefined
  private interrupted = false

  /** Starts the program, and once it has ended, `ended` in a fiber that nobody interrupts. Returns at once. */
  start(program: Effect.Effect<A, E>, ended: (exit: Exit.Exit<A, E>) => Effect.Effect<void>): Effect.Effect<void> {
    return Effect.withFiber(({ context }) =>
      Effect.map(Effect.forkDetach(program), (fiber) => {
        this.fiber = fiber
        // The cancellation may have been faster.
        if (this.interrupted) fiber.interruptUnsafe()
        fiber.addObserver((exit) => Effect.runForkWith(context)(ended(exit), { uninterruptible: true }))
      })
    )
  }

  interrupt(): void {
    this.interrupted = true
    this.fiber?.interruptUnsafe()
  }

  /** Waits until the program has ended, if it was ever started. */
  get ended(): Effect.Effect<void> {
    return Effect.suspend(() => (this.fiber === undefined ? Effect.void : Effect.asVoid(Fiber.await(this.fiber))))
  }
}
