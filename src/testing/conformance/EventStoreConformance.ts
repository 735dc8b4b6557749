/**
 * What every event store must do, whatever it is built on.
 *
 * Invariants:
 *
 *   E1.  Versions of a stream are 1, 2, 3 … without gaps.
 *   E2.  One append is atomic: all of its events are stored, or none.
 *   E3.  Of two appends that expect the same version, exactly one succeeds.
 *   E4.  An expectation holds exactly when it is true; too high is as wrong as too low.
 *   E5.  The very same append again succeeds, writes nothing, and answers as the first did.
 *   E6.  Events of a stream are read in the order in which they were appended.
 *   E7.  Positions grow in commit order, are consecutive within an append, and a reader that resumes misses nothing.
 *   E8.  A subscription catches up and stays live: no gap, no duplicate, in order.
 *   E9.  A conflict of one request leaves the others of its batch untouched.
 *   E10. Reads honour their range, direction and limit, and filters of the log theirs.
 *   E11. A truncated stream keeps its version and its newest event.
 *   E12. A deleted stream is a typed error, its name is barred, its positions are not given again.
 *   E13. What was acknowledged is there for whoever opens the same data again.
 *   E14. Names and payloads come back as they were written.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { EncodedEvent, ExpectedVersion, Json, StoredEvent, StreamId } from "../../event-store/Envelope.ts"
import { EventStore } from "../../event-store/EventStore.ts"
import { type AppendOutcome, type AppendRequest, EventStoreDriver } from "../../event-store/EventStoreDriver.ts"
import type { EventStoreError } from "../../event-store/EventStoreError.ts"
import { type Case, make, uniqueName } from "./Conformance.ts"

/**
 * Opens the data of the driver under test a second time. Leave it out for backends that cannot; E13 then only
 * reads back.
 *
 * @category services
 * @since 0.1.0
 */
export const Reopen: Context.Reference<ReopenLayer> = Context.Reference<ReopenLayer>(
  "tutti/testing/conformance/Reopen",
  { defaultValue: () => undefined }
)

type ReopenLayer = Layer.Layer<EventStoreDriver, EventStoreError> | undefined

const newStream = Effect.map(uniqueName("conformance/stream"), (name) => name as StreamId)
const event = (type: string, data: Json = { type }) => ({ type, data })
const events = (...types: ReadonlyArray<string>) => types.map((type) => event(type))
const types = (stored: ReadonlyArray<StoredEvent>) => stored.map(({ type }) => type)
const versions = (stored: ReadonlyArray<StoredEvent>) => stored.map(({ version }) => version)
const tags = (outcomes: ReadonlyArray<AppendOutcome>) =>
  outcomes.map((outcome) => "_tag" in outcome ? outcome._tag : outcome.duplicate ? "Duplicate" : "Appended")
const encoded = (id: string, type = "E", data: Json = {}): EncodedEvent => ({
  id,
  type,
  schemaVersion: 1,
  data,
  meta: { timestamp: 1 }
})
const request = (stream: StreamId, expected: ExpectedVersion, ...ids: ReadonlyArray<string>): AppendRequest => ({
  stream,
  expected,
  events: ids.map((id) => encoded(`${stream}/${id}`, id))
})

const readingAndWriting: ReadonlyArray<Case<EventStore | EventStoreDriver>> = [
  make("E1", "versions are 1, 2, 3 … without gaps", Effect.fnUntraced(function*(expect) {
    const store = yield* EventStore
    const stream = yield* newStream
    yield* expect.equal("version of an unknown stream", yield* store.version(stream), 0)
    const first = yield* store.append(stream, events("A"), 0)
    const second = yield* store.append(stream, events("B", "C"), 1)
    yield* expect.equal("versions answered", [first.version, second.version], [1, 3])
    yield* expect.equal("versions read", versions(yield* store.readArray(stream)), [1, 2, 3])
    yield* expect.equal("version of the stream", yield* store.version(stream), 3)
  })),

  make("E2", "an append is stored whole or not at all", Effect.fnUntraced(function*(expect) {
    const driver = yield* EventStoreDriver
    const stream = yield* newStream
    yield* driver.append([request(stream, 0, "A", "B", "C")])
    yield* expect.equal("events of one append", types(yield* driver.read(stream, {})), ["A", "B", "C"])
    yield* driver.append([request(stream, 1, "X", "Y"), request(stream, 7, "X", "Y")])
    yield* expect.equal("events after refused appends", types(yield* driver.read(stream, {})), ["A", "B", "C"])
  })),

  make("E3", "of two appends that expect one version, one succeeds", Effect.fnUntraced(function*(expect) {
    const store = yield* EventStore
    const driver = yield* EventStoreDriver
    const stream = yield* newStream
    const attempts = Array.from({ length: 10 }, (_, index) =>
      store.append(stream, events(`W${index}`), 0).pipe(Effect.as("won"), Effect.catchTag("VersionConflict", () =>
        Effect.succeed("lost"))))
    const results = yield* Effect.all(attempts, { concurrency: "unbounded" })
    yield* expect.equal("winners through the store", results.filter((result) => result === "won").length, 1)
    const direct = yield* Effect.all(
      ["x", "y", "z"].map((id) => driver.append([request(stream, 1, id)])),
      { concurrency: "unbounded" }
    )
    yield* expect.equal("winners in the driver", tags(direct.flat()).filter((tag) => tag === "Appended").length, 1)
    yield* expect.equal("events stored", yield* store.version(stream), 2)
  })),

  make("E4", "expectations hold exactly when they are true", Effect.fnUntraced(function*(expect) {
    const driver = yield* EventStoreDriver
    const stream = yield* newStream
    const outcome = (expected: ExpectedVersion, id: string) =>
      Effect.map(driver.append([request(stream, expected, id)]), (outcomes) => tags(outcomes)[0])
    yield* expect.equal("StreamExists before there is one", yield* outcome("StreamExists", "a"), "VersionConflict")
    yield* expect.equal("too high before there is one", yield* outcome(3, "b"), "VersionConflict")
    yield* expect.equal("NoStream", yield* outcome("NoStream", "c"), "Appended")
    yield* expect.equal("NoStream again", yield* outcome("NoStream", "d"), "VersionConflict")
    yield* expect.equal("0 once there is one", yield* outcome(0, "e"), "VersionConflict")
    yield* expect.equal("exact", yield* outcome(1, "f"), "Appended")
    yield* expect.equal("too low", yield* outcome(1, "g"), "VersionConflict")
    yield* expect.equal("too high", yield* outcome(3, "h"), "VersionConflict")
    yield* expect.equal("StreamExists", yield* outcome("StreamExists", "i"), "Appended")
    yield* expect.equal("Any", yield* outcome("Any", "j"), "Appended")
    const conflict = yield* driver.append([request(stream, 9, "k")])
    yield* expect.equal("conflict", { ...conflict[0] }, { ...conflict[0], stream, expected: 9, actual: 4 })
  })),

  make("E5", "the very same append again is a duplicate", Effect.fnUntraced(function*(expect) {
    const driver = yield* EventStoreDriver
    const stream = yield* newStream
    const requests = [
      request(stream, "NoStream", "a", "b"),
      request(stream, 2, "c"),
      request(stream, "Any", "d", "e"),
      request(stream, "StreamExists", "f")
    ]
    const first = yield* driver.append(requests)
    const again = yield* driver.append(requests)
    yield* expect.equal("answers", again.map(({ ...outcome }) => outcome), first.map((outcome) => ({ ...outcome, duplicate: true })))
    const batch = yield* driver.append([request(stream, "Any", "g"), request(stream, "Any", "g")])
    yield* expect.equal("twice in one batch", tags(batch), ["Appended", "Duplicate"])
    yield* expect.equal("events stored", yield* driver.version(stream), 7)
    const partly = yield* driver.append([request(stream, "Any", "g", "new"), request(stream, 2, "other")])
    yield* expect.equal("not quite the same", tags(partly), ["VersionConflict", "VersionConflict"])
  })),

  make("E6", "events are read in the order of appends", Effect.fnUntraced(function*(expect) {
    const store = yield* EventStore
    const streams = yield* Effect.all([newStream, newStream, newStream])
    const expected = Array.from({ length: 30 }, (_, index) => `E${index}`)
    // Pipelined: nothing is awaited between the appends to one stream.
    const answers = yield* Effect.forEach(expected, (type, index) =>
      Effect.forEach(streams, (stream) => store.submit(stream, events(type, `${type}'`), index * 2)))
    yield* Effect.all(answers.flat(), { concurrency: "unbounded" })
    for (const stream of streams) {
      const read = types(yield* store.readArray(stream))
      yield* expect.equal("order of events", read, expected.flatMap((type) => [type, `${type}'`]))
    }
  }))
]

const reading: ReadonlyArray<Case<EventStore | EventStoreDriver>> = [
  make("E7", "positions grow in commit order and resuming misses nothing", Effect.fnUntraced(function*(expect) {
    const driver = yield* EventStoreDriver
    const one = yield* newStream
    const other = yield* newStream
    const start = yield* driver.head
    const answers = (yield* driver.append([request(one, 0, "a", "b"), request(other, 0, "c"), request(one, 2, "d")]))
      .map((outcome) => "_tag" in outcome ? 0 : outcome.position)
    yield* expect.equal("head", yield* driver.head, answers.at(-1))
    const stored = yield* driver.readAll({ after: start, max: 100 })
    yield* expect.equal("commit order", types(stored), ["a", "b", "c", "d"])
    const positions = stored.map(({ position }) => position)
    yield* expect.equal("growing", positions.every((position, index) => position > (positions[index - 1] ?? start)), true)
    yield* expect.equal("consecutive within an append", positions[1]! - positions[0]!, 1)
    yield* expect.equal("as answered", [positions[1], positions[2], positions[3]], answers)
    const resumed: Array<StoredEvent> = []
    for (let page = 0; page < 10; page++) {
      resumed.push(...yield* driver.readAll({ after: resumed.at(-1)?.position ?? start, max: 1 + page % 2 }))
    }
    yield* expect.equal("resumed page by page", types(resumed), ["a", "b", "c", "d"])
  })),

  make("E8", "a subscription catches up and stays live", Effect.fnUntraced(function*(expect) {
    const store = yield* EventStore
    const stream = yield* newStream
    const after = yield* store.head
    const append = (from: number, to: number) =>
      Effect.forEach(
        Array.from({ length: to - from }, (_, index) => from + index),
        (version) => store.append(stream, events(`E${version}`), version),
        { discard: true }
      )
    const subscribe = Effect.fnUntraced(function*(after: number | "end") {
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
  })),

  make("E9", "a conflict leaves the rest of its batch untouched", Effect.fnUntraced(function*(expect) {
    const driver = yield* EventStoreDriver
    const [one, other] = yield* Effect.all([newStream, newStream])
    const outcomes = yield* driver.append([
      request(one, 0, "a"),
      request(one, 5, "x", "y"),
      request(one, 1, "b"),
      request(other, "StreamExists", "x"),
      request(other, "NoStream", "c")
    ])
    yield* expect.equal("outcomes", tags(outcomes), ["Appended", "VersionConflict", "Appended", "VersionConflict", "Appended"])
    yield* expect.equal("stored", types([...yield* driver.read(one, {}), ...yield* driver.read(other, {})]), ["a", "b", "c"])
  })),

  make("E10", "reads honour range, direction, limit and filter", Effect.fnUntraced(function*(expect) {
    const store = yield* EventStore
    const driver = yield* EventStoreDriver
    const stream = yield* newStream
    const start = yield* driver.head
    yield* store.append(stream, range(1, 10).map((number) => event(number % 2 === 0 ? "Even" : "Odd")), 0)
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
  }))
]

const keeping: ReadonlyArray<Case<EventStore | EventStoreDriver>> = [
  make("E11", "a truncated stream keeps its version", Effect.fnUntraced(function*(expect) {
    const driver = yield* EventStoreDriver
    const stream = yield* newStream
    const start = yield* driver.head
    yield* driver.append([request(stream, 0, "a", "b", "c", "d")])
    yield* driver.truncateBefore(stream, 3)
    yield* expect.equal("kept", versions(yield* driver.read(stream, {})), [3, 4])
    yield* driver.truncateBefore(stream, 100)
    yield* expect.equal("the newest stays", versions(yield* driver.read(stream, {})), [4])
    yield* expect.equal("gone from the log", versions(yield* driver.readAll({ after: start, max: 9 })), [4])
    yield* expect.equal("version", yield* driver.version(stream), 4)
    const outcomes = yield* driver.append([request(stream, 0, "z"), request(stream, 4, "e")])
    yield* expect.equal("appends afterwards", tags(outcomes), ["VersionConflict", "Appended"])
    yield* expect.equal("versions afterwards", versions(yield* driver.read(stream, {})), [4, 5])
  })),

  make("E12", "a deleted stream is a typed error and its name is barred", Effect.fnUntraced(function*(expect) {
    const store = yield* EventStore
    const stream = yield* newStream
    const start = yield* store.head
    const { position } = yield* store.append(stream, events("A", "B"), 0)
    yield* expect.failure("deleting with a wrong expectation", store.delete(stream, 1), "VersionConflict")
    yield* store.delete(stream, 2)
    yield* store.delete(stream)
    yield* expect.failure("read", store.readArray(stream), "StreamDeleted")
    yield* expect.failure("version", store.version(stream), "StreamDeleted")
    for (const expected of [0, 2, 3, "NoStream", "StreamExists", "Any"] as const) {
      yield* expect.failure(`append, expecting ${expected}`, store.append(stream, events("C"), expected), "StreamDeleted")
    }
    const other = yield* store.append(yield* newStream, events("D"), 0)
    yield* expect.equal("a higher position", other.position > position, true)
    yield* expect.equal("the log", types(yield* Stream.runCollect(store.readAll({ after: start }))), ["D"])
  })),

  make("E13", "what was acknowledged is found on reopening", Effect.fnUntraced(function*(expect) {
    const store = yield* EventStore
    const stream = yield* newStream
    yield* store.append(stream, events("A", "B"), 0)
    const reopened = yield* Reopen
    const check = Effect.gen(function*() {
      const driver = yield* EventStoreDriver
      yield* expect.equal("events", types(yield* driver.read(stream, {})), ["A", "B"])
      const outcomes = yield* driver.append([request(stream, 1, "x"), request(stream, 2, "C")])
      yield* expect.equal("the version is fenced", tags(outcomes), ["VersionConflict", "Appended"])
    })
    yield* reopened === undefined ? check : Effect.provide(check, reopened, { local: true })
    yield* expect.failure("a stale writer", store.append(stream, events("x"), 2), "VersionConflict")
    yield* expect.equal("seen by the first", types(yield* store.readArray(stream)), ["A", "B", "C"])
  })),

  make("E14", "names and payloads come back as written", Effect.fnUntraced(function*(expect) {
    const store = yield* EventStore
    const base = yield* newStream
    for (const suffix of oddNames) {
      const stream = `${base}/${suffix}` as StreamId
      const meta = { timestamp: 5, correlationId: suffix, path: "a/b#2", epoch: 3, user: { suffix } }
      yield* store.append(stream, oddPayloads.map((data) => ({ type: `Type ${suffix}`, data, meta })), "NoStream")
      const read = yield* store.readArray(stream)
      yield* expect.equal(`payloads in ${suffix}`, read.map(({ data }) => data), oddPayloads)
      yield* expect.equal(`name ${suffix}`, [read[0]!.stream, read[0]!.type], [stream, `Type ${suffix}`])
      yield* expect.equal(`meta ${suffix}`, read[0]!.meta, meta)
    }
  }))
]

/**
 * All checks. Each makes its own streams, so that they can share a store.
 *
 * @category testing
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case<EventStore | EventStoreDriver>> = [...readingAndWriting, ...reading, ...keeping]

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

const oddNames = ["Upper", "upper", "日本語/😀", "with'quote\"%_\\", " spaced ", "é", "e\u0301", "x".repeat(300)]

const oddPayloads: ReadonlyArray<Json> = [
  null,
  true,
  -0.5,
  1e21,
  Number.MAX_SAFE_INTEGER,
  "",
  "a\u0000b \u2028 😀 \ud800",
  [],
  {},
  { "": [[], [{ "$.a'\"": null }]], __proto: 1, nested: { deep: [1, "2", { three: false }] } },
  "long ".repeat(50_000)
]
