/**
 * Runs a program under many seeds: each one another order of events, and each one the same again tomorrow.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as SeededScheduler from "./SeededScheduler.ts"

/** The program fails under this seed. `Seeds.one` shows it again. */
export class SeedFailed extends Schema.TaggedError<SeedFailed>()("SeedFailed", {
  seed: Schema.Int,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `Seed ${this.seed} failed: ${Cause.prettyErrors(Cause.die(this.cause))[0]?.message ?? "no reason given"}`
  }
}

/**
 * Runs the effect under one seed.
 *
 * **Details** It has a `TestClock`, a scope and layers of its own, so nothing leaks from one seed to the next. Before
 * and after it moves the clock, `TestClock.adjust` waits until no fiber can run: a fiber that was forked has reached its
 * sleep. A seed that is interrupted, because the test ran out of time, is logged.
 *
 * **Gotchas** A program with one operation more is another program: a seed shows it another order.
 *
 * @category testing
 * @stability stable
 * @since 0.1.0
 */
export const one = <A, E, R>(
  seed: number,
  effect: (seed: number) => Effect.Effect<A, E, R>
): Effect.Effect<A, SeedFailed, Exclude<R, Scope.Scope>> =>
  Effect.suspend(() => effect(seed)).pipe(
    Effect.scoped,
    Effect.updateService(Clock.Clock, patient),
    // Inside the seed: the clock watches the scheduler it is built under.
    Effect.provide(TestClock.layer(), { local: true }),
    Effect.provideServiceEffect(Layer.CurrentMemoMap, Layer.makeMemoMap),
    SeededScheduler.withSeed(seed),
    Effect.onInterrupt(() => Effect.logError(`Seed ${seed} was interrupted before it ended.`)),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.interrupt : new SeedFailed({ seed, cause: Cause.squash(cause) })
    )
  )

/** Fibers start in any order: the clock must not go on before those that were forked have reached their sleep. */
const patient = (clock: Clock.Clock): TestClock.TestClock => {
  const testClock = clock as TestClock.TestClock
  const patiently = (moved: Effect.Effect<void>) =>
    SeededScheduler.idle.pipe(Effect.andThen(moved), Effect.andThen(SeededScheduler.idle))
  return {
    ...testClock,
    adjust: (duration) => patiently(testClock.adjust(duration)),
    setTime: (timestamp) => patiently(testClock.setTime(timestamp))
  }
}

/**
 * Runs the effect under the seeds 1 to `count`, one after another, and stops at the first that fails.
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
