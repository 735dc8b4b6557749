import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Memory from "../../src/backends/Memory.ts"
import * as Causation from "../../src/event-store/Causation.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { backends } from "../backends.ts"

interface Fact {
  readonly id: string
  readonly stream: string
  readonly by?: string
  readonly correlation?: string
}

const write = (facts: ReadonlyArray<Fact>) =>
  EventStore.use((store) =>
    Effect.forEach(facts, ({ by, correlation, id, stream }) =>
      store.append(
        stream as StreamId,
        [
          {
            id,
            type: "Fact",
            data: {},
            meta: {
              ...(by !== undefined && { causationId: by }),
              ...(correlation !== undefined && { correlationId: correlation })
            }
          }
        ],
        "Any"
      )
    )
  )

type Tree = { readonly [id: string]: Tree }
const tree = (consequences: ReadonlyArray<Causation.Consequence>): Tree =>
  Object.fromEntries(consequences.map(({ consequences, event }) => [event.id, tree(consequences)]))

const shown = ({ causes, complete, consequences, outside }: Causation.Why) => ({
  causes: causes.map(({ id }) => id),
  outside,
  consequences: tree(consequences),
  complete
})

const order: ReadonlyArray<Fact> = [
  { id: "noise", stream: "noise/1", correlation: "n" },
  { id: "placed", stream: "order/7", by: "command", correlation: "c" },
  { id: "reserved", stream: "stock/1", by: "placed", correlation: "c" },
  { id: "charged", stream: "payment/7", by: "placed", correlation: "c" },
  { id: "refused", stream: "order/8", by: "noise", correlation: "n" },
  { id: "paid", stream: "order/7", by: "charged", correlation: "c" },
  { id: "mail", stream: "mail/1", by: "paid" },
  { id: "counted", stream: "noise/1", by: "mail", correlation: "n" }
]

for (const { layer, name } of backends) {
  describe(`Causation: ${name}`, () => {
    it.effect("Y1, Y2: the chain of causes, and the tree of consequences", () =>
      Effect.gen(function* () {
        yield* write(order)
        assert.deepStrictEqual(shown(yield* Causation.why("charged")), {
          causes: ["placed"],
          outside: { id: "command" },
          consequences: { paid: { mail: { counted: {} } } },
          complete: true
        })
        assert.deepStrictEqual(shown(yield* Causation.why("placed")).consequences, {
          reserved: {},
          charged: { paid: { mail: { counted: {} } } }
        })
        assert.deepStrictEqual(shown(yield* Causation.why("counted")), {
          causes: ["mail", "paid", "charged", "placed"],
          outside: { id: "command" },
          consequences: {},
          complete: true
        })
        assert.deepStrictEqual(shown(yield* Causation.why("noise")), {
          causes: [],
          outside: undefined,
          consequences: { refused: {} },
          complete: true
        })
      }).pipe(Effect.provide(layer))
    )

    it.effect("Y1: a chain ends where its events were forgotten", () =>
      Effect.gen(function* () {
        yield* write(order)
        yield* EventStore.use((store) => store.delete("payment/7" as StreamId))
        assert.deepStrictEqual(shown(yield* Causation.why("paid")).outside, { id: "charged" })
        const causeOf = () => ({ stream: "payment/7" as StreamId, version: 1 })
        assert.deepStrictEqual(shown(yield* Causation.why("paid", { causeOf })).outside, causeOf())
      }).pipe(Effect.provide(layer))
    )
  })
}

const inMemory = <A, E>(self: Effect.Effect<A, E, EventStore>) =>
  Effect.suspend(() => Effect.provide(self, Memory.storesOf(Memory.makeState()), { local: true }))

describe("Causation", () => {
  it.effect("an unknown event is a typed error", () =>
    Effect.gen(function* () {
      yield* write(order)
      const error = yield* Effect.flip(Causation.why("nowhere"))
      assert.strictEqual(error._tag, "EventNotFound")
      assert.include(error.message, `"nowhere" among the 8 events`)
    }).pipe(inMemory)
  )

  it.effect("Y3: bounds end the search, and it says so", () =>
    Effect.gen(function* () {
      yield* write(Array.from({ length: 9 }, (_, n) => ({ id: `e${n}`, stream: `s/${n}`, by: `e${n - 1}` })))
      const few = yield* Causation.why("e4", { maxEvents: 2 })
      assert.deepStrictEqual(shown(few), {
        causes: ["e3", "e2"],
        outside: undefined,
        consequences: { e5: { e6: {} } },
        complete: false
      })
      const first = yield* Causation.why("e0", { maxEvents: 2 })
      assert.deepStrictEqual([shown(first).consequences, first.complete], [{ e1: { e2: {} } }, false])
      const near = yield* Causation.why("e2", { maxScanned: 5 })
      assert.deepStrictEqual([shown(near).consequences, near.complete], [{ e3: { e4: {} } }, false])
      assert.strictEqual((yield* Effect.flip(Causation.why("e7", { maxScanned: 5 })))._tag, "EventNotFound")
    }).pipe(inMemory)
  )

  it.effect("events that name themselves, or each other, end the chain", () =>
    Effect.gen(function* () {
      yield* write([
        { id: "self", stream: "a", by: "self" },
        { id: "one", stream: "b", by: "two", correlation: "c" },
        { id: "two", stream: "b", by: "one", correlation: "c" }
      ])
      assert.deepStrictEqual(shown(yield* Causation.why("self")).causes, [])
      assert.deepStrictEqual(shown(yield* Causation.why("one")).causes, ["two"])
    }).pipe(inMemory)
  )

  it.effect("causes may be named by their place", () =>
    Effect.gen(function* () {
      yield* write([
        { id: "sent", stream: "inbox/1" },
        { id: "received", stream: "run/1" }
      ])
      const causeOf = ({ stream, version }: { readonly stream: StreamId; readonly version: number }) =>
        stream === "run/1" ? { stream: "inbox/1" as StreamId, version } : undefined
      assert.deepStrictEqual(shown(yield* Causation.why("received", { causeOf })).causes, ["sent"])
      assert.deepStrictEqual(shown(yield* Causation.why("sent", { causeOf })).consequences, { received: {} })
    }).pipe(inMemory)
  )

  it.effect.prop(
    "whatever is a consequence has the event among its causes, and the other way round",
    [
      Schema.Array(
        Schema.Tuple([
          Schema.Literals(["a", "b", "c"]),
          Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))
        ])
      )
    ],
    ([shape]) =>
      Effect.gen(function* () {
        const facts = shape.map(([stream, back], n): Fact => ({
          id: `e${n}`,
          stream,
          ...(back < n && { by: `e${back}` }),
          ...(back % 2 === 0 && { correlation: `c${back % 3}` })
        }))
        yield* write(facts)
        const all = yield* Effect.forEach(facts, ({ id }) => Causation.why(id))
        const flat = (found: ReadonlyArray<Causation.Consequence>): ReadonlyArray<string> =>
          found.flatMap(({ consequences, event }) => [event.id, ...flat(consequences)])
        for (const { causes, consequences, event } of all) {
          const by = new Map(facts.map(({ by, id }) => [id, by]))
          const chain: Array<string> = []
          for (let at = by.get(event.id); at !== undefined; at = by.get(at)) chain.push(at)
          assert.deepStrictEqual(
            causes.map(({ id }) => id),
            chain
          )
          const below = all
            .filter(({ causes }) => causes.some(({ id }) => id === event.id))
            .map(({ event }) => event.id)
          assert.sameMembers([...flat(consequences)], below)
        }
      }).pipe(inMemory)
  )
})
