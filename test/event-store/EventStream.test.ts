import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Memory from "../../src/backends/Memory.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import * as EventStream from "../../src/event-store/EventStream.ts"

class Placed extends Schema.TaggedClass<Placed>()("OrderPlaced", { total: Schema.Number, at: Schema.Date }) {}
const Paid = Schema.TaggedStruct("OrderPaid", { by: Schema.String })

const Orders = EventStream.make("order", {
  events: Schema.Union([Placed, Paid]),
  upcasters: {
    OrderPaid: [({ payer }) => ({ name: payer ?? "nobody" }), ({ name }) => ({ by: String(name) })]
  }
})

const stores = Memory.storesOf

describe("EventStream", () => {
  it.effect("events come back as the values they were", () =>
    Effect.gen(function* () {
      const placed = new Placed({ total: 12, at: new Date(5) })
      yield* Orders.append("1", [placed, Paid.make({ by: "ann" })], {
        expected: "NoStream",
        meta: { correlationId: "c" }
      })
      const read = yield* Stream.runCollect(Orders.read("1"))
      assert.deepStrictEqual(
        read.map(({ event }) => event),
        [placed, Paid.make({ by: "ann" })]
      )
      assert.deepStrictEqual(
        read.map(({ stored }) => [stored.stream, stored.type, stored.schemaVersion, stored.meta.correlationId]),
        [
          ["order/1", "OrderPlaced", 1, "c"],
          ["order/1", "OrderPaid", 3, "c"]
        ]
      )
      const { event } = read[0]!
      if (event._tag === "OrderPlaced") assert.strictEqual(event.at.getTime(), 5)
    }).pipe(Effect.provide(stores(Memory.makeState())))
  )

  it.effect("old shapes are upcast from their version on", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      yield* store.append(
        "order/1" as StreamId,
        [
          { type: "OrderPaid", schemaVersion: 1, data: { payer: "ann" } },
          { type: "OrderPaid", schemaVersion: 2, data: { name: "bob" } },
          { type: "OrderPaid", schemaVersion: 3, data: { by: "cid" } }
        ],
        0
      )
      const read = yield* Stream.runCollect(Orders.read("1"))
      assert.deepStrictEqual(
        read.map(({ event }) => event._tag === "OrderPaid" && event.by),
        ["ann", "bob", "cid"]
      )
    }).pipe(Effect.provide(stores(Memory.makeState())))
  )

  it.effect("an event that does not decode is StoreCorrupt, with stream, version and path", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      yield* store.append(
        "order/1" as StreamId,
        [
          { type: "OrderPaid", schemaVersion: 3, data: { by: "ann" } },
          { type: "OrderPaid", schemaVersion: 3, data: { by: 7 } }
        ],
        0
      )
      const error = yield* Effect.flip(Stream.runCollect(Orders.read("1")))
      assert.strictEqual(error.reason._tag, "StoreCorrupt")
      for (const part of ["order/1", "event 2", "OrderPaid", `["by"]`]) assert.include(error.message, part)
      yield* store.append("order/2" as StreamId, [{ type: "OrderPaid", schemaVersion: 4, data: {} }], 0)
      const newer = yield* Effect.flip(Stream.runCollect(Orders.read("2")))
      assert.include(newer.message, "version 4")
    }).pipe(Effect.provide(stores(Memory.makeState())))
  )

  it.effect("a category is subscribed to as a whole, and nothing else", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      yield* Orders.append("1", [Paid.make({ by: "ann" })], { expected: 0 })
      yield* store.append("orders-of-others/1" as StreamId, [{ type: "OrderPaid", data: {} }], 0)
      yield* Orders.append("2", [Paid.make({ by: "bob" })], { expected: 0 })
      const read = yield* Orders.subscribe().pipe(Stream.take(2), Stream.runCollect)
      assert.deepStrictEqual(
        read.map(({ stored }) => stored.stream as string),
        ["order/1", "order/2"]
      )
    }).pipe(Effect.provide(stores(Memory.makeState())))
  )

  it("mistakes are found when the stream is defined", () => {
    assert.throws(() => EventStream.make("a/b", { events: Paid }), /category/)
    // @ts-expect-error: no such event
    assert.throws(() => EventStream.make("a", { events: Paid, upcasters: { Nothing: [] } }), /Nothing/)
    const untagged = Schema.Struct({ _tag: Schema.String })
    assert.throws(() => EventStream.make("a", { events: untagged }), /literal _tag/)
  })
})
