/** Checks of appends that carry documents: E15 of `EventStoreConformance`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { EventStore } from "../../event-store/EventStore.ts"
import { EventStoreDriver } from "../../event-store/EventStoreDriver.ts"
import { Persistence, type Put } from "../../persistence/Persistence.ts"
import { type Case, type Expect, make, uniqueName } from "./Conformance.ts"
import { events, newStream, request, tags } from "./EventStoreFixtures.ts"

/** A driver without documents must say so before anything is written. */
const refusal = Effect.fnUntraced(function* (expect: Expect) {
  const store = yield* EventStore
  const stream = yield* newStream
  const documents = [{ collection: "conformance", id: stream, body: {} }]
  const append = store.appendWith(stream, events("A"), { expected: 0, documents })
  yield* expect.equal("said by the store", store.documents, false)
  yield* expect.failure("an append with documents", append, "DocumentsUnsupported")
  yield* expect.equal("events stored", yield* store.version(stream), 0)
})

const together = Effect.fnUntraced(function* (expect: Expect, persistence: Persistence["Service"]) {
  const store = yield* EventStore
  const driver = yield* EventStoreDriver
  const stream = yield* newStream
  const collection = yield* uniqueName("conformance/documents")
  const doc = (id: string, n: number, expected?: number): Put => ({
    collection,
    id,
    body: { n },
    ...(expected !== undefined && { expected })
  })
  const found = (...ids: ReadonlyArray<string>) =>
    Effect.forEach(ids, (id) =>
      Effect.map(persistence.get(collection, id), (document) => document && [document.version, document.body["n"]])
    )

  const first = yield* store.appendWith(stream, events("A", "B"), {
    expected: 0,
    documents: [doc("a", 1, 0), doc("a", 2, 1), doc("b", 1)]
  })
  yield* expect.equal("appended", [first.version, first.duplicate], [2, false])
  yield* expect.equal("put with it", yield* found("a", "b"), [
    [2, 2],
    [1, 1]
  ])

  const stale = store.appendWith(stream, events("C"), { expected: 1, documents: [doc("b", 9)] })
  yield* expect.failure("a version that does not hold", stale, "VersionConflict")
  const unmet = store.appendWith(stream, events("C"), { expected: 2, documents: [doc("b", 9), doc("a", 9, 1)] })
  const conflict = yield* Effect.flip(unmet)
  yield* expect.equal("a document that does not hold", { ...conflict }, { ...conflict, collection, id: "a" })
  yield* expect.failure("the same", unmet, "DocumentConflict")
  yield* expect.equal("events after conflicts", yield* store.version(stream), 2)
  yield* expect.equal("documents after conflicts", yield* found("b"), [[1, 1]])

  const [one, other, third] = yield* Effect.all([newStream, newStream, newStream])
  const batch = [
    { ...request(one, 0, "x"), documents: [doc("c", 1, 0)] },
    { ...request(other, 0, "y"), documents: [doc("d", 1), doc("c", 2, 0)] },
    { ...request(third, "Any", "z"), documents: [doc("c", 3, 1)] }
  ]
  yield* expect.equal("each for itself in a batch", tags(yield* driver.append(batch)), [
    "Appended",
    "DocumentConflict",
    "Appended"
  ])
  yield* expect.equal("versions after the batch", [yield* store.version(one), yield* store.version(other)], [1, 0])
  yield* expect.equal("documents after the batch", yield* found("c", "d"), [[2, 3], undefined])

  const again = [batch[0]!, { ...batch[2]!, documents: [doc("c", 4), doc("d", 4)] }]
  yield* expect.equal("the same again", tags(yield* driver.append(again)), ["Duplicate", "Duplicate"])
  yield* expect.equal("documents of a duplicate", yield* found("c", "d"), [[2, 3], undefined])

  const writers = ["e", "f", "g", "h"].map((id) =>
    store.appendWith(id === "e" ? one : other, events(id), {
      expected: "Any",
      documents: [doc("lock", 1, 0), doc(id, 1)]
    })
  )
  const results = yield* Effect.all(writers.map(Effect.result), { concurrency: "unbounded" })
  const won = results.filter(({ _tag }) => _tag === "Success").length
  const written = yield* found("e", "f", "g", "h")
  yield* expect.equal("winners of one document", [won, written.filter((one) => one !== undefined).length], [1, 1])
})

/** The checks, in order. */
export const cases: ReadonlyArray<Case<EventStore | EventStoreDriver>> = [
  make(
    "E15",
    "documents are put with the events, or neither",
    Effect.fnUntraced(function* (expect) {
      const driver = yield* EventStoreDriver
      if (!driver.documents) return yield* refusal(expect)
      const persistence = yield* Effect.serviceOption(Persistence)
      yield* expect.equal("Persistence stands beside the driver", Option.isSome(persistence), true)
      if (Option.isSome(persistence)) yield* together(expect, persistence.value)
    })
  )
]
