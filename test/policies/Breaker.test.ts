import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Fiber, Layer, Metric, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import * as Breaker from "../../src/policies/Breaker.ts"
import { heldRun } from "./heldRun.ts"

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

  it.effect("B5: around an agent it acts once for each attempt, and a run records what it refused with the step", () =>
    Effect.gen(function* () {
      const { events, finish, untilHeld } = yield* heldRun
      let calls = 0
      const make = (failures: number) => {
        const pay = Agent.make("pay", {
          task: Task.make("Pay", { input: {}, output: {}, error: Down }),
          run: () => Effect.suspend(() => (++calls < 2 ? Effect.fail(new Down()) : Effect.succeed({})))
        }).pipe(Breaker.protect(Breaker.make("stripe", { trip: Breaker.consecutive(failures), openFor: "1 second" })))
        const once = Effect.match(pay.run({}), { onSuccess: () => "paid", onFailure: (error) => error._tag })
        return (hold: Effect.Effect<void>) => Effect.tap(Effect.all([once, once]), () => hold)
      }
      yield* untilHeld(make(1))
      const second = make(5)
      assert.deepStrictEqual(yield* finish(second), ["Down", "CircuitOpen"])
      assert.strictEqual(calls, 1)
      assert.deepStrictEqual(
        (yield* events(second)).filter((event) => event.startsWith("Step")),
        ["StepFailed pay", "StepFailed pay#2", "StepCompleted hold"]
      )
    })
  )

  it.effect("B5: a retry around a breaker comes back when the circuit lets it through", () =>
    Effect.gen(function* () {
      let attempts = 0
      const breaker = Breaker.make("stripe", { trip: Breaker.consecutive(1), openFor: "1 second" })
      const pay = Agent.make("pay", {
        task: Task.make("Pay", { input: {}, output: {}, error: Down }),
        run: () => Effect.suspend(() => (++attempts < 2 ? Effect.fail(new Down()) : Effect.succeed({})))
      }).pipe(Breaker.protect(breaker), Agent.retry(Schedule.spaced("600 millis")))
      const fiber = yield* Effect.forkChild(pay.run({}))
      yield* TestClock.adjust("600 millis")
      assert.strictEqual(attempts, 1)
      yield* TestClock.adjust("600 millis")
      yield* Fiber.join(fiber)
      assert.strictEqual(attempts, 2)
      assert.strictEqual(yield* tag(breaker), "Closed")
    })
  )

  const told = ({ at, breaker, from, to }: Breaker.Transition) =>
    `${DateTime.toEpochMillis(at)} ${breaker} ${from} ${to}`
  const fail = (breaker: Breaker.Breaker) => Effect.ignore(Breaker.protect(Effect.fail(new Down()), breaker))

  it.effect("B6: each transition is published once, in order, counted and logged", () =>
    Effect.gen(function* () {
      const breaker = Breaker.make("published", options)
      const heard = yield* Effect.forkChild(Stream.runCollect(Stream.take(breaker.transitions, 5)), {
        startImmediately: true
      })
      const opened = Metric.withAttributes(Metric.counter("tutti_breaker_transitions_total", { incremental: true }), {
        breaker: "published",
        to: "Open"
      })
      const notClosed = Metric.withAttributes(
        Metric.gauge("tutti_breaker_not_closed", {
          description: "Circuits of this breaker that are open or half open."
        }),
        { breaker: "published" }
      )
      yield* Effect.repeat(fail(breaker), { times: 4 })
      assert.strictEqual((yield* Metric.value(notClosed)).value, 1)
      yield* TestClock.adjust("1 second")
      yield* fail(breaker)
      yield* TestClock.adjust("1 second")
      yield* Breaker.protect(Effect.void, breaker)
      yield* Breaker.protect(Effect.void, breaker)
      assert.deepStrictEqual((yield* Fiber.join(heard)).map(told), [
        "0 published Closed Open",
        "1000 published Open HalfOpen",
        "1000 published HalfOpen Open",
        "2000 published Open HalfOpen",
        "2000 published HalfOpen Closed"
      ])
      assert.strictEqual((yield* Metric.value(opened)).count, 2)
      assert.strictEqual((yield* Metric.value(notClosed)).value, 0)
    })
  )

  it.effect("B6: a reader that does not read delays nobody and keeps the latest", () =>
    Effect.gen(function* () {
      const breaker = Breaker.make("slow", { trip: Breaker.consecutive(1), openFor: "1 second" })
      const gate = yield* Deferred.make<void>()
      const heard: Array<string> = []
      const reader = yield* Effect.forkChild(
        Stream.runForEach(breaker.transitions, (transition) =>
          Effect.andThen(
            Deferred.await(gate),
            Effect.sync(() => void heard.push(told(transition)))
          )
        ),
        { startImmediately: true }
      )
      for (let n = 0; n < 500; n++) {
        yield* fail(breaker)
        yield* TestClock.adjust("1 second")
      }
      yield* Deferred.succeed(gate, undefined)
      while (!heard.includes("499000 slow HalfOpen Open")) yield* Effect.yieldNow
      yield* Fiber.interrupt(reader)
      assert.isBelow(heard.length, 520)
    })
  )

  it.effect("B7: a key that is down does not concern the others, and is the same as long as it is remembered", () =>
    Effect.gen(function* () {
      const hosts = Breaker.keyed("hosts", { ...options, capacity: 2 })
      const heard = yield* Effect.forkChild(Stream.runCollect(Stream.take(hosts.transitions, 1)), {
        startImmediately: true
      })
      yield* Effect.repeat(fail(hosts.of("a")), { times: 1 })
      assert.strictEqual(yield* tag(hosts.of("a")), "Open")
      assert.strictEqual(yield* tag(hosts.of("b")), "Closed")
      assert.strictEqual(hosts.of("a"), hosts.of("a"))
      assert.deepStrictEqual((yield* Fiber.join(heard)).map(told), ["0 hosts/a Closed Open"])
    })
  )

  it.effect("B7: as the documentation shows it", () =>
    Effect.gen(function* () {
      const download = ({ host }: URL) => (host === "down.org" ? Effect.fail(new Down()) : Effect.succeed(host))
      // #region keyed
      const hosts = Breaker.keyed("hosts", {
        trip: Breaker.rate({ threshold: 0.5, size: 20, minimumCalls: 4 }),
        openFor: "30 seconds"
      })
      const fetchPage = (url: URL) => download(url).pipe(Breaker.protect(hosts.of(url.host)))
      // #endregion
      const down = new URL("https://down.org")
      for (let n = 0; n < 4; n++) assert.strictEqual((yield* Effect.flip(fetchPage(down)))._tag, "Down")
      assert.strictEqual((yield* Effect.flip(fetchPage(down)))._tag, "CircuitOpen")
      assert.strictEqual(yield* fetchPage(new URL("https://up.org")), "up.org")
    })
  )

  it.effect("B7: beyond the capacity the key asked for least recently is forgotten, and is heard of no more", () =>
    Effect.gen(function* () {
      const hosts = Breaker.keyed("few", { ...options, capacity: 2 })
      const heard: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(hosts.transitions, (transition) => Effect.sync(() => heard.push(told(transition)))),
        { startImmediately: true }
      )
      const a = hosts.of("a")
      const b = hosts.of("b")
      hosts.of("a")
      hosts.of("c")
      assert.strictEqual(hosts.of("a"), a)
      yield* Effect.repeat(fail(b), { times: 1 })
      yield* Effect.repeat(fail(a), { times: 1 })
      assert.strictEqual(yield* tag(hosts.of("b")), "Closed")
      while (heard.length === 0) yield* Effect.yieldNow
      assert.deepStrictEqual(heard, ["0 few/a Closed Open"])
    })
  )

  it("rules that cannot hold are refused when they are written", () => {
    assert.throws(() => Breaker.consecutive(0), "failures must be a positive integer, got 0")
    assert.throws(() => Breaker.rate({ threshold: 3, size: 10 }), "threshold must be in (0, 1], got 3")
    assert.throws(() => Breaker.rate({ threshold: 0.5, size: 10, minimumCalls: 11 }), "minimumCalls must not exceed")
    assert.throws(() => Breaker.make("x", { ...options, openFor: 0 }), "openFor must be positive")
    assert.throws(() => Breaker.keyed("x", { ...options, openFor: 0 }), "openFor must be positive")
    assert.throws(() => Breaker.keyed("x", { ...options, capacity: 0 }), "capacity must be a positive integer, got 0")
  })
})
