import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Random, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Retry from "../../src/policies/Retry.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
class Full extends Schema.TaggedError<Full>()("Full", { retryAfter: Schema.DurationFromMillis }) {}
class Broken extends Schema.TaggedError<Broken>()("Broken", { part: Schema.String }) {}

/** The waits that a schedule asks for when every attempt, the first at 0, fails at once with the next of the errors. */
const waits = <E>(schedule: Schedule.Schedule<unknown, E>, errors: Iterable<E>) =>
  Effect.gen(function* () {
    const step = yield* Schedule.toStep(schedule)
    const all: Array<number> = []
    let now = 0
    for (const error of errors) {
      const decided = yield* Effect.exit(step(now, error))
      if (Exit.isFailure(decided)) break
      all.push(Duration.toMillis(decided.value[1]))
      now += all.at(-1)!
    }
    return all
  })

const busy = (count: number) => Array.from({ length: count }, () => new Busy())

const Whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const Limits = Schema.Struct({
  attempts: Whole(1, 12),
  elapsed: Whole(1, 20_000),
  base: Whole(1, 500),
  factor: Whole(1, 4),
  cap: Whole(1, 3000),
  percent: Whole(0, 100),
  seed: Whole(1, 1_000_000)
})

describe("Retry", () => {
  it.effect.prop(
    "T1, T2, T3, T5: whatever the limits, each holds, and chance only shortens waits",
    { limits: Limits },
    ({ limits: { percent, seed, ...limits } }) =>
      Effect.gen(function* () {
        const planned = yield* waits(Retry.schedule({ ...limits, jitter: 0 }), busy(20))
        const schedule = Retry.schedule<Busy>({ ...limits, jitter: percent / 100 })
        const drawn = yield* waits(schedule, busy(20)).pipe(Random.withSeed(seed))
        assert.isAtMost(planned.length, limits.attempts - 1)
        assert.isAtMost(drawn.length, limits.attempts - 1)
        const total = drawn.reduce((sum, wait) => sum + wait, 0)
        assert.isAtMost(total, limits.elapsed)
        planned.forEach((wait, index) =>
          assert.strictEqual(wait, Math.min(limits.cap, limits.base * limits.factor ** index))
        )
        drawn.forEach((wait, index) => {
          const longest = Math.min(limits.cap, limits.base * limits.factor ** index)
          assert.isAtMost(wait, longest)
          assert.isAtLeast(wait, longest * (1 - percent / 100) - 1e-6)
        })
        // With more time to spare there may be more attempts, never fewer.
        assert.isAtLeast(drawn.length, planned.length)
      })
  )

  it.effect.prop("T5: at the same times, any chance decides alike", { limits: Limits }, ({ limits }) =>
    Effect.gen(function* () {
      const { percent, seed, ...options } = limits
      const decisions = Effect.gen(function* () {
        const step = yield* Schedule.toStep(Retry.schedule<Busy>({ ...options, jitter: percent / 100 }))
        return yield* Effect.forEach([0, 1, 2, 3, 4, 5, 6], (n) =>
          Effect.map(Effect.exit(step((n * options.elapsed) / 5, new Busy())), Exit.isSuccess)
        )
      })
      const seeds = [seed, seed + 1, seed + 2, seed + 3]
      const all = yield* Effect.forEach(seeds, (seed) => Random.withSeed(decisions, seed))
      for (const each of all) assert.deepStrictEqual(each, all[0])
    })
  )

  it.effect("T1: an effect, a leaf and a composed agent are tried so often, with these waits", () =>
    Effect.gen(function* () {
      let calls = 0
      const fail = Effect.suspend(() => Effect.fail(new Busy(void calls++)))
      const leaf = Agent.make("leaf", {
        task: Task.make("Leaf", { input: {}, output: {}, error: Busy }),
        run: () => fail
      })
      const composed = Agent.compose("composed", { run: (_: {}) => fail })
      const retry = Retry.upTo({ attempts: 4, base: "1 second", jitter: 0, cap: "3 seconds" })
      for (const call of [fail.pipe(retry), leaf.pipe(retry).run({}), composed.pipe(retry).run({})]) {
        calls = 0
        const fiber = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
        const seen = [calls]
        for (const wait of [999, 1, 2000, 3000, 10_000]) {
          yield* TestClock.adjust(wait)
          seen.push(calls)
        }
        assert.deepStrictEqual(seen, [1, 1, 2, 3, 4, 4])
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "Busy")
      }
    })
  )

  it.effect("T2: an error may ask for a longer wait, even beyond the cap, but not for a shorter one", () =>
    Effect.gen(function* () {
      const full = (millis: number) => new Full({ retryAfter: Duration.millis(millis) })
      const options = { attempts: 9, base: "100 millis", cap: "1 second" } as const
      const errors = [full(5000), full(1), full(50)]
      assert.deepStrictEqual(yield* waits(Retry.schedule<Full>({ ...options, jitter: 0 }), errors), [5000, 200, 400])
      const drawn = yield* waits(Retry.schedule<Full>({ ...options, jitter: 1 }), [full(5000), full(150), full(350)])
      assert.strictEqual(drawn[0], 5000)
      assert.isAtLeast(drawn[1]!, 150)
      assert.isAtLeast(drawn[2]!, 350)
    })
  )

  it.effect("T3: an attempt that would begin too late is not waited for", () =>
    Effect.gen(function* () {
      const schedule = Retry.schedule<Busy | Full>({ attempts: 9, base: "1 second", jitter: 0, elapsed: "7 seconds" })
      assert.deepStrictEqual(yield* waits(schedule, busy(9)), [1000, 2000, 4000])
      assert.deepStrictEqual(yield* waits(schedule, [new Full({ retryAfter: Duration.seconds(8) })]), [])
    })
  )

  it.effect("T4: only accepted errors are tried again", () =>
    Effect.gen(function* () {
      let calls = 0
      const attemptsOf = <E>(effect: Effect.Effect<unknown, E>) =>
        Effect.gen(function* () {
          calls = 0
          const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
          yield* TestClock.adjust("1 hour")
          assert.isDefined(fiber.pollUnsafe())
          return calls
        })
      const failing = <E>(cause: Cause.Cause<E>) =>
        Effect.suspend((): Effect.Effect<never, E | Busy> => {
          calls++
          return Effect.failCause(cause)
        })
      const limits = { attempts: 3 } as const
      const broken = Cause.fail(new Broken({ part: "a" }))
      assert.strictEqual(yield* attemptsOf(failing(broken).pipe(Retry.upTo(limits))), 3)
      assert.strictEqual(yield* attemptsOf(failing(broken).pipe(Retry.upTo({ ...limits, on: ["Busy"] }))), 1)
      assert.strictEqual(yield* attemptsOf(failing(broken).pipe(Retry.upTo({ ...limits, on: ["Busy", "Broken"] }))), 3)
      const partB = Retry.upTo(failing(broken), { ...limits, on: ["Broken"], while: ({ part }) => part === "b" })
      assert.strictEqual(yield* attemptsOf(partB), 1)
      assert.strictEqual(yield* attemptsOf(failing(Cause.die("bug")).pipe(Retry.upTo(limits))), 1)
      assert.strictEqual(yield* attemptsOf(failing(Cause.interrupt()).pipe(Retry.upTo(limits))), 1)
    })
  )

  it("limits that cannot hold are refused when they are written", () => {
    assert.throws(() => Retry.upTo({ attempts: 0 }), "attempts must be a positive integer or Infinity, got 0")
    assert.throws(() => Retry.upTo({ attempts: 1.5 }), "attempts must be")
    assert.throws(() => Retry.schedule({ attempts: 1, factor: 0.5 }), "factor must be at least 1 and finite, got 0.5")
    assert.throws(() => Retry.schedule({ attempts: 1, jitter: 2 }), "jitter must be in [0, 1], got 2")
    assert.throws(() => Retry.schedule({ attempts: 1, cap: 0 }), "cap must be positive, got 0")
    assert.throws(() => Retry.schedule({ attempts: 1, base: 0 }), "base must be positive")
    assert.throws(() => Retry.schedule({ attempts: 1, elapsed: 0 }), "elapsed must be positive")
  })
})
