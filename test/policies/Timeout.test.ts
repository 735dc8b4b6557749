import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Retry from "../../src/policies/Retry.ts"
import * as Timeout from "../../src/policies/Timeout.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
const Work = Task.make("Work", { input: {}, output: Schema.String, error: Busy })

describe("Timeout", () => {
  it.effect("O1: what takes too long is interrupted, and the error says whose time was up", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const never = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
      const leaf = Agent.make("leaf", { task: Work, run: () => never })
      const composed = Agent.compose("composed", { run: (_: {}) => never })
      const limit = Timeout.after("1 second")
      const seen: Array<unknown> = []
      for (const call of [never.pipe(limit), leaf.pipe(limit).run({}), composed.pipe(limit).run({})]) {
        const fiber = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
        yield* TestClock.adjust("999 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(fiber)
        assert(error._tag === "TimedOut")
        seen.push(error.agent, Duration.toMillis(error.timeout), error.message)
      }
      assert.strictEqual(interrupted, 3)
      assert.deepStrictEqual(seen.slice(0, 6), [
        undefined,
        1000,
        "The call did not end within 1s.",
        "leaf",
        1000,
        'Agent "leaf" did not end within 1s.'
      ])
    })
  )

  it.effect("O2: what ends in time is left as it is", () =>
    Effect.gen(function* () {
      const limit = Timeout.after("1 second")
      assert.strictEqual(yield* Effect.succeed(1).pipe(limit), 1)
      assert.strictEqual((yield* Effect.flip(Effect.fail(new Busy()).pipe(limit)))._tag, "Busy")
    })
  )

  it.effect("before a retry it limits each attempt, after it all of them", () =>
    Effect.gen(function* () {
      let calls = 0
      const slowAtFirst = Effect.suspend(() =>
        ++calls === 1
          ? Effect.never
          : Effect.delay(
              Effect.sync(() => calls),
              "500 millis"
            )
      )
      const retry = Retry.upTo({ attempts: 3, base: "1 second", jitter: 0 })
      const each = yield* Effect.forkChild(slowAtFirst.pipe(Timeout.after("1 second"), retry), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* Fiber.join(each), 2)
      const fail = Effect.fail(new Busy()).pipe(retry, Timeout.after("2 seconds"))
      const all = yield* Effect.forkChild(Effect.flip(fail), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(all))._tag, "TimedOut")
    })
  )

  it("a limit that cannot hold is refused when it is written", () => {
    assert.throws(() => Timeout.after(0), "timeout must be positive and finite, got 0")
    assert.throws(() => Timeout.after(Infinity), "timeout must be positive and finite")
  })
})
