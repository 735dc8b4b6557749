/** Checks of many writers, large answers and what only saves room or time: P8 to P12 of `PersistenceConformance`. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { index, Persistence, type Query } from "../../persistence/Persistence.ts"
import { type Case, make } from "./Conformance.ts"
import { fill, idsOf, newCollection } from "./PersistenceFixtures.ts"

/** Adds one to two documents at once, and begins anew if somebody else was faster. */
const increment = (collection: string) =>
  Effect.gen(function* () {
    const persistence = yield* Persistence
    while (true) {
      const found = yield* Effect.forEach(["a", "b"], (id) => persistence.get(collection, id))
      const puts = found.map((document, at) => ({
        collection,
        id: at === 0 ? "a" : "b",
        body: { count: Number(document?.body["count"] ?? 0) + 1 },
        expected: document?.version ?? 0
      }))
      if (yield* persistence.putAll(puts)) return
    }
  })

const many = 2500

/** The checks, in order. */
export const cases: ReadonlyArray<Case<Persistence>> = [
  make(
    "P8",
    "writers that read and put again lose no update",
    Effect.fnUntraced(function* (expect) {
      const persistence = yield* Persistence
      const collection = yield* newCollection
      yield* Effect.all(
        Array.from({ length: 12 }, () => increment(collection)),
        { concurrency: "unbounded", discard: true }
      )
      for (const id of ["a", "b"]) {
        const document = yield* persistence.get(collection, id)
        yield* expect.equal(`count and version of ${id}`, [document?.body["count"], document?.version], [12, 12])
      }
    })
  ),

  make(
    "P9",
    "puts of one call are made in order",
    Effect.fnUntraced(function* (expect) {
      const persistence = yield* Persistence
      const collection = yield* newCollection
      const now = yield* Clock.currentTimeMillis
      const put = (n: number, expected: number) => ({ collection, id: "a", body: { n }, expected })
      yield* expect.equal("0, then 0", yield* persistence.putAll([put(1, 0), put(2, 0)]), false)
      yield* expect.equal("0, then 1", yield* persistence.putAll([put(1, 0), put(2, 1)]), true)
      yield* expect.equal("the last", yield* persistence.get(collection, "a"), { id: "a", version: 2, body: { n: 2 } })
      yield* persistence.putAll([{ ...put(3, 2), expiresAt: now }])
      yield* expect.equal("expired since", yield* persistence.get(collection, "a"), undefined)
      yield* expect.equal("an expired version", yield* persistence.putAll([put(4, 3)]), false)
      yield* expect.equal("none", yield* persistence.putAll([put(4, 0)]), true)
      yield* expect.equal("lives again", yield* persistence.get(collection, "a"), {
        id: "a",
        version: 1,
        body: { n: 4 }
      })
      yield* expect.equal("nothing to put", yield* persistence.putAll([]), true)
    })
  ),

  make(
    "P10",
    "a query answers as many as it is asked for",
    Effect.fnUntraced(function* (expect) {
      const collection = yield* newCollection
      const ids = Array.from({ length: many }, (_, at) => `d${String(at).padStart(5, "0")}`)
      yield* fill(collection, Object.fromEntries(ids.map((id, at) => [id, { at, even: at % 2 === 0 }])))
      yield* expect.equal("a hundred by default", yield* idsOf(collection), ids.slice(0, 100))
      yield* expect.equal("none", yield* idsOf(collection, { limit: 0 }), [])
      yield* expect.equal("beyond the end", yield* idsOf(collection, { offset: many }), [])
      const all = yield* idsOf(collection, { limit: many + 1 })
      yield* expect.equal("all, counted", all.length, many)
      yield* expect.equal("all", all, ids)
      const query: Query = { where: { even: true }, orderBy: "at", descending: true, limit: many, offset: 5 }
      const even = ids.filter((_, at) => at % 2 === 0).toReversed()
      yield* expect.equal("half of them, backwards", yield* idsOf(collection, query), even.slice(5))
    })
  ),

  make(
    "P11",
    "a purge changes no answer",
    Effect.fnUntraced(function* (expect) {
      const persistence = yield* Persistence
      const collection = yield* newCollection
      const now = yield* Clock.currentTimeMillis
      yield* persistence.putAll([
        { collection, id: "expired", body: {}, expiresAt: now },
        { collection, id: "mortal", body: {}, expiresAt: now + 3_600_000 },
        { collection, id: "immortal", body: {} }
      ])
      yield* persistence.purge ?? Effect.void
      yield* expect.equal("those that live", yield* idsOf(collection), ["immortal", "mortal"])
      const revived = yield* persistence.putAll([{ collection, id: "expired", body: {}, expected: 0 }])
      yield* expect.equal("a free name", revived, true)
    })
  ),

  make(
    "P12",
    "a declared index changes no answer",
    Effect.fnUntraced(function* (expect) {
      const collection = yield* newCollection
      const odd = "odd '\"$.field"
      yield* fill(collection, { a: { of: 1, [odd]: "x" }, b: { of: "1" }, c: { of: true } })
      yield* index(collection, ["of", odd])
      yield* index(collection, ["of"])
      yield* fill(collection, { d: { of: null }, e: {}, f: { of: 1, [odd]: "y" }, g: { of: false }, h: { of: [1] } })
      const where = (where: NonNullable<Query["where"]>) => idsOf(collection, { where })
      yield* expect.equal("a number", yield* where({ of: 1 }), ["a", "f"])
      yield* expect.equal("text", yield* where({ of: "1" }), ["b"])
      yield* expect.equal("booleans", yield* where({ of: [true, false] }), ["c", "g"])
      yield* expect.equal("several types", yield* where({ of: ["1", 1, null] }), ["a", "b", "d", "e", "f"])
      yield* expect.equal("none of none", yield* where({ of: [] }), [])
      yield* expect.equal("two fields", yield* where({ of: 1, [odd]: "y" }), ["f"])
      yield* expect.equal("ordered", yield* idsOf(collection, { where: { of: [1, "1"] }, orderBy: "of" }), [
        "a",
        "f",
        "b"
      ])
    })
  )
]
