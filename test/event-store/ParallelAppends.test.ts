/** `AppendQueue` in front of a driver that takes two batches at a time. */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as AppendQueue from "../../src/event-store/AppendQueue.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import type { AppendOutcome, AppendRequest } from "../../src/event-store/EventStoreDriver.ts"
import { Seeds } from "../../src/testing/index.ts"

const request = (stream: string, id: string): AppendRequest => ({
  stream: stream as StreamId,
  expected: "Any",
  events: [{ id, type: "E", schemaVersion: 1, data: null, meta: { timestamp: 0 } }]
})

/** A driver that keeps each batch until it is released, and says what is under way. */
const harness = Effect.fnUntraced(function* (options: AppendQueue.Options = {}) {
  const underWay: Array<{ readonly requests: ReadonlyArray<AppendRequest>; readonly release: Effect.Effect<boolean> }> =
    []
  const written: Array<AppendRequest> = []
  let most = 0
  let shared = false
  const own = yield* Scope.fork(yield* Effect.scope)
  const queue = yield* AppendQueue.make({
    ...options,
    parallel: 2,
    committed: () => {},
    write: (requests) =>
      Effect.gen(function* () {
        const done = yield* Deferred.make<void>()
        const streams = new Set(underWay.flatMap((batch) => batch.requests.map(({ stream }) => stream)))
        shared ||= requests.some(({ stream }) => streams.has(stream))
        const batch = { requests, release: Deferred.succeed(done, undefined) }
        underWay.push(batch)
        most = Math.max(most, underWay.length)
        yield* Deferred.await(done)
        underWay.splice(underWay.indexOf(batch), 1)
        written.push(...requests)
        return requests.map((): AppendOutcome => ({ version: 1, position: written.length, duplicate: false }))
      })
  }).pipe(Scope.provide(own))
  return {
    queue,
    underWay,
    written,
    most: () => most,
    shared: () => shared,
    close: Scope.close(own, Exit.void)
  }
})

const settled = Effect.forEach(Array(10), () => Effect.yieldNow, { discard: true })
const sizes = (underWay: ReadonlyArray<{ readonly requests: ReadonlyArray<unknown> }>) =>
  underWay.map(({ requests }) => requests.length)

const appendAll = (queue: AppendQueue.AppendQueue, count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    (n) =>
      Effect.forkChild(
        queue.append(() => request(`s${n}`, `${n}`)),
        { startImmediately: true }
      )
  )

it.effect("much that waits goes in halves, both at once", () =>
  Effect.gen(function* () {
    const { queue, underWay } = yield* harness()
    const appends = yield* appendAll(queue, 100)
    yield* settled
    assert.deepStrictEqual(sizes(underWay), [50, 50])
    yield* Effect.forEach([...underWay], ({ release }) => release)
    yield* Effect.forEach(appends, Fiber.join)
  })
)

it.effect("little goes as one batch, and the next waits for it", () =>
  Effect.gen(function* () {
    const { queue, underWay } = yield* harness()
    const first = yield* appendAll(queue, 10)
    yield* settled
    const second = yield* Effect.forEach([10, 11], (n) =>
      Effect.forkChild(
        queue.append(() => request(`s${n}`, `${n}`)),
        { startImmediately: true }
      )
    )
    yield* settled
    assert.deepStrictEqual(sizes(underWay), [10])
    yield* underWay[0]!.release
    yield* settled
    assert.deepStrictEqual(sizes(underWay), [2])
    yield* underWay[0]!.release
    yield* Effect.forEach([...first, ...second], Fiber.join)
  })
)

it.effect("Q1, Q3: no batch overtakes another of its streams, none is lost, two at a time at most", () =>
  Seeds.forEach(20, () =>
    Effect.gen(function* () {
      const { most, queue, shared, underWay, written } = yield* harness({ maxBatch: 40, capacity: 120 })
      const streams = 70
      const each = 6
      const writers = yield* Effect.forEach(
        Array.from({ length: streams }, (_, n) => n),
        (n) =>
          Effect.forkChild(
            Effect.forEach(
              Array.from({ length: each }, (_, index) => index),
              // Queued without awaiting: several of one stream wait at a time.
              (index) => queue.submit(() => request(`s${n}`, `${n}/${index}`))
            )
          )
      )
      const released = yield* Effect.forkChild(
        Effect.whileLoop({
          while: () => written.length < streams * each,
          body: () => Effect.andThen(Effect.yieldNow, underWay.at(-1)?.release ?? Effect.void),
          step: () => {}
        })
      )
      const durable = (yield* Effect.forEach(writers, Fiber.join)).flat()
      yield* Effect.forEach(durable, (answer) => answer)
      yield* Fiber.join(released)
      assert.isFalse(shared())
      assert.isAtMost(most(), 2)
      for (let n = 0; n < streams; n++) {
        const ids = written.filter(({ stream }) => stream === `s${n}`).map(({ events }) => events[0]!.id)
        assert.deepStrictEqual(
          ids,
          Array.from({ length: each }, (_, index) => `${n}/${index}`)
        )
      }
    })
  )
)

it.effect("Q6: closing waits for all batches under way", () =>
  Effect.gen(function* () {
    const { close, queue, underWay, written } = yield* harness()
    yield* appendAll(queue, 100)
    yield* settled
    const closed = yield* Effect.forkChild(close)
    yield* settled
    yield* underWay[0]!.release
    yield* settled
    assert.strictEqual(closed.pollUnsafe(), undefined)
    yield* underWay[0]!.release
    yield* Fiber.join(closed)
    assert.strictEqual(written.length, 100)
  })
)

it.effect("Q6: but not for ever", () =>
  Effect.gen(function* () {
    const { close, queue } = yield* harness({ closing: "3 seconds" })
    const appends = yield* appendAll(queue, 150)
    yield* settled
    const closed = yield* Effect.forkChild(close)
    yield* TestClock.adjust("3 seconds")
    yield* Fiber.join(closed)
    for (const append of appends) {
      assert.strictEqual((yield* Effect.flip(Fiber.join(append)))._tag, "EventStoreError")
    }
  })
)
