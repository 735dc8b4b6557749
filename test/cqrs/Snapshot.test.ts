import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Memory from "../../src/backends/Memory.ts"
import * as CommandHandler from "../../src/cqrs/CommandHandler.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { Persistence, PersistenceError } from "../../src/persistence/Persistence.ts"
import { backends } from "../backends.ts"
import { addItem, type OrderCommand, Order, Orders, OrderState, pay, place } from "./orders.ts"

const collection = "snapshots/order"
const snapshots = { state: OrderState, every: 3 }

const fill = Effect.fnUntraced(function* (id: string, items: number) {
  const orders = yield* CommandHandler.make(Order, { snapshots })
  yield* orders.handle(id, place("ann"))
  for (let index = 0; index < items; index++) {
    yield* orders.handle(id, addItem(`i${index}`, index), { commandId: `add${index}` })
  }
  return orders
})

/** The versions that a handler reads of a stream. */
const counting = Effect.gen(function* () {
  const store = yield* EventStore
  const reads: Array<number> = []
  const counted = EventStore.of({
    ...store,
    readArray: (stream, options) => {
      // Other than the one event that a snapshot is confirmed with.
      if (options?.from !== options?.to) reads.push(options?.from ?? 0)
      return store.readArray(stream, options)
    }
  })
  return { reads, store: counted }
})

for (const { layer, name } of backends) {
  describe(`Snapshot: ${name}`, () => {
    it.effect("streams are folded from the latest snapshot", () =>
      Effect.gen(function* () {
        yield* fill("1", 9)
        const persistence = yield* Persistence
        assert.strictEqual((yield* persistence.get(collection, "1"))?.body["version"], 9)
        const { reads, store } = yield* counting
        const orders = yield* CommandHandler.make(Order, { snapshots }).pipe(Effect.provideService(EventStore, store))
        assert.strictEqual((yield* orders.state("1")).items.length, 9)
        assert.deepStrictEqual(reads, [10])
      }).pipe(Effect.provide(layer))
    )

    it.effect("C3: a handler that begins at a wrong snapshot answers as one without", () =>
      Effect.gen(function* () {
        const persistence = yield* Persistence
        const store = yield* EventStore
        const plain = yield* CommandHandler.make(Order)
        yield* fill("1", 7)
        const expected = yield* plain.state("1")
        const good = (yield* persistence.get(collection, "1"))!.body
        const wrong: { readonly [what: string]: { readonly [key: string]: Schema.Json } } = {
          "other rules": { ...good, digest: "other", state: { status: "paid", items: [], total: 1 } },
          "another history": { ...good, eventId: "other", state: { status: "paid", items: [], total: 1 } },
          "beyond the end": { ...good, version: 100, state: { status: "paid", items: [], total: 1 } },
          "a state of another shape": { ...good, state: { status: "lost" } },
          damaged: { nothing: true }
        }
        for (const [what, body] of Object.entries(wrong)) {
          yield* persistence.putAll([{ collection, id: "1", body }])
          const orders = yield* CommandHandler.make(Order, { snapshots })
          assert.deepStrictEqual(yield* orders.state("1"), expected, what)
          const handled = yield* orders.handle("1", addItem("more", 1), { commandId: "add0" })
          assert.isTrue(handled.duplicate, what)
        }
        assert.strictEqual(yield* store.version(Orders.streamId("1")), 8)
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("Snapshot", () => {
  const layer = Memory.storesOf(Memory.makeState())

  it.effect("C3: other rules do not meet old snapshots", () =>
    Effect.gen(function* () {
      yield* fill("1", 5)
      const doubling = {
        ...Order,
        evolve: (state: OrderState, event: Parameters<typeof Order.evolve>[1]): OrderState =>
          event._tag === "ItemAdded" ? { ...state, total: state.total + 2 * event.price } : Order.evolve(state, event)
      }
      const changed = yield* CommandHandler.make(doubling, { snapshots })
      assert.strictEqual((yield* changed.state("1")).total, 20)
      // The same text, and yet raised by hand.
      const raised = yield* CommandHandler.make(Order, { snapshots: { ...snapshots, version: 2 } })
      const { reads, store } = yield* counting
      const read = yield* CommandHandler.make(Order, { snapshots: { ...snapshots, version: 2 } }).pipe(
        Effect.provideService(EventStore, store)
      )
      assert.deepStrictEqual(yield* read.state("1"), yield* raised.state("1"))
      assert.deepStrictEqual(reads, [1])
    }).pipe(Effect.provide(Memory.storesOf(Memory.makeState())))
  )

  const Command = Schema.Struct({
    step: Schema.Literals(["place", "add", "pay"]),
    price: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })),
    commandId: Schema.Literals(["none", "a", "b", "c"]),
    deleteSnapshot: Schema.Boolean
  })

  it.effect.prop(
    "C3: deleting snapshots at any time changes no answer",
    { commands: Schema.Array(Command).check(Schema.isMaxLength(30)) },
    ({ commands }) =>
      Effect.gen(function* () {
        const options = { snapshots: { state: OrderState, every: 2 }, remembered: 4 }
        const kept = yield* CommandHandler.make(Order, options)
        const deleted = yield* CommandHandler.make(Order, options)
        const none = yield* CommandHandler.make(Order, { remembered: 4 })
        const persistence = yield* Persistence
        const id = yield* Effect.map(
          Effect.sync(() => `${counter++}`),
          (n) => n
        )
        for (const { commandId, deleteSnapshot, price, step } of commands) {
          const command: OrderCommand = step === "place" ? place("ann") : step === "pay" ? pay : addItem("item", price)
          const given = commandId === "none" ? {} : { commandId }
          if (deleteSnapshot) yield* persistence.delete(collection, `${id}d`)
          const answers = yield* Effect.all([
            kept.handle(`${id}k`, command, given).pipe(Effect.result),
            deleted.handle(`${id}d`, command, given).pipe(Effect.result),
            none.handle(`${id}n`, command, given).pipe(Effect.result)
          ])
          const [a, b, c] = answers.map((answer) =>
            answer._tag === "Success" ? { ...answer.success, position: 0 } : answer.failure._tag
          )
          assert.deepStrictEqual(a, c)
          assert.deepStrictEqual(b, c)
        }
      }).pipe(Effect.provide(layer))
  )

  it.effect("C4: a document store that fails costs no command", () =>
    Effect.gen(function* () {
      const failure = Effect.fail(new PersistenceError({ operation: "x", retryable: true, cause: new Error("down") }))
      const broken = Persistence.of({
        ...(yield* Persistence),
        get: () => failure,
        putAll: () => failure
      })
      const orders = yield* fill("9", 5).pipe(Effect.provideService(Persistence, broken))
      assert.strictEqual((yield* orders.handle("9", pay)).state.status, "paid")
    }).pipe(Effect.provide(Memory.storesOf(Memory.makeState())))
  )
})

let counter = 0
