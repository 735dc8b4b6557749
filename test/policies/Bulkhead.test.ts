import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Metric, Random, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Bulkhead from "../../src/policies/Bulkhead.ts"

const state = (bulkhead: Bulkhead.Bulkhead) =>
  Effect.map(bulkhead.state, ({ queued, running }) => [running, queued] as const)
const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("Bulkhead", () => {
  it.effect("K1, K2: so many run, so many wait, the next is refused and does not run", () =>
    Effect.gen(function* () {
      const bulkhead = Bulkhead.make("db", { concurrency: 2, queue: 1 })
      const gate = yield* Deferred.make<void>()
      let begun = 0
      const call = Effect.suspend(() => Deferred.await(gate).pipe(Effect.as(++begun))).pipe(Bulkhead.protect(bulkhead))
      const fibers = yield* Effect.forEach([1, 2, 3], () => fork(call))
      assert.deepStrictEqual([begun, yield* state(bulkhead)], [2, [2, 1]])
      const error = yield* Effect.flip(call)
      assert.deepStrictEqual([error.name, error.limit, error.queued], ["db", 2, 1])
      assert.strictEqual(error.message, 'Bulkhead "db" is full: 2 calls run and 1 wait.')
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      assert.deepStrictEqual([begun, yield* state(bulkhead)], [3, [0, 0]])
      const refusals = Metric.counter("tutti_bulkhead_refusals_total", { incremental: true })
      assert.strictEqual((yield* Metric.value(Metric.withAttributes(refusals, { bulkhead: "db" }))).count, 1)
    })
  )

  it.effect("K3: those who wait are let in in their order, and a waiter who leaves gives his place back", () =>
    Effect.gen(function* () {
      const bulkhead = Bulkhead.make("db", { concurrency: 1, queue: 4 })
      const order: Array<number> = []
      const call = (n: number) =>
        Effect.delay(
          Effect.sync(() => void order.push(n)),
          "1 second"
        ).pipe(Bulkhead.protect(bulkhead))
      const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => fork(call(n)))
      yield* Fiber.interrupt(fibers[2]!)
      assert.deepStrictEqual(yield* state(bulkhead), [1, 3])
      yield* fork(call(6))
      for (let n = 0; n < 6; n++) yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(order, [1, 2, 4, 5, 6])
    })
  )

  it.effect("an agent goes through it, too, and may be one of many", () =>
    Effect.gen(function* () {
      const bulkhead = Bulkhead.make("db", { concurrency: 1 })
      const work = Agent.make("work", {
        task: Task.make("Work", { input: {}, output: Schema.String }),
        run: () => Effect.delay(Effect.succeed("done"), "1 second")
      }).pipe(Bulkhead.protect(bulkhead))
      const first = yield* fork(work.run({}))
      assert.strictEqual((yield* Effect.flip(work.run({})))._tag, "BulkheadFull")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(first), "done")
    })
  )

  it.effect("K5: keys do not share places, and a key without calls is forgotten", () =>
    Effect.gen(function* () {
      const tenants = Bulkhead.keyed("tenants", { concurrency: 1 })
      const gate = yield* Deferred.make<void>()
      const call = (key: string) => Deferred.await(gate).pipe(Bulkhead.protect(tenants(key)))
      const a = yield* fork(call("a"))
      const b = yield* fork(call("b"))
      assert.strictEqual((yield* Effect.flip(call("a"))).name, "tenants/a")
      assert.deepStrictEqual(yield* state(tenants("b")), [1, 0])
      assert.deepStrictEqual(yield* tenants.keys, ["a", "b"])
      yield* Fiber.interrupt(b)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(a)
      assert.deepStrictEqual(
        [yield* state(tenants("a")), yield* state(tenants("b"))],
        [
          [0, 0],
          [0, 0]
        ]
      )
      assert.deepStrictEqual(yield* tenants.keys, [])
    })
  )

  const Whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
  const Storm = Schema.Struct({
    concurrency: Whole(1, 4),
    queue: Whole(0, 4),
    seed: Whole(1, 1_000_000),
    keyed: Schema.Boolean
  })

  it.effect.prop(
    "K1, K2, K4, K5: a storm of calls that end, fail, die and are interrupted at random",
    { storm: Storm },
    ({ storm: { concurrency, keyed, queue, seed } }) =>
      Effect.gen(function* () {
        const options = { concurrency, queue }
        const bulkhead = keyed ? Bulkhead.keyed("storm", options)("key") : Bulkhead.make("storm", options)
        let running = 0
        const body = Effect.gen(function* () {
          running++
          assert.isAtMost(running, concurrency)
          yield* Effect.sleep(yield* Random.nextIntBetween(0, 5))
          const chance = yield* Random.next
          if (chance < 0.2) return yield* Effect.fail("failed" as const)
          if (chance < 0.3) return yield* Effect.die("bug")
        }).pipe(Effect.ensuring(Effect.sync(() => void running--)))
        const call = body.pipe(Bulkhead.protect(bulkhead))
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        for (let n = 0; n < 60; n++) {
          const before = yield* state(bulkhead)
          assert.isAtMost(before[0], concurrency)
          assert.isAtMost(before[1], queue)
          fibers.push(yield* Effect.forkChild(call, { startImmediately: (yield* Random.next) < 0.5 }))
          if ((yield* Random.next) < 0.3)
            yield* Fiber.interrupt(fibers[yield* Random.nextIntBetween(0, fibers.length - 1)]!)
          if ((yield* Random.next) < 0.3) yield* TestClock.adjust(1)
        }
        for (let n = 0; n < 100 && fibers.some((fiber) => fiber.pollUnsafe() === undefined); n++)
          yield* TestClock.adjust(5)
        const exits = yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
        for (const exit of exits) assert.isFalse(Exit.isFailure(exit) && String(exit.cause).includes("AssertionError"))
        assert.deepStrictEqual(yield* state(bulkhead), [0, 0])
        assert.strictEqual(running, 0)
        // No place was lost: as many as before run at once.
        const gate = yield* Deferred.make<void>()
        const again = yield* Effect.forEach(Array.from({ length: concurrency + queue }), () =>
          fork(Deferred.await(gate).pipe(Bulkhead.protect(bulkhead)))
        )
        assert.deepStrictEqual(yield* state(bulkhead), [concurrency, queue])
        yield* Deferred.succeed(gate, undefined)
        yield* Effect.forEach(again, (fiber) => Fiber.join(fiber))
        assert.deepStrictEqual(yield* state(bulkhead), [0, 0])
      }).pipe(Random.withSeed(seed))
  )

  it("sizes that cannot hold are refused when they are written", () => {
    assert.throws(() => Bulkhead.make("x", { concurrency: 0 }), "concurrency must be a positive integer, got 0")
    assert.throws(() => Bulkhead.keyed("x", { concurrency: 1, queue: -1 }), "queue must be a natural number, got -1")
  })
})
