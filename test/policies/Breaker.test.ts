import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import * as Breaker from "../../src/policies/Breaker.ts"

class Down extends Schema.TaggedError<Down>()("Down", {}) {}
class Invalid extends Schema.TaggedError<Invalid>()("Invalid", {}) {}

const options: Breaker.Options = { trip: Breaker.consecutive(2), openFor: "1 second" }
const tag = (breaker: Breaker.Breaker<never>) => Effect.map(breaker.state, (state) => state._tag)

describe("Breaker", () => {
  it.effect("B1: a refused call does not run, and says when to come back", () =>
    Effect.gen(function* () {
      let calls = 0
      const breaker = Breaker.make("stripe", options)
      const call = Effect.suspend(() => {
        calls++
        return Effect.fail(new Down())
      }).pipe(Breaker.protect(breaker))
      yield* Effect.flip(call)
      yield* Effect.flip(call)
      yield* TestClock.adjust("400 millis")
      const error = yield* Effect.flip(call)
      assert.strictEqual(calls, 2)
      assert(error._tag === "CircuitOpen")
      assert.strictEqual(error.name, "stripe")
      assert.strictEqual(Duration.toMillis(error.retryAfter), 600)
    })
  )

  it.effect("B2: an interrupted probe gives its place back and decides nothing", () =>
    Effect.gen(function* () {
      const breaker = Breaker.make("stripe", options)
      const fail = Breaker.protect(Effect.fail(new Down()), breaker)
      yield* Effect.flip(fail)
      yield* Effect.flip(fail)
      yield* TestClock.adjust("1 second")
      const probe = yield* Effect.forkChild(Breaker.protect(Effect.never, breaker), { startImmediately: true })
      assert.strictEqual((yield* Effect.flip(fail))._tag, "CircuitOpen")
      yield* Fiber.interrupt(probe)
      assert.strictEqual(yield* tag(breaker), "HalfOpen")
      assert.strictEqual(yield* Breaker.protect(Effect.succeed(1), breaker), 1)
      assert.strictEqual(yield* tag(breaker), "Closed")
    })
  )

  it.effect("B3: errors that say nothing against the callee do not trip; defects do", () =>
    Effect.gen(function* () {
      const breaker = Breaker.make<Down | Invalid>("stripe", {
        ...options,
        isFailure: (error) => error._tag === "Down"
      })
      yield* Effect.flip(Breaker.protect(Effect.fail(new Down()), breaker))
      yield* Effect.flip(Breaker.protect(Effect.fail(new Invalid()), breaker))
      yield* Effect.flip(Breaker.protect(Effect.fail(new Down()), breaker))
      assert.strictEqual(yield* tag(breaker), "Closed")
      yield* Effect.exit(Breaker.protect(Effect.die("bug"), breaker))
      assert.strictEqual(yield* tag(breaker), "Open")
    })
  )

  it.effect("B4: a replay refuses what was refused, although the circuit is closed by then", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const gate = yield* Deferred.make<void>()
      const reached = yield* Deferred.make<void>()
      const hold = Agent.make("hold", {
        task: Task.make("Hold", { input: {}, output: {} }),
        run: () => Effect.andThen(Deferred.succeed(reached, undefined), Effect.as(Deferred.await(gate), {}))
      })
      let calls = 0
      const pay = Agent.make("pay", {
        task: Task.make("Pay", { input: {}, output: {}, error: Down }),
        run: () => Effect.suspend(() => (++calls < 2 ? Effect.fail(new Down()) : Effect.succeed({})))
      })
      // The second process would let the second call through.
      const runtime = <A, E>(failures: number, effect: (Pay: ReturnType<typeof make>) => Effect.Effect<A, E, any>) => {
        const Pay = make(Breaker.make("stripe", { trip: Breaker.consecutive(failures), openFor: "1 second" }))
        return Effect.provide(
          effect(Pay),
          Layer.fresh(Pay.layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0 })))),
          { local: true }
        )
      }
      const make = (breaker: Breaker.Breaker) =>
        Orchestration.make("Pay", {
          input: {},
          output: Schema.Array(Schema.String),
          key: () => "one",
          run: () =>
            Effect.gen(function* () {
              const outcome = pay
                .run({})
                .pipe(
                  Breaker.protect(breaker),
                  Effect.match({ onSuccess: () => "paid", onFailure: (error) => error._tag })
                )
              const first = yield* outcome
              const second = yield* outcome
              yield* Effect.orDie(hold.run({}))
              return [first, second]
            })
        })
      yield* runtime(1, (Pay) => Effect.andThen(Pay.start({}), Deferred.await(reached)))
      yield* Deferred.succeed(gate, undefined)
      const result = yield* runtime(5, (Pay) => Effect.flatMap(Pay.start({}), (handle) => handle.await))
      assert.deepStrictEqual(result, ["Down", "CircuitOpen"])
      assert.strictEqual(calls, 1)
    })
  )

  it("rules that cannot hold are refused when they are written", () => {
    assert.throws(() => Breaker.consecutive(0), "failures must be a positive integer, got 0")
    assert.throws(() => Breaker.rate({ threshold: 3, size: 10 }), "threshold must be in (0, 1], got 3")
    assert.throws(() => Breaker.rate({ threshold: 0.5, size: 10, minimumCalls: 11 }), "minimumCalls must not exceed")
    assert.throws(() => Breaker.make("x", { ...options, openFor: 0 }), "openFor must be positive")
  })
})
