import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Memory from "../../src/backends/Memory.ts"
import * as CommandHandler from "../../src/cqrs/CommandHandler.ts"
import * as InlineProjection from "../../src/cqrs/InlineProjection.ts"
import * as Projection from "../../src/cqrs/Projection.ts"
import * as ProjectionRunner from "../../src/cqrs/ProjectionRunner.ts"
import * as EventStore from "../../src/event-store/EventStore.ts"
import * as MemoryEventStore from "../../src/event-store/MemoryEventStore.ts"
import * as MemoryPersistence from "../../src/persistence/MemoryPersistence.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import { backends } from "../backends.ts"
import { addItem, Discarded, ItemAdded, Order, Orders, pay, place, Placed } from "./orders.ts"
import { folded, OrderRows, served } from "./views.ts"

/** A runner that serves already, and then stands still: what is there, was put inline. */
const readyThenStopped = Effect.scoped(
  Effect.gen(function* () {
    const runner = yield* ProjectionRunner.run(OrderRows)
    yield* runner.awaitPosition(0)
  })
)

for (const { layer, name } of backends) {
  describe(`InlineProjection: ${name}`, () => {
    it.live("V7: the documents are there when the append is answered, without a runner", () =>
      Effect.gen(function* () {
        yield* readyThenStopped
        const append = yield* InlineProjection.make(Orders, [OrderRows])
        const orders = yield* CommandHandler.make(Order, { append })
        const rows = yield* ProjectionRunner.run(OrderRows).pipe(Effect.scoped)
        yield* orders.handle("1", place("ann"))
        assert.strictEqual((yield* rows.get("1"))?.customer, "ann")
        yield* orders.handle("1", addItem("score", 7))
        yield* orders.handle("2", place("bob"))
        yield* orders.handle("1", pay)
        assert.deepStrictEqual(yield* served(rows), yield* folded(OrderRows))
        yield* append("2", [new Discarded({})], { expected: 1, meta: {} })
        assert.deepStrictEqual(Object.keys(yield* served(rows)), ["1"])
        assert.isUndefined(yield* rows.get("2"))
        yield* append("2", [new Placed({ customer: "cid" })], { expected: 2, meta: {} })
        assert.deepStrictEqual(yield* served(rows), yield* folded(OrderRows))
      }).pipe(Effect.provide(layer))
    )

    it.live("V7: an append that conflicts puts nothing", () =>
      Effect.gen(function* () {
        yield* readyThenStopped
        const append = yield* InlineProjection.make(Orders, [OrderRows])
        const persistence = yield* Persistence
        yield* append("1", [new Placed({ customer: "ann" })], { expected: 0, meta: {} })
        const before = yield* persistence.get("orders@1-0", "1")
        const error = yield* Effect.flip(
          append("1", [new ItemAdded({ name: "score", price: 7 })], { expected: 0, meta: {} })
        )
        assert.include(["VersionConflict", "DocumentConflict"], error._tag)
        assert.deepStrictEqual(yield* persistence.get("orders@1-0", "1"), before)
      }).pipe(Effect.provide(layer))
    )

    it.live("V8: what others have appended is completed, by the next append and by the runner", () =>
      Effect.gen(function* () {
        yield* Orders.append("1", [new Placed({ customer: "ann" })], { expected: 0 })
        yield* Effect.scoped(Effect.flatMap(ProjectionRunner.run(OrderRows), (runner) => runner.awaitPosition(1)))
        const append = yield* InlineProjection.make(Orders, [OrderRows])
        // By a writer that knows nothing of the projection.
        yield* Orders.append("1", [new ItemAdded({ name: "score", price: 7 })], { expected: 1 })
        yield* Orders.append("2", [new Placed({ customer: "bob" })], { expected: 0 })
        yield* append("1", [new ItemAdded({ name: "pen", price: 2 })], { expected: 2, meta: {} })
        const rows = yield* ProjectionRunner.run(OrderRows)
        assert.strictEqual((yield* rows.get("1"))?.total, 9)
        const head = yield* (yield* EventStore.EventStore).head
        yield* rows.awaitPosition(head)
        assert.deepStrictEqual(yield* served(rows), yield* folded(OrderRows))
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live("V8: inline and the runner at once, with writers at once", () =>
      Effect.gen(function* () {
        const rows = yield* ProjectionRunner.run(OrderRows)
        yield* rows.awaitPosition(0)
        const append = yield* InlineProjection.make(Orders, [OrderRows])
        const orders = yield* CommandHandler.make(Order, { append, retry: Schedule.spaced("1 millis") })
        yield* Effect.forEach(["1", "2", "3"], (id) => orders.handle(id, place("ann")))
        const answers = yield* Effect.forEach(
          Array.from({ length: 24 }, (_, index) => index),
          (index) => orders.handle(`${1 + (index % 3)}`, addItem(`i${index}`, index)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(yield* served(rows), yield* folded(OrderRows))
        yield* rows.awaitPosition(Math.max(...answers.map(({ position }) => position)))
        assert.deepStrictEqual(yield* served(rows), yield* folded(OrderRows))
      }).pipe(Effect.scoped, Effect.provide(layer))
    )
  })
}

describe("InlineProjection", () => {
  it.effect("a backend with documents elsewhere is refused when it is made", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(InlineProjection.make(Orders, [OrderRows]))
      assert.strictEqual(error._tag, "DocumentsUnsupported")
      assert.include(error.message, '"orders"')
    }).pipe(
      Effect.provide(
        Layer.merge(
          EventStore.layer.pipe(Layer.provide(MemoryEventStore.layerDriver)),
          MemoryPersistence.layerOf(MemoryPersistence.makeState())
        )
      )
    )
  )

  it.effect("an event that the projection cannot take is not appended", () =>
    Effect.gen(function* () {
      const strict = Projection.perStream("orders", {
        stream: Orders,
        view: OrderRows.view,
        evolve: (row, event, place) => {
          if (event._tag === "ItemAdded") throw new Error("no more items")
          return OrderRows.evolve(row, event, place)
        }
      })
      yield* readyThenStopped
      const append = yield* InlineProjection.make(Orders, [strict])
      yield* append("1", [new Placed({ customer: "ann" })], { expected: 0, meta: {} })
      const error = yield* Effect.flip(
        append("1", [new ItemAdded({ name: "score", price: 7 })], { expected: 1, meta: {} })
      )
      assert.deepInclude(error, { _tag: "ProjectionFailed", stream: "order/1", version: 2, detail: "no more items" })
      const store = yield* EventStore.EventStore
      assert.strictEqual(yield* store.version(Orders.streamId("1")), 1)
    }).pipe(Effect.provide(Memory.storesOf(Memory.makeState())))
  )
})
