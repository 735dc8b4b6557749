/**
 * Runs a program under many seeds: each one another order of events, and each one the same again tomorrow.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as SeededScheduler from "./SeededScheduler.ts"

/** The program fails under this seed. `SeededScheduler.withSeed` shows it again. */
export class SeedFailed extends Schema.TaggedError<SeedFailed>()("SeedFailed", {
  seed: Schema.Int,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const reason = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `Seed ${this.seed} failed: ${reason}`
  }
}

/**
 * Runs the effect under the seeds 1 to `count`, one after another, and stops at the first that fails.
 *
 * **Details** Each seed has a `TestClock`, a scope and layers of its own, so nothing leaks from one to the next. A seed
 * that is interrupted, because the test ran out of time, is logged.
 *
 * @category testing
 * @stability stable
 * @since 0.1.0
 */
export const forEach = <A, E, R>(
  count: number,
  effect: (seed: number) => Effect.Effect<A, E, R>
): Effect.Effect<void, SeedFailed, Exclude<R, Scope.Scope>> =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => index + 1),
    (seed) => one(seed, effect),
    { discard: true }
  )

const one = <A, E, R>(
  seed: number,
  effect: (seed: number) => Effect.Effect<A, E, R>
): Effect.Effect<void, SeedFailed, Exclude<R, Scope.Scope>> =>
  Effect.suspend(() => effect(seed)).pipe(
    Effect.scoped,
    // Inside the seed: the clock watches the scheduler it is built under.
    Effect.provide(TestClock.layer(), { local: true }),
    Effect.provideServiceEffect(Layer.CurrentMemoMap, Layer.makeMemoMap),
    SeededScheduler.withSeed(seed),
    Effect.onInterrupt(() => Effect.logError(`Seed ${seed} was interrupted before it ended.`)),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.interrupt : new SeedFailed({ seed, cause: Cause.squash(cause) })
    ),
    Effect.asVoid
  )
