import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as AppendQueue from "../../src/event-store/AppendQueue.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import type { AppendOutcome, AppendRequest } from "../../src/event-store/EventStoreDriver.ts"
import { EventStoreError, StoreUnavailable } from "../../src/event-store/EventStoreError.ts"

const request = (name: string, events = 1): AppendRequest => ({
  stream: name as StreamId,
  expected: "Any",
  events: Array.from({ length: events }, (_, index) => ({
    id: `${name}${index}`,
    type: "E",
    schemaVersion: 1,
    data: null,
    meta: { timestamp: 0 }
  }))
})

const unavailable = new EventStoreError({
  reason: new StoreUnavailable({ operation: "append", retryable: true, cause: new Error("disk") })
})

/** A queue over a driver that records its batches, and waits for `gate` if there is one. */
const harness = Effect.fnUntraced(function* (
  options: AppendQueue.Options & {
    readonly gate?: () => Effect.Effect<void, EventStoreError>
  } = {}
) {
  const batches: Array<ReadonlyArray<string>> = []
  let position = 0
  const scope = yield* Effect.scope
  const own = yield* Scope.fork(scope)
  const queue = yield* AppendQueue.make({
    ...options,
    committed: () => {},
    write: (requests) =>
      Effect.gen(function* () {
        batches.push(requests.map(({ stream }) => stream))
        if (options.gate !== undefined) yield* options.gate()
        return requests.map((): AppendOutcome => ({ version: 1, position: ++position, duplicate: false }))
      })
  }).pipe(Scope.provide(own))
  return { queue, batches, close: Scope.close(own, Exit.void) }
})

/** Runs an effect in the background, up to its first wait. */
const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

describe("AppendQueue", () => {
  it.effect("Q1: concurrent appends become one batch, in the order of calls", () =>
    Effect.gen(function* () {
      const { batches, queue } = yield* harness()
      const answers = yield* Effect.all(
        ["a", "b", "c"].map((name) => queue.append(() => request(name))),
        {
          concurrency: "unbounded"
        }
      )
      assert.deepStrictEqual(batches, [["a", "b", "c"]])
      assert.deepStrictEqual(
        answers.map(({ position }) => position),
        [1, 2, 3]
      )
    })
  )

  it.effect("Q1: what comes while a batch is written forms the next one", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const writing = yield* Deferred.make<void>()
      const { batches, queue } = yield* harness({
        gate: () => Effect.andThen(Deferred.succeed(writing, undefined), Deferred.await(gate))
      })
      const first = yield* start(queue.append(() => request("a")))
      yield* Deferred.await(writing)
      const rest = yield* Effect.forEach(["b", "c"], (name) => start(queue.append(() => request(name))))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(first)
      yield* Effect.forEach(rest, Fiber.join)
      assert.deepStrictEqual(batches, [["a"], ["b", "c"]])
    })
  )

  it.effect.prop(
    "Q1, Q5: order holds and batches are bounded, whatever the sizes",
    {
      sizes: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))),
      capacity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 }))
    },
    ({ capacity, sizes }) =>
      Effect.gen(function* () {
        const { batches, queue } = yield* harness({ maxBatch: 6, capacity })
        const requests = sizes.map((size, index) => request(`${index}`, size))
        yield* Effect.forEach(requests, (one) => queue.append(() => one), { concurrency: "unbounded" })
        assert.deepStrictEqual(
          batches.flat(),
          requests.map(({ stream }) => stream)
        )
        for (const batch of batches) {
          const events = batch.reduce((sum, name) => sum + sizes[Number(name)]!, 0)
          assert.isTrue(batch.length === 1 || (events <= 6 && events <= capacity))
        }
      })
  )

  it.effect("Q5: submit waits for admission, in order", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { batches, queue } = yield* harness({ capacity: 3, gate: () => Deferred.await(gate) })
      const admitted: Array<string> = []
      const submitters = yield* Effect.forEach(
        [
          ["a", 2],
          ["b", 2],
          ["c", 1]
        ] as const,
        ([name, size]) =>
          start(
            Effect.tap(
              queue.submit(() => request(name, size)),
              () => Effect.sync(() => admitted.push(name))
            )
          )
      )
      assert.deepStrictEqual(admitted, ["a"])
      yield* Deferred.succeed(gate, undefined)
      const answers = yield* Effect.forEach(submitters, Fiber.join)
      yield* Effect.all(answers)
      assert.deepStrictEqual(admitted, ["a", "b", "c"])
      assert.deepStrictEqual(batches.flat(), ["a", "b", "c"])
    })
  )

  it.effect("Q3: a failed batch fails all of its appends, and the next one is written", () =>
    Effect.gen(function* () {
      let fail = true
      const { queue } = yield* harness({ gate: () => (fail ? Effect.fail(unavailable) : Effect.void) })
      const errors = yield* Effect.all(
        [queue.append(() => request("a")), queue.append(() => request("b"))].map(Effect.flip),
        {
          concurrency: "unbounded"
        }
      )
      assert.deepStrictEqual(
        errors.map(({ _tag }) => _tag),
        ["EventStoreError", "EventStoreError"]
      )
      fail = false
      assert.strictEqual((yield* queue.append(() => request("c"))).version, 1)
    })
  )

  it.effect("Q3: a request that makes the driver throw harms only itself", () =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const queue = yield* AppendQueue.make({
        committed: () => {},
        write: (requests) => {
          if (requests.some(({ stream }) => stream === "poison")) throw new Error("poison")
          return Effect.succeed(requests.map(() => ({ version: 1, position: 1, duplicate: false })))
        }
      }).pipe(Scope.provide(scope))
      const exits = yield* Effect.all(
        ["a", "poison", "b"].map((name) => Effect.exit(queue.append(() => request(name)))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        exits.map(({ _tag }) => _tag),
        ["Success", "Failure", "Success"]
      )
    })
  )

  it.effect("Q4: an interrupted append is withdrawn while it waits, and written once taken", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const writing = yield* Deferred.make<void>()
      const { batches, queue } = yield* harness({
        capacity: 2,
        gate: () => Effect.andThen(Deferred.succeed(writing, undefined), Deferred.await(gate))
      })
      const taken = yield* start(queue.append(() => request("taken")))
      yield* Deferred.await(writing)
      const withdrawn = yield* start(queue.append(() => request("withdrawn", 2)))
      const last = yield* start(queue.append(() => request("last")))
      yield* Fiber.interrupt(taken)
      yield* Fiber.interrupt(withdrawn)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(last)
      assert.deepStrictEqual(batches, [["taken"], ["last"]])
    })
  )

  it.effect("Q6: closing writes what is queued, then refuses", () =>
    Effect.gen(function* () {
      const { batches, close, queue } = yield* harness({ capacity: 1 })
      const queued = yield* Effect.forEach(["a", "b"], (name) => start(queue.append(() => request(name))))
      yield* close
      yield* Effect.forEach(queued, Fiber.join)
      assert.deepStrictEqual(batches.flat(), ["a", "b"])
      const error = yield* Effect.flip(queue.append(() => request("c")))
      assert.strictEqual(error._tag === "EventStoreError" && error.reason._tag, "StoreUnavailable")
      const answer = yield* queue.submit(() => request("d"))
      assert.strictEqual((yield* Effect.flip(answer))._tag, "EventStoreError")
    })
  )

  it.effect("Q6: closing gives a driver that waits for its server so much time, and no more", () =>
    Effect.gen(function* () {
      const { batches, close, queue } = yield* harness({ maxBatch: 1, closing: "3 seconds", gate: () => Effect.never })
      const queued = yield* Effect.forEach(["a", "b"], (name) => start(Effect.flip(queue.append(() => request(name)))))
      const closed = yield* Effect.forkChild(close)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(closed.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closed)
      const errors = yield* Effect.forEach(queued, Fiber.join)
      assert.deepStrictEqual(
        errors.map((error) => error._tag === "EventStoreError" && error.reason._tag),
        ["StoreUnavailable", "StoreUnavailable"]
      )
      assert.deepStrictEqual(batches, [["a"]])
    })
  )
})
