/** Checks of positions, subscriptions, batches and reads: E7 to E10 of `EventStoreConformance`. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { StoredEvent, StreamId } from "../../event-store/Envelope.ts"
import { EventStore } from "../../event-store/EventStore.ts"
import { EventStoreDriver } from "../../event-store/EventStoreDriver.ts"
import { type Case, make } from "./Conformance.ts"
import { newStream, event, events, types, versions, tags, request, range } from "./EventStoreFixtures.ts"

/** The checks, in order. */
export const cases: ReadonlyArray<Case<EventStore | EventStoreDriver>> = [
  make(
    "E7",
    "positions grow in commit order and resuming misses nothing",
    Effect.fnUntraced(function* (expect) {
      const driver = yield* EventStoreDriver
      const one = yield* newStream
      const other = yield* newStream
      const start = yield* driver.head
      const answers = (yield* driver.append([
        request(one, 0, "a", "b"),
        request(other, 0, "c"),
        request(one, 2, "d")
      ])).map((outcome) => ("_tag" in outcome ? 0 : outcome.position))
      yield* expect.equal("head", yield* driver.head, answers.at(-1))
      const stored = yield* driver.readAll({ after: start, max: 100 })
      yield* expect.equal("commit order", types(stored), ["a", "b", "c", "d"])
      const positions = stored.map(({ position }) => position)
      yield* expect.equal(
        "growing",
        positions.every((position, index) => position > (positions[index - 1] ?? start)),
        true
      )
      yield* expect.equal("consecutive within an append", positions[1]! - positions[0]!, 1)
      yield* expect.equal("as answered", [positions[1], positions[2], positions[3]], answers)
      const resumed: Array<StoredEvent> = []
      for (let page = 0; page < 10; page++) {
        resumed.push(...(yield* driver.readAll({ after: resumed.at(-1)?.position ?? start, max: 1 + (page % 2) })))
      }
      yield* expect.equal("resumed page by page", types(resumed), ["a", "b", "c", "d"])
    })
  ),

  make(
    "E8",
    "a subscription catches up and stays live",
    Effect.fnUntraced(function* (expect) {
      const store = yield* EventStore
      const stream = yield* newStream
      const after = yield* store.head
      const append = (from: number, to: number) =>
        Effect.forEach(
          Array.from({ length: to - from }, (_, index) => from + index),
          (version) => store.append(stream, events(`E${version}`), version),
          { discard: true }
        )
      const subscribe = Effect.fnUntraced(function* (after: number | "end") {
        const received: Array<number> = []
        const subscription = store.subscribe({ after, streamPrefix: stream })
        const collect = Stream.runForEach(subscription, ({ version }) => Effect.sync(() => received.push(version)))
        yield* Effect.forkChild(collect, { startImmediately: true })
        return received
      })
      yield* append(0, 20)
      const early = yield* subscribe(after)
      yield* append(20, 40)
      const late = yield* subscribe(yield* store.head)
      yield* append(40, 60)
      const all = yield* store.readAll({ after, streamPrefix: stream }).pipe(Stream.runCollect)
      const resumed = yield* subscribe(all[29]?.position ?? 0)
      // A subscription may take a few turns, but not for ever: one that lost an event must not hang the suite.
      for (let turn = 0; turn < 1000 && early.length + late.length + resumed.length < 110; turn++) {
        yield* store.head
        yield* Effect.yieldNow
      }
      yield* expect.equal("from the start", early, range(1, 60))
      yield* expect.equal("from the middle", late, range(41, 60))
      yield* expect.equal("resumed", resumed, range(31, 60))
    })
  ),

  make(
    "E9",
    "a conflict leaves the rest of its batch untouched",
    Effect.fnUntraced(function* (expect) {
      const driver = yield* EventStoreDriver
      const [one, other] = yield* Effect.all([newStream, newStream])
      const outcomes = yield* driver.append([
        request(one, 0, "a"),
        request(one, 5, "x", "y"),
        request(one, 1, "b"),
        request(other, "StreamExists", "x"),
        request(other, "NoStream", "c")
      ])
      yield* expect.equal("outcomes", tags(outcomes), [
        "Appended",
        "VersionConflict",
        "Appended",
        "VersionConflict",
        "Appended"
      ])
      yield* expect.equal("stored", types([...(yield* driver.read(one, {})), ...(yield* driver.read(other, {}))]), [
        "a",
        "b",
        "c"
      ])
    })
  ),

  make(
    "E10",
    "reads honour range, direction, limit and filter",
    Effect.fnUntraced(function* (expect) {
      const store = yield* EventStore
      const driver = yield* EventStoreDriver
      const stream = yield* newStream
      const start = yield* driver.head
      yield* store.append(
        stream,
        range(1, 10).map((number) => event(number % 2 === 0 ? "Even" : "Odd")),
        0
      )
      yield* store.append(`${stream}-x` as StreamId, events("Even"), 0)
      const read = (options: Parameters<typeof driver.read>[1]) => Effect.map(driver.read(stream, options), versions)
      yield* expect.equal("from", yield* read({ from: 8 }), [8, 9, 10])
      yield* expect.equal("to", yield* read({ to: 2 }), [1, 2])
      yield* expect.equal("from, to and max", yield* read({ from: 3, to: 8, max: 2 }), [3, 4])
      yield* expect.equal("backwards", yield* read({ direction: "backwards", max: 3 }), [10, 9, 8])
      yield* expect.equal("backwards in a range", yield* read({ direction: "backwards", from: 2, to: 4 }), [4, 3, 2])
      yield* expect.equal("an empty range", yield* read({ from: 11 }), [])
      yield* expect.equal("an unknown stream", yield* driver.read(yield* newStream, {}), [])
      const all = (options: object) => driver.readAll({ after: start, max: 100, ...options })
      yield* expect.equal("by type", (yield* all({ types: ["Even"] })).length, 6)
      yield* expect.equal("by stream", (yield* all({ streamPrefix: `${stream}-` })).length, 1)
      yield* expect.equal("limit of the log", (yield* all({ max: 4 })).length, 4)
    })
  )
]
