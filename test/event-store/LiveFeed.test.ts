import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import * as EventStore from "../../src/event-store/EventStore.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import * as MemoryEventStore from "../../src/event-store/MemoryEventStore.ts"

const stream = "s" as StreamId

/** A store over a state; `reads` counts the pages it has read from its driver, `watching` its watchers. */
const open = Effect.fnUntraced(function* (state: MemoryEventStore.MemoryState, options: EventStore.Options = {}) {
  const honest = MemoryEventStore.makeDriver(state)
  const counts = { reads: 0 }
  const driver = EventStoreDriver.of({
    ...honest,
    readAll: (options) => {
      counts.reads++
      return honest.readAll(options)
    }
  })
  const store = yield* EventStore.make(options).pipe(Effect.provideService(EventStoreDriver, driver))
  const append = (from: number, to: number) =>
    Effect.forEach(range(from, to), (number) => store.append(stream, [{ type: `E${number}`, data: {} }], number - 1), {
      discard: true
    })
  return { store, counts, append }
})

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

const waitUntil = (condition: () => boolean) =>
  Effect.gen(function* () {
    while (!condition()) yield* Effect.yieldNow
  })

describe("LiveFeed", () => {
  it.effect("L1: live events need no read of the store", () =>
    Effect.gen(function* () {
      const { append, counts, store } = yield* open(MemoryEventStore.makeState())
      const received: Array<number> = []
      yield* Effect.forkChild(
        Stream.runForEach(store.subscribe(), ({ version }) => Effect.sync(() => received.push(version))),
        { startImmediately: true }
      )
      yield* append(1, 3)
      yield* waitUntil(() => received.length === 3)
      const { reads } = counts
      yield* append(4, 100)
      yield* waitUntil(() => received.length === 100)
      assert.deepStrictEqual(received, range(1, 100))
      assert.strictEqual(counts.reads, reads)
    })
  )

  it.effect("L1, L2: a slow subscriber falls back to the store and loses nothing", () =>
    Effect.gen(function* () {
      const { append, counts, store } = yield* open(MemoryEventStore.makeState(), { subscriberBuffer: 4, pageSize: 7 })
      const gate = yield* Deferred.make<void>()
      const received: Array<number> = []
      yield* Effect.forkChild(
        Stream.runForEach(store.subscribe(), ({ version }) =>
          Effect.andThen(
            Deferred.await(gate),
            Effect.sync(() => received.push(version))
          )
        ),
        { startImmediately: true }
      )
      yield* append(1, 100)
      const { reads } = counts
      yield* Deferred.succeed(gate, undefined)
      yield* waitUntil(() => received.length === 100)
      assert.deepStrictEqual(received, range(1, 100))
      assert.isAbove(counts.reads, reads)
    })
  )

  it.effect("L1: appends of another process are seen, in order with one's own", () =>
    Effect.gen(function* () {
      const state = MemoryEventStore.makeState()
      const [here, there] = [yield* open(state), yield* open(state)]
      const received: Array<number> = []
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(here.store.subscribe({ after: "end" }), ({ version }) =>
          Effect.sync(() => received.push(version))
        ),
        { startImmediately: true }
      )
      yield* here.append(1, 2)
      yield* there.append(3, 4)
      yield* here.append(5, 6)
      yield* there.append(7, 7)
      yield* waitUntil(() => received.length === 7)
      assert.deepStrictEqual(received, range(1, 7))
      assert.isAbove(state.listeners.size, 0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(state.listeners.size, 0)
    })
  )

  it.effect("L1: deleted and truncated streams leave gaps that a subscriber passes", () =>
    Effect.gen(function* () {
      const { append, store } = yield* open(MemoryEventStore.makeState())
      const received: Array<string> = []
      yield* Effect.forkChild(
        Stream.runForEach(store.subscribe({ types: ["E1", "E2", "E3", "E4"] }), ({ type }) =>
          Effect.sync(() => received.push(type))
        ),
        { startImmediately: true }
      )
      yield* append(1, 2)
      yield* waitUntil(() => received.length === 2)
      yield* store.append("other" as StreamId, [{ type: "Ignored", data: {} }], 0)
      yield* store.delete("other" as StreamId)
      yield* store.truncateBefore(stream, 2)
      yield* append(3, 4)
      yield* waitUntil(() => received.length === 4)
      assert.deepStrictEqual(received, ["E1", "E2", "E3", "E4"])
    })
  )

  it.effect("pages: long streams and logs are read whole, forwards and backwards", () =>
    Effect.gen(function* () {
      const { append, store } = yield* open(MemoryEventStore.makeState(), { pageSize: 7 })
      yield* append(1, 50)
      const versions = (events: Stream.Stream<{ readonly version: number }, unknown>) =>
        Effect.map(Stream.runCollect(events), (all) => all.map(({ version }) => version))
      assert.deepStrictEqual(yield* versions(store.read(stream)), range(1, 50))
      assert.deepStrictEqual(
        yield* versions(store.read(stream, { direction: "backwards", max: 20 })),
        range(31, 50).toReversed()
      )
      assert.deepStrictEqual(yield* versions(store.read(stream, { from: 5, to: 30, max: 14 })), range(5, 18))
      assert.deepStrictEqual(yield* versions(store.readAll()), range(1, 50))
      assert.deepStrictEqual(yield* versions(store.readAll({ after: 3, max: 21 })), range(4, 24))
    })
  )

  it.effect("the clock stamps events, and a given time stays", () =>
    Effect.gen(function* () {
      const { store } = yield* open(MemoryEventStore.makeState())
      yield* store.append(
        stream,
        [
          { type: "A", data: {} },
          { type: "B", data: {}, meta: { timestamp: 9 } }
        ],
        0
      )
      const [a, b] = yield* store.readArray(stream)
      assert.deepStrictEqual([a!.meta.timestamp, b!.meta.timestamp], [0, 9])
      assert.isTrue(a!.id < b!.id)
    })
  )
})
