/**
 * What every document store must do, whatever it is built on.
 *
 * Invariants:
 *
 *   P1. A document comes back as it was put; its version is 1, then one more with each put.
 *   P2. A conditional put succeeds exactly if the stored version is the expected one.
 *   P3. Several puts are one: all are written, or none.
 *   P4. A query keeps what matches all of its fields, and nothing else.
 *   P5. A query has a stable order, and its pages neither overlap nor leave gaps.
 *   P6. An expired document is gone for every operation, and its name is free.
 *   P7. A deleted document is gone; the collections do not touch each other.
 *   P8. Of writers that read and put again, none overwrites what another has put in between.
 *   P9. Later puts of one call see the earlier ones; the last put of a document decides when it expires.
 *   P10. A query answers as many documents as it is asked for, be it none or thousands.
 *   P11. A purge changes no answer.
 *   P12. A declared index changes no answer.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { Persistence, type Query } from "../../persistence/Persistence.ts"
import { type Case, make } from "./Conformance.ts"
import * as Edges from "./PersistenceEdges.ts"
import { fill, idsOf, newCollection } from "./PersistenceFixtures.ts"

const odd: Schema.JsonObject = {
  "": null,
  "with'quote\"$.[0]": [1, { deep: "日本語 😀 \u0000" }],
  large: "x".repeat(200_000),
  number: -1.5e-7,
  truth: false
}

/**
 * All checks. Each makes its own collection, so that they can share a store.
 *
 * @category testing
 * @since 0.1.0
 */
export const cases: ReadonlyArray<Case<Persistence>> = [
  make(
    "P1",
    "documents come back, with their versions",
    Effect.fnUntraced(function* (expect) {
      const persistence = yield* Persistence
      const collection = yield* newCollection
      yield* expect.equal("an unknown document", yield* persistence.get(collection, "a"), undefined)
      yield* fill(collection, { a: odd })
      yield* expect.equal("put", yield* persistence.get(collection, "a"), { id: "a", version: 1, body: odd })
      yield* fill(collection, { a: { n: 2 } })
      yield* expect.equal("put again", yield* persistence.get(collection, "a"), { id: "a", version: 2, body: { n: 2 } })
    })
  ),

  make(
    "P2",
    "a conditional put needs the expected version",
    Effect.fnUntraced(function* (expect) {
      const persistence = yield* Persistence
      const collection = yield* newCollection
      const put = (expected: number) => persistence.putAll([{ collection, id: "a", body: { expected }, expected }])
      yield* expect.equal("1 before there is one", yield* put(1), false)
      yield* expect.equal("0 before there is one", yield* put(0), true)
      yield* expect.equal("0 once there is one", yield* put(0), false)
      yield* expect.equal("the stored version", yield* put(1), true)
      yield* expect.equal("stored", yield* persistence.get(collection, "a"), {
        id: "a",
        version: 2,
        body: { expected: 1 }
      })
      const racing = yield* Effect.all(
        Array.from({ length: 5 }, () => put(2)),
        { concurrency: "unbounded" }
      )
      yield* expect.equal("winners of a race", racing.filter((won) => won).length, 1)
    })
  ),

  make(
    "P3",
    "several puts are all written, or none",
    Effect.fnUntraced(function* (expect) {
      const persistence = yield* Persistence
      const collection = yield* newCollection
      const put = (expected: number) =>
        persistence.putAll([
          { collection, id: "a", body: { expected } },
          { collection, id: "b", body: { expected }, expected }
        ])
      yield* expect.equal("one does not hold", yield* put(3), false)
      yield* expect.equal("nothing written", yield* idsOf(collection), [])
      yield* expect.equal("all hold", yield* put(0), true)
      yield* expect.equal("all written", yield* idsOf(collection), ["a", "b"])
    })
  ),

  make(
    "P4",
    "a query keeps what matches",
    Effect.fnUntraced(function* (expect) {
      const collection = yield* newCollection
      const field = "odd '\"$.field"
      yield* fill(collection, {
        a: { status: "open", count: 1, [field]: "x" },
        b: { status: "open", count: 2, done: true },
        c: { status: "closed", count: 1, done: false },
        d: { status: null }
      })
      const where = (where: NonNullable<Query["where"]>) => idsOf(collection, { where })
      yield* expect.equal("text", yield* where({ status: "open" }), ["a", "b"])
      yield* expect.equal("two fields", yield* where({ status: "open", count: 1 }), ["a"])
      yield* expect.equal("one of several", yield* where({ count: [2, 3, 1], status: ["closed", "open"] }), [
        "a",
        "b",
        "c"
      ])
      yield* expect.equal("none of none", yield* where({ count: [] }), [])
      yield* expect.equal("a boolean", yield* where({ done: true }), ["b"])
      yield* expect.equal("not a number like a boolean", yield* where({ count: true }), [])
      yield* expect.equal("not text like a number", yield* where({ count: "1" }), [])
      yield* expect.equal("null or missing", yield* where({ status: null }), ["d"])
      yield* expect.equal("an odd name", yield* where({ [field]: "x" }), ["a"])
    })
  ),

  make(
    "P5",
    "a query has a stable order and gapless pages",
    Effect.fnUntraced(function* (expect) {
      const collection = yield* newCollection
      yield* fill(collection, {
        d: { rank: 2 },
        a: { rank: 10 },
        c: { rank: 2 },
        é: { rank: "text" },
        "😀": {},
        "\uffee": { rank: 1 }
      })
      yield* expect.equal("by id", yield* idsOf(collection), ["a", "c", "d", "é", "\uffee", "😀"])
      const ranked = ["😀", "\uffee", "c", "d", "a", "é"]
      yield* expect.equal("by field", yield* idsOf(collection, { orderBy: "rank" }), ranked)
      const descending = yield* idsOf(collection, { orderBy: "rank", descending: true })
      yield* expect.equal("descending", descending, ranked.toReversed())
      const pages: Array<string> = []
      for (let offset = 0; offset < 8; offset += 2) {
        pages.push(...(yield* idsOf(collection, { orderBy: "rank", limit: 2, offset })))
      }
      yield* expect.equal("in pages", pages, ranked)
    })
  ),

  make(
    "P6",
    "an expired document is gone",
    Effect.fnUntraced(function* (expect) {
      const persistence = yield* Persistence
      const collection = yield* newCollection
      const now = yield* Clock.currentTimeMillis
      const body = { n: 1 }
      yield* persistence.putAll([
        { collection, id: "expired", body, expiresAt: now },
        { collection, id: "kept", body, expiresAt: now + 3_600_000 }
      ])
      yield* expect.equal("get", yield* persistence.get(collection, "expired"), undefined)
      yield* expect.equal("query", yield* idsOf(collection), ["kept"])
      const again = yield* persistence.putAll([{ collection, id: "expired", body, expected: 0 }])
      yield* expect.equal("its name is free", again, true)
      yield* expect.equal("version", (yield* persistence.get(collection, "expired"))?.version, 1)
    })
  ),

  make(
    "P7",
    "a deleted document is gone, others stay",
    Effect.fnUntraced(function* (expect) {
      const persistence = yield* Persistence
      const [one, other] = yield* Effect.all([newCollection, newCollection])
      yield* fill(one, { a: {}, b: {} })
      yield* fill(other, { a: {} })
      yield* persistence.delete(one, "a")
      yield* persistence.delete(one, "unknown")
      yield* expect.equal("the collection", yield* idsOf(one), ["b"])
      yield* expect.equal("the other collection", yield* idsOf(other), ["a"])
    })
  ),

  ...Edges.cases
]
