/** Checks of appends: E1 to E6 of `EventStoreConformance`. */
import * as Effect from "effect/Effect"
import type { ExpectedVersion } from "../../event-store/Envelope.ts"
import { EventStore } from "../../event-store/EventStore.ts"
import { EventStoreDriver } from "../../event-store/EventStoreDriver.ts"
import { type Case, make } from "./Conformance.ts"
import { newStream, events, types, versions, tags, request } from "./EventStoreFixtures.ts"

/** The checks, in order. */
export const cases: ReadonlyArray<Case<EventStore | EventStoreDriver>> = [
  make(
    "E1",
    "versions are 1, 2, 3 … without gaps",
    Effect.fnUntraced(function* (expect) {
      const store = yield* EventStore
      const stream = yield* newStream
      yield* expect.equal("version of an unknown stream", yield* store.version(stream), 0)
      const first = yield* store.append(stream, events("A"), 0)
      const second = yield* store.append(stream, events("B", "C"), 1)
      yield* expect.equal("versions answered", [first.version, second.version], [1, 3])
      yield* expect.equal("versions read", versions(yield* store.readArray(stream)), [1, 2, 3])
      yield* expect.equal("version of the stream", yield* store.version(stream), 3)
    })
  ),

  make(
    "E2",
    "an append is stored whole or not at all",
    Effect.fnUntraced(function* (expect) {
      const driver = yield* EventStoreDriver
      const stream = yield* newStream
      yield* driver.append([request(stream, 0, "A", "B", "C")])
      yield* expect.equal("events of one append", types(yield* driver.read(stream, {})), ["A", "B", "C"])
      yield* driver.append([request(stream, 1, "X", "Y"), request(stream, 7, "X", "Y")])
      yield* expect.equal("events after refused appends", types(yield* driver.read(stream, {})), ["A", "B", "C"])
    })
  ),

  make(
    "E3",
    "of two appends that expect one version, one succeeds",
    Effect.fnUntraced(function* (expect) {
      const store = yield* EventStore
      const driver = yield* EventStoreDriver
      const stream = yield* newStream
      const attempts = Array.from({ length: 10 }, (_, index) =>
        store.append(stream, events(`W${index}`), 0).pipe(
          Effect.as("won"),
          Effect.catchTag("VersionConflict", () => Effect.succeed("lost"))
        )
      )
      const results = yield* Effect.all(attempts, { concurrency: "unbounded" })
      yield* expect.equal("winners through the store", results.filter((result) => result === "won").length, 1)
      const direct = yield* Effect.all(
        ["x", "y", "z"].map((id) => driver.append([request(stream, 1, id)])),
        { concurrency: "unbounded" }
      )
      yield* expect.equal("winners in the driver", tags(direct.flat()).filter((tag) => tag === "Appended").length, 1)
      yield* expect.equal("events stored", yield* store.version(stream), 2)
    })
  ),

  make(
    "E4",
    "expectations hold exactly when they are true",
    Effect.fnUntraced(function* (expect) {
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
    })
  ),

  make(
    "E5",
    "the very same append again is a duplicate",
    Effect.fnUntraced(function* (expect) {
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
      yield* expect.equal(
        "answers",
        again.map(({ ...outcome }) => outcome),
        first.map((outcome) => ({ ...outcome, duplicate: true }))
      )
      const batch = yield* driver.append([request(stream, "Any", "g"), request(stream, "Any", "g")])
      yield* expect.equal("twice in one batch", tags(batch), ["Appended", "Duplicate"])
      yield* expect.equal("events stored", yield* driver.version(stream), 7)
      const partly = yield* driver.append([request(stream, "Any", "g", "new"), request(stream, 2, "other")])
      yield* expect.equal("not quite the same", tags(partly), ["VersionConflict", "VersionConflict"])
    })
  ),

  make(
    "E6",
    "events are read in the order of appends",
    Effect.fnUntraced(function* (expect) {
      const store = yield* EventStore
      const streams = yield* Effect.all([newStream, newStream, newStream])
      const expected = Array.from({ length: 30 }, (_, index) => `E${index}`)
      // Pipelined: nothing is awaited between the appends to one stream.
      const answers = yield* Effect.forEach(expected, (type, index) =>
        Effect.forEach(streams, (stream) => store.submit(stream, events(type, `${type}'`), index * 2))
      )
      yield* Effect.all(answers.flat(), { concurrency: "unbounded" })
      for (const stream of streams) {
        const read = types(yield* store.readArray(stream))
        yield* expect.equal(
          "order of events",
          read,
          expected.flatMap((type) => [type, `${type}'`])
        )
      }
    })
  )
]
