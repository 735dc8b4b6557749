/** Durable waiting. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Run from "../core/Run.ts"

/**
 * Sleeps until a deadline that is fixed, and durable, when it is first reached.
 *
 * **Details** A run that is recovered sleeps only the rest; a deadline that passed meanwhile wakes it at once. Outside a
 * run this is `Effect.sleep`; so it is in the body of a step, which begins anew after a crash.
 *
 * @category running
 * @stability stable
 * @since 0.1.0
 */
export const sleep = (duration: Duration.Input): Effect.Effect<void> => {
  const wait = Duration.fromInputUnsafe(duration)
  return Run.withCurrent(({ run, scope }) => run.sleep(scope, "sleep", wait), Effect.sleep(wait))
}
