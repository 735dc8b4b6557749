import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Runs the effect in a fiber of its own, so that every child that is forked in it ends with it: it is interrupted, and
 * waited for, before the outcome of the effect is heard.
 */
export const enclosed = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    let own: Fiber.Fiber<A, E> | undefined
    // It says itself who it is: an interruption may strike between the fork and its answer.
    const known = Effect.withFiber<A, E, R>((fiber) => {
      own = fiber as Fiber.Fiber<A, E>
      return self
    })
    const forked = Effect.forkChild(known, { startImmediately: true, uninterruptible: "inherit" })
    return Effect.matchCauseEffect(restore(Effect.flatMap(forked, Fiber.await)), {
      onSuccess: (exit) => exit,
      onFailure: (interrupted): Effect.Effect<A, E> => {
        if (own === undefined) return Effect.failCause(interrupted)
        return Effect.andThen(Fiber.interrupt(own), Effect.flatten(Fiber.await(own)))
      }
    })
  })
