import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Layer, Metric, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import { make, Redis, RedisError } from "../../src/persistence/RedisClient.ts"
import * as Breaker from "../../src/policies/Breaker.ts"
import * as SharedBreaker from "../../src/policies/SharedBreaker.ts"
import { temporaryPrefix } from "../redis.ts"

class Down extends Schema.TaggedError<Down>()("Down", {}) {}
class Invalid extends Schema.TaggedError<Invalid>()("Invalid", {}) {}
class Busy extends Schema.TaggedError<Busy>()("Busy", { retryAfter: Schema.DurationFromMillis }) {}

const memory = Effect.provide(SharedBreaker.layerMemory)
const options = { trip: Breaker.consecutive(2), openFor: "30 seconds" } as const
const told = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onSuccess: () => "paid", onFailure: ({ _tag }) => _tag as string })

/** A callee that is down as long as it is told to be. */
const callee = (breaker: SharedBreaker.SharedBreaker) => {
  const state = { isDown: true, calls: 0 }
  const call = Effect.suspend(() => {
    state.calls++
    return state.isDown ? Effect.fail(new Down()) : Effect.void
  }).pipe(SharedBreaker.protect(breaker))
  return { state, call: told(call), failing: call }
}

describe("SharedBreaker", () => {
  it.effect("H1: a call that is refused does not run, and says when to come again; a probe closes the circuit", () =>
    Effect.gen(function* () {
      const { call, failing, state } = callee(SharedBreaker.make("stripe", options))
      assert.deepStrictEqual([yield* call, yield* call], ["Down", "Down"])
      yield* TestClock.adjust("10 seconds")
      const error = yield* Effect.flip(failing)
      assert(error._tag === "CircuitOpen")
      assert.deepStrictEqual([error.name, Duration.toMillis(error.retryAfter)], ["stripe", 20_000])
      assert.strictEqual(state.calls, 2)
      state.isDown = false
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual([yield* call, yield* call], ["paid", "paid"])
      assert.strictEqual(state.calls, 4)
    }).pipe(memory)
  )

  it.effect("H1: while its probe is out, others are refused", () =>
    Effect.gen(function* () {
      const { call } = callee(SharedBreaker.make("stripe", options))
      yield* Effect.all([call, call])
      yield* TestClock.adjust("30 seconds")
      const gate = yield* Deferred.make<void>()
      const breaker = SharedBreaker.make("stripe", options)
      const probe = yield* Effect.forkChild(SharedBreaker.protect(Deferred.await(gate), breaker), {
        startImmediately: true
      })
      yield* TestClock.adjust(0)
      const error = yield* Effect.flip(SharedBreaker.protect(Effect.void, breaker))
      assert.deepStrictEqual([error._tag, Duration.toMillis(error.retryAfter)], ["CircuitOpen", 0])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(probe)
      assert.strictEqual(yield* told(SharedBreaker.protect(Effect.void, breaker)), "paid")
    }).pipe(memory)
  )

  it.effect("H2: a probe that is interrupted frees its place, and counts as nothing", () =>
    Effect.gen(function* () {
      const breaker = SharedBreaker.make("stripe", options)
      const { call, state } = callee(breaker)
      yield* Effect.all([call, call])
      yield* TestClock.adjust("30 seconds")
      const probe = yield* Effect.forkChild(SharedBreaker.protect(Effect.never, breaker), { startImmediately: true })
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* call, "CircuitOpen")
      yield* Fiber.interrupt(probe)
      state.isDown = false
      assert.strictEqual(yield* call, "paid")
    }).pipe(memory)
  )

  it.effect("H3: only what is a failure counts, and defects", () =>
    Effect.gen(function* () {
      const breaker = SharedBreaker.make("stripe", {
        ...options,
        isFailure: (error: Down | Invalid) => error._tag === "Down"
      })
      const down = Effect.fail(new Down()).pipe(SharedBreaker.protect(breaker), told)
      const invalid = Effect.fail(new Invalid()).pipe(SharedBreaker.protect(breaker), told)
      assert.deepStrictEqual(yield* Effect.all([down, invalid, down]), ["Down", "Invalid", "Down"])
      const exit = yield* Effect.exit(Effect.die("bug").pipe(SharedBreaker.protect(breaker)))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.strictEqual(yield* down, "CircuitOpen")
    }).pipe(memory)
  )

  it.effect("a callee that says how long to leave it alone is left alone for so long", () =>
    Effect.gen(function* () {
      const breaker = SharedBreaker.make("stripe", { ...options, trip: Breaker.consecutive(1) })
      const busy = Effect.fail(new Busy({ retryAfter: Duration.minutes(2) })).pipe(SharedBreaker.protect(breaker))
      yield* Effect.flip(busy)
      const error = yield* Effect.flip(busy)
      assert.strictEqual(error._tag, "CircuitOpen")
      assert.strictEqual(Duration.toMillis(error.retryAfter), 120_000)
    }).pipe(memory)
  )

  it.effect("keys have circuits of their own; H5: transitions of all are published and counted", () =>
    Effect.gen(function* () {
      // #region shared
      const hosts = SharedBreaker.keyed("hosts", { trip: Breaker.consecutive(2), openFor: "30 seconds" })
      const fetchPage = (url: URL) => download(url).pipe(SharedBreaker.protect(hosts(url.host)))
      // #endregion
      const heard: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(hosts("any").transitions, ({ breaker, from, to }) =>
          Effect.sync(() => heard.push(`${breaker}: ${from} -> ${to}`))
        ),
        { startImmediately: true }
      )
      const [ill, well] = [new URL("https://down.example"), new URL("https://up.example")]
      for (const url of [ill, ill, well]) yield* Effect.exit(fetchPage(url))
      assert.strictEqual(yield* told(fetchPage(ill)), "CircuitOpen")
      assert.strictEqual(yield* told(fetchPage(well)), "paid")
      yield* TestClock.adjust("30 seconds")
      yield* Effect.exit(fetchPage(ill))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(heard, [
        "hosts/down.example: Closed -> Open",
        "hosts/down.example: Open -> HalfOpen",
        "hosts/down.example: HalfOpen -> Open"
      ])
      const opened = Metric.withAttributes(Metric.counter("tutti_breaker_transitions_total", { incremental: true }), {
        breaker: "hosts",
        to: "Open"
      })
      assert.strictEqual((yield* Metric.value(opened)).count, 2)
    }).pipe(memory)
  )

  it.effect("around an agent it is part of the step, and its refusal one of the agent's errors", () =>
    Effect.gen(function* () {
      const pay = Agent.make("pay", {
        task: Task.make("Pay", { input: {}, output: {}, error: Down }),
        run: () => Effect.fail(new Down())
      }).pipe(SharedBreaker.protect(SharedBreaker.make("stripe", { ...options, trip: Breaker.consecutive(1) })))
      assert.deepStrictEqual([yield* told(pay.run({})), yield* told(pay.run({}))], ["Down", "CircuitOpen"])
    }).pipe(memory)
  )

  it("rules that cannot hold are refused when they are written", () => {
    assert.throws(() => SharedBreaker.make("x", { ...options, openFor: 0 }), "openFor must be positive")
    assert.throws(() => SharedBreaker.keyed("x", { ...options, openFor: -1 }), "openFor must be positive")
  })
})

const download = (url: URL) => (url.host.startsWith("down") ? Effect.fail(new Down()) : Effect.succeed("page"))

describe("circuits in Redis", () => {
  it.live("belong to all processes", () =>
    Effect.gen(function* () {
      const { prefix, url } = yield* temporaryPrefix("redis")
      const { call, state } = callee(SharedBreaker.make("stripe", options))
      const inProcess = Effect.provide(
        call,
        Layer.fresh(SharedBreaker.layerRedis({ prefix }).pipe(Layer.provide(IoRedis.layer({ url })))),
        { local: true }
      )
      assert.deepStrictEqual([yield* inProcess, yield* inProcess, yield* inProcess], ["Down", "Down", "CircuitOpen"])
      assert.strictEqual(state.calls, 2)
    }).pipe(Effect.scoped)
  )

  it.live("H2: a call that is interrupted before the server has answered keeps no place", () =>
    Effect.gen(function* () {
      const { prefix, url } = yield* temporaryPrefix("redis")
      const server = yield* IoRedis.make({ url })
      const [asked, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      let isHeld = false
      const send = <A>(command: string, ...parameters: ReadonlyArray<string>) => {
        if (!isHeld) return server.send<A>(command, ...parameters)
        isHeld = false
        return Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(gate)).pipe(
          Effect.andThen(server.send<A>(command, ...parameters))
        )
      }
      const redis = yield* make({ send, subscribe: () => Effect.never, connect: Effect.never })
      yield* Effect.gen(function* () {
        const breaker = SharedBreaker.make("stripe", { trip: Breaker.consecutive(1), openFor: "1 millis" })
        yield* Effect.flip(SharedBreaker.protect(Effect.fail(new Down()), breaker))
        const call = told(SharedBreaker.protect(Effect.void, breaker))
        isHeld = true
        const probe = yield* Effect.forkChild(call, { startImmediately: true })
        yield* Deferred.await(asked)
        yield* Fiber.interrupt(probe)
        yield* Deferred.succeed(gate, undefined)
        // Asks the real server again and again, for it tells nobody that the place is free.
        yield* Effect.repeat(call, { until: (end) => end === "paid", schedule: Schedule.spaced("10 millis") }).pipe(
          Effect.timeout("10 seconds")
        )
      }).pipe(
        Effect.provide(
          SharedBreaker.layerRedis({ prefix, probeLease: "1 hour" }).pipe(Layer.provide(Layer.succeed(Redis, redis)))
        )
      )
    }).pipe(Effect.scoped)
  )

  const away = Effect.suspend(() => Effect.fail(new RedisError({ cause: new Error("connection lost") })))
  const layerAway = Layer.effect(Redis, make({ send: () => away, subscribe: () => away, connect: away }))

  it.effect("H6: while the server is away calls go through, uncounted", () =>
    Effect.gen(function* () {
      const { call } = callee(SharedBreaker.make("stripe", { ...options, trip: Breaker.consecutive(1) }))
      assert.deepStrictEqual([yield* call, yield* call, yield* call], ["Down", "Down", "Down"])
    }).pipe(Effect.provide(SharedBreaker.layerRedis().pipe(Layer.provide(layerAway))))
  )
})
