import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as RateLimiter from "../../src/policies/RateLimiter.ts"
import * as Retry from "../../src/policies/Retry.ts"

const memory = Effect.provide(RateLimiter.layerMemory)
const told = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onSuccess: () => "began", onFailure: ({ _tag }) => _tag as string })

describe("RateLimiter", () => {
  it.effect("L1, L2: so many begin at once, the next is told when, and has used nothing up", () =>
    Effect.gen(function* () {
      let began = 0
      const limit = RateLimiter.make("api", { limit: 2, window: "10 seconds" })
      const call = Effect.sync(() => void began++).pipe(RateLimiter.protect(limit))
      yield* call
      yield* call
      yield* TestClock.adjust("1 second")
      for (let n = 0; n < 3; n++) {
        const error = yield* Effect.flip(call)
        assert(error._tag === "RateLimited")
        assert.deepStrictEqual([error.name, error.limit, Duration.toMillis(error.retryAfter)], ["api", 2, 4000])
        assert.strictEqual(error.message, 'Rate limit "api" of 2 is used up; try again in 4s.')
      }
      assert.strictEqual(began, 2)
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual([yield* told(call), yield* told(call)], ["began", "RateLimited"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Effect.all([told(call), told(call), told(call)]), ["began", "began", "RateLimited"])
    }).pipe(memory)
  )

  it.effect("L1, L2: those who may wait do, one begins each time a token is due, the others give up", () =>
    Effect.gen(function* () {
      const limit = RateLimiter.make("api", { limit: 1, window: "1 second", wait: "2500 millis" })
      const call = told(Effect.void.pipe(RateLimiter.protect(limit)))
      const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], () => Effect.forkChild(call, { startImmediately: true }))
      const done: Array<number> = []
      for (const wait of [0, 1000, 1000, 1000]) {
        yield* TestClock.adjust(wait)
        done.push(fibers.filter((fiber) => fiber.pollUnsafe() !== undefined).length)
      }
      // At 2 seconds two are left, whose next turn would come too late.
      assert.deepStrictEqual(done, [1, 2, 5, 5])
      const ends = yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      assert.strictEqual(ends.filter((end) => end === "began").length, 3)
    }).pipe(memory)
  )

  it.effect("L2: who is interrupted while he waits has used nothing up", () =>
    Effect.gen(function* () {
      const limit = RateLimiter.make("api", { limit: 1, window: "1 second", wait: "10 seconds" })
      const call = told(Effect.void.pipe(RateLimiter.protect(limit)))
      yield* call
      const waiting = yield* Effect.forkChild(call, { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* told(Effect.void.pipe(RateLimiter.protect({ ...limit, wait: Duration.zero }))), "began")
    }).pipe(memory)
  )

  it.effect("L3: keys do not share a limit, and names do", () =>
    Effect.gen(function* () {
      const tenants = RateLimiter.keyed("tenants", { limit: 1, window: "1 second" })
      const call = (key: string) => told(Effect.void.pipe(RateLimiter.protect(tenants(key))))
      assert.deepStrictEqual(yield* Effect.all([call("a"), call("b"), call("a")]), ["began", "began", "RateLimited"])
    }).pipe(memory)
  )

  it.effect("a retry waits as long as the limit asks for", () =>
    Effect.gen(function* () {
      const limit = RateLimiter.make("api", { limit: 1, window: "1 minute" })
      const work = Agent.make("work", {
        task: Task.make("Work", { input: {}, output: Schema.String }),
        run: () => Effect.succeed("done")
      }).pipe(RateLimiter.protect(limit), Retry.upTo({ attempts: 2, on: ["RateLimited"] }))
      assert.strictEqual(yield* work.run({}), "done")
      const second = yield* Effect.forkChild(work.run({}), { startImmediately: true })
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(second), "done")
    }).pipe(memory)
  )

  it.effect("a store that cannot be reached is a failure of its own, and the call does not run", () =>
    Effect.gen(function* () {
      let ran = 0
      const limit = RateLimiter.make("api", { limit: 1, window: "1 minute" })
      const error = yield* Effect.flip(Effect.sync(() => void ran++).pipe(RateLimiter.protect(limit)))
      assert.strictEqual(error.message, 'Rate limit "api" could not be asked: its store is unavailable.')
      assert.strictEqual(ran, 0)
    }).pipe(
      Effect.provide(
        Layer.succeed(RateLimiter.RateLimits, {
          take: ({ name }) => Effect.fail(new RateLimiter.RateLimitUnavailable({ name, cause: new Error("down") }))
        })
      )
    )
  )

  it("limits that cannot hold are refused when they are written", () => {
    assert.throws(() => RateLimiter.make("x", { limit: 0, window: 1 }), "limit must be a positive integer, got 0")
    assert.throws(() => RateLimiter.make("x", { limit: 1, window: 0 }), "window must be positive and finite, got 0")
  })
})
