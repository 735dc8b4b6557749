/** L1 to L5 in runs. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Agent, RateLimiter, Retry, Step } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"
import { heldRun, twiceAndOnce } from "./heldRun.ts"
import { stoppingRun } from "./stoppingRun.ts"
import { leafOf, told, twice } from "./policies.ts"

const perMinute = { limit: 1, window: "1 minute" } as const
const memory = Effect.provide(RateLimiter.layerMemory)

everywhere(
  define(
    "L1, L2: around leaves, which wait or try again",
    (world) => {
      const limit = RateLimiter.make("leaves", { ...perMinute, wait: "1 hour" })
      const ask = leafOf(world, "ask").pipe(RateLimiter.protect(limit))
      const again = leafOf(world, "again").pipe(
        RateLimiter.protect(RateLimiter.make("again", perMinute)),
        Retry.upTo({ attempts: 9, on: ["RateLimited"] })
      )
      return Effect.all([
        Step.forEach([1, 2], (n) => told(ask.run({ text: `${n}` })), { concurrency: "unbounded" }),
        told(again.run({ text: "a" })),
        told(again.run({ text: "b" }))
      ]).pipe(memory)
    },
    {
      expected: Exit.succeed([["ask(1)", "ask(2)"], "again(a)", "again(b)"]),
      effects: ["again a", "again b", "ask 1", "ask 2"]
    }
  )
)

everywhere(
  define(
    "L1, L4: around agents of agents and effects",
    (world) => {
      const ask = leafOf(world, "ask")
      const two = twice("two", ask).pipe(RateLimiter.protect(RateLimiter.make("two", { ...perMinute, wait: "1 hour" })))
      const limit = RateLimiter.make("effect", { ...perMinute, wait: "1 hour" })
      return Effect.all([
        told(two.run({ text: "a" })),
        told(two.run({ text: "b" })),
        told(ask.run({ text: "c" }).pipe(RateLimiter.protect(limit)))
      ]).pipe(memory)
    },
    {
      expected: Exit.succeed(["ask(a1) ask(a2)", "ask(b1) ask(b2)", "ask(c)"]),
      effects: ["ask a1", "ask a2", "ask b1", "ask b2", "ask c"]
    }
  )
)

describe("L4", () => {
  it.effect("L4: a replay refuses what was refused, although its bucket is full, and takes nothing from it", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const limit = RateLimiter.make("runs", { limit: 1, window: "1 hour" })
      const call = told(Effect.succeed("began").pipe(RateLimiter.protect(limit)))
      const body = (hold: Effect.Effect<void>) => memory(twiceAndOnce(call)(hold))
      yield* untilHeld(body)
      const second = yield* Effect.forkChild(finish(body), { startImmediately: true })
      yield* TestClock.adjust(1)
      // A process of its own has a bucket of its own, and finds its one token untouched.
      assert.deepStrictEqual(yield* Fiber.join(second), ["began", "RateLimited", "began"])
    })
  )
})

describe("L5", () => {
  it.effect("L5: an engine that stops does not wait for who waits for its turn, and its successor lets it in", () =>
    Effect.gen(function* () {
      const { inProcess } = yield* stoppingRun("1 hour")
      const bucket = yield* Layer.build(RateLimiter.layerMemory)
      const limit = RateLimiter.make("slow", { limit: 1, window: "300 days", wait: "365 days" })
      const work = Agent.compose("work", { run: (_: {}) => Effect.succeed("in") }).pipe(RateLimiter.protect(limit))
      yield* work.run({}).pipe(Effect.provideContext(bucket))
      const asked = yield* Deferred.make<void>()
      const body = Effect.andThen(Deferred.succeed(asked, undefined), work.run({}))
      const began = yield* Clock.currentTimeMillis
      const stopped = yield* Effect.forkChild(
        inProcess(body.pipe(Effect.provideContext(bucket)), (job) =>
          Effect.andThen(job.start({}), Effect.andThen(Deferred.await(asked), Effect.yieldNow))
        )
      )
      while (stopped.pollUnsafe() === undefined) yield* TestClock.adjust("1 minute")
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 3_600_000)
      const answer = yield* Effect.forkChild(
        inProcess(memory(body), (job) => Effect.flatMap(job.start({}), (handle) => handle.await)),
        { startImmediately: true }
      )
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(answer), "in")
    })
  )
})
