import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Servers live in real time, whatever clock the test has. */
export const onWallClock: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Effect.provideService(
  Clock.Clock,
  Clock.Clock.defaultValue()
)
