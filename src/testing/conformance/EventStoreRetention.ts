/** Checks of what is kept, and how: E11 to E14 of `EventStoreConformance`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Json, StreamId } from "../../event-store/Envelope.ts"
import { EventStore } from "../../event-store/EventStore.ts"
import { EventStoreDriver } from "../../event-store/EventStoreDriver.ts"
import type { EventStoreError } from "../../event-store/EventStoreError.ts"
import { type Case, make } from "./Conformance.ts"
import { newStream, events, types, versions, tags, request } from "./EventStoreFixtures.ts"

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

/** The checks, in order. */
export const cases: ReadonlyArray<Case<EventStore | EventStoreDriver>> = [
  make(
    "E11",
    "a truncated stream keeps its version",
    Effect.fnUntraced(function* (expect) {
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

      const other = yield* newStream
      const again = { ...request(other, 0, "a"), expected: "Any" as const }
      yield* driver.append([request(other, 0, "a")])
      yield* driver.append([again])
      yield* driver.truncateBefore(other, 2)
      yield* driver.append([again])
      const kept = versions(yield* driver.read(other, {}))
      yield* expect.equal("recognised, although one of its id was forgotten", kept, [2])
    })
  ),

  make(
    "E12",
    "a deleted stream is a typed error and its name is barred",
    Effect.fnUntraced(function* (expect) {
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
        yield* expect.failure(
          `append, expecting ${expected}`,
          store.append(stream, events("C"), expected),
          "StreamDeleted"
        )
      }
      const other = yield* store.append(yield* newStream, events("D"), 0)
      yield* expect.equal("a higher position", other.position > position, true)
      yield* expect.equal("the log", types(yield* Stream.runCollect(store.readAll({ after: start }))), ["D"])
    })
  ),

  make(
    "E13",
    "what was acknowledged is found on reopening",
    Effect.fnUntraced(function* (expect) {
      const store = yield* EventStore
      const stream = yield* newStream
      yield* store.append(stream, events("A", "B"), 0)
      const reopened = yield* Reopen
      const check = Effect.gen(function* () {
        const driver = yield* EventStoreDriver
        yield* expect.equal("events", types(yield* driver.read(stream, {})), ["A", "B"])
        const outcomes = yield* driver.append([request(stream, 1, "x"), request(stream, 2, "C")])
        yield* expect.equal("the version is fenced", tags(outcomes), ["VersionConflict", "Appended"])
      })
      yield* reopened === undefined ? check : Effect.provide(check, reopened, { local: true })
      yield* expect.failure("a stale writer", store.append(stream, events("x"), 2), "VersionConflict")
      yield* expect.equal("seen by the first", types(yield* store.readArray(stream)), ["A", "B", "C"])
    })
  ),

  make(
    "E14",
    "names and payloads come back as written",
    Effect.fnUntraced(function* (expect) {
      const store = yield* EventStore
      const base = yield* newStream
      for (const suffix of oddNames) {
        const stream = `${base}/${suffix}` as StreamId
        const meta = { timestamp: 5, correlationId: suffix, path: "a/b#2", epoch: 3, user: { suffix } }
        yield* store.append(
          stream,
          oddPayloads.map((data) => ({ type: `Type ${suffix}`, data, meta })),
          "NoStream"
        )
        const read = yield* store.readArray(stream)
        yield* expect.equal(
          `payloads in ${suffix}`,
          read.map(({ data }) => data),
          oddPayloads
        )
        yield* expect.equal(`name ${suffix}`, [read[0]!.stream, read[0]!.type], [stream, `Type ${suffix}`])
        yield* expect.equal(`meta ${suffix}`, read[0]!.meta, meta)
      }
    })
  )
]

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
