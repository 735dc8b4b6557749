import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { backends } from "../backends.ts"
import * as CommandHandler from "../../src/cqrs/CommandHandler.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { EventStoreError, StoreUnavailable } from "../../src/event-store/EventStoreError.ts"
import {
  addItem,
  AlreadyPaid,
  Discarded,
  ItemAdded,
  Order,
  type OrderCommand,
  Orders,
  OrderState,
  Paid,
  pay,
  place,
  Placed
} from "./orders.ts"

const events = (id: string) =>
  Effect.map(Stream.runCollect(Orders.read(id)), (read) => read.map(({ event }) => event._tag))

for (const { layer, name } of backends) {
  describe(`CommandHandler: ${name}`, () => {
    it.effect("decides on what is there, and answers with what it led to", () =>
      Effect.gen(function* () {
        const orders = yield* CommandHandler.make(Order)
        const first = yield* orders.handle("1", place("ann"), {
          commandId: "c1",
          meta: { correlationId: "shop", user: { ip: "::1" } }
        })
        assert.deepStrictEqual(first.events, [new Placed({ customer: "ann" })])
        assert.deepStrictEqual([first.version, first.duplicate, first.state.status], [1, false, "open"])
        const second = yield* orders.handle("1", addItem("score", 7))
        assert.isAbove(second.position, first.position)
        const third = yield* orders.handle("1", pay)
        assert.deepStrictEqual(third.state, { status: "paid", items: ["score"], total: 7 })
        assert.deepStrictEqual(yield* orders.state("1"), third.state)
        const store = yield* EventStore
        const [stored] = yield* store.readArray(Orders.streamId("1"))
        assert.deepInclude(stored!.meta, { causationId: "c1", correlationId: "shop", user: { ip: "::1" } })
      }).pipe(Effect.provide(layer))
    )

    it.effect("C5: of commands at once, each is decided on the state it is appended to", () =>
      Effect.gen(function* () {
        const orders = yield* CommandHandler.make(Order, { retry: Schedule.recurs(50) })
        yield* orders.handle("1", place("ann"))
        const results = yield* Effect.all(
          Array.from({ length: 10 }, (_, index) =>
            orders.handle("1", index % 2 === 0 ? addItem(`i${index}`, 1) : pay).pipe(Effect.result)
          ),
          { concurrency: "unbounded" }
        )
        const read = yield* Stream.runCollect(Orders.read("1"))
        const tags = read.map(({ event }) => event._tag)
        // Nothing after the payment, which is of what was there.
        assert.strictEqual(tags.indexOf("OrderPaid"), tags.length - 1)
        const last = read.at(-1)!.event
        assert.deepStrictEqual(last, new Paid({ total: tags.length - 2 }))
        assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, tags.length - 1)
        for (const result of results) {
          if (result._tag === "Failure") assert.strictEqual(result.failure._tag, "AlreadyPaid")
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("C6: a command that comes again is answered as the first time", () =>
      Effect.gen(function* () {
        const orders = yield* CommandHandler.make(Order)
        yield* orders.handle("1", place("ann"))
        const first = yield* orders.handle("1", addItem("score", 7), { commandId: "add" })
        yield* orders.handle("1", pay)
        const again = yield* orders.handle("1", addItem("score", 7), { commandId: "add" })
        assert.deepStrictEqual(again, { ...first, duplicate: true })
        assert.deepStrictEqual(again.events, [new ItemAdded({ name: "score", price: 7 })])
        assert.deepStrictEqual(yield* events("1"), ["OrderPlaced", "ItemAdded", "OrderPaid"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("C6: with all events that it led to", () =>
      Effect.gen(function* () {
        const orders = yield* CommandHandler.make(Order)
        yield* orders.handle("1", place("ann"))
        const pair = orders.handle("1", { _tag: "AddPair", names: ["pen", "ink"] }, { commandId: "pair" })
        const first = yield* pair
        assert.strictEqual(first.events.length, 2)
        yield* orders.handle("1", addItem("score", 7), { commandId: "add" })
        assert.deepStrictEqual(yield* pair, { ...first, duplicate: true })
      }).pipe(Effect.provide(layer))
    )

    it.effect("C6: also if it comes twice at once", () =>
      Effect.gen(function* () {
        const orders = yield* CommandHandler.make(Order, { retry: Schedule.recurs(50) })
        yield* orders.handle("1", place("ann"))
        const add = orders.handle("1", addItem("score", 7), { commandId: "add" })
        const answers = yield* Effect.all([add, add, add], { concurrency: "unbounded" })
        assert.deepStrictEqual(answers.map(({ duplicate }) => duplicate).toSorted(), [false, true, true])
        assert.deepStrictEqual(yield* events("1"), ["OrderPlaced", "ItemAdded"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("C7: a rejected command writes nothing", () =>
      Effect.gen(function* () {
        const orders = yield* CommandHandler.make(Order)
        yield* orders.handle("1", place("ann"))
        yield* orders.handle("1", pay)
        const error = yield* Effect.flip(orders.handle("1", pay))
        assert.deepStrictEqual(error, new AlreadyPaid({ total: 0 }))
        assert.deepStrictEqual(yield* events("1"), ["OrderPlaced", "OrderPaid"])
      }).pipe(Effect.provide(layer))
    )

    it.effect("C2: a command is forgotten when enough has come after it, with and without snapshots", () =>
      Effect.gen(function* () {
        const plain = yield* CommandHandler.make(Order, { remembered: 5 })
        const quick = yield* CommandHandler.make(Order, {
          remembered: 5,
          snapshots: { state: OrderState, every: 3 }
        })
        yield* quick.handle("1", place("ann"))
        yield* quick.handle("1", addItem("first", 1), { commandId: "add" })
        for (let index = 0; index < 4; index++) yield* quick.handle("1", addItem(`i${index}`, 1))
        // Version 6 now: the command's event, 2, is the oldest of the last five.
        assert.isTrue((yield* plain.handle("1", addItem("x", 1), { commandId: "add" })).duplicate)
        assert.isTrue((yield* quick.handle("1", addItem("x", 1), { commandId: "add" })).duplicate)
        yield* quick.handle("1", addItem("last", 1))
        assert.isFalse((yield* quick.handle("1", addItem("x", 1), { commandId: "add" })).duplicate)
        yield* plain.handle("2", place("bob"), { commandId: "p" })
        for (let index = 0; index < 5; index++) yield* plain.handle("2", addItem(`i${index}`, 1))
        assert.deepInclude(yield* plain.handle("2", addItem("y", 1), { commandId: "p" }), { duplicate: false })
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("CommandHandler", () => {
  const { layer } = backends[0]!

  it.effect("a conflict that lasts is the command's typed failure", () =>
    Effect.gen(function* () {
      let tries = 0
      const orders = yield* CommandHandler.make(
        {
          ...Order,
          // Somebody else is always faster.
          decide: (command: OrderCommand, state: OrderState) =>
            Effect.tap(Order.decide(command, state), () =>
              Orders.append("1", [new ItemAdded({ name: `${tries++}`, price: 1 })], { expected: "Any" })
            )
        },
        { retry: Schedule.recurs(3) }
      )
      yield* Orders.append("1", [new Placed({ customer: "ann" })], { expected: 0 })
      const error = yield* Effect.flip(orders.handle("1", pay))
      assert.strictEqual(error._tag, "VersionConflict")
      assert.strictEqual(tries, 4)
      assert.notInclude(yield* events("1"), "OrderPaid")
    }).pipe(Effect.provide(layer))
  )

  it.effect("a stream whose beginning was truncated is said to be so, not folded wrongly", () =>
    Effect.gen(function* () {
      const orders = yield* CommandHandler.make(Order)
      yield* orders.handle("1", place("ann"))
      yield* orders.handle("1", addItem("score", 7))
      const store = yield* EventStore
      yield* store.truncateBefore(Orders.streamId("1"), 2)
      const error = yield* Effect.flip(orders.handle("1", pay))
      assert.strictEqual(error._tag === "EventStoreError" && error.reason._tag, "StoreCorrupt")
      assert.include(error.message, "truncated")
    }).pipe(Effect.provide(layer))
  )

  it.effect("an interrupted command leaves nothing", () =>
    Effect.gen(function* () {
      const deciding = yield* Deferred.make<void>()
      const orders = yield* CommandHandler.make({
        ...Order,
        decide: () => Effect.andThen(Deferred.succeed(deciding, undefined), Effect.never)
      })
      const fiber = yield* Effect.forkChild(orders.handle("1", pay))
      yield* Deferred.await(deciding)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* events("1"), [])
    }).pipe(Effect.provide(layer))
  )
})

describe("CommandHandler with states in memory", () => {
  const { layer } = backends[0]!

  /** Commands of a few customers about a few orders, some of them sent twice. */
  const commands: ReadonlyArray<OrderCommand> = [
    place("ann"),
    addItem("score", 7),
    addItem("baton", 2),
    { _tag: "AddPair", names: ["a", "b"] },
    pay
  ]
  const Sent = Schema.Struct({
    by: Schema.Literals([0, 1]),
    order: Schema.Literals(["1", "2", "3"]),
    command: Schema.Literals([0, 0, 1, 1, 2, 3, 4]),
    commandId: Schema.Literals(["", "", "c1", "c2", "c3"])
  })

  it.effect.prop("C8: changes no answer, whoever else writes", [Schema.Array(Sent)], ([sent]) =>
    Effect.gen(function* () {
      const options = { remembered: 5, snapshots: { state: OrderState, every: 3 } }
      const plain = yield* CommandHandler.make(Order, { remembered: 5 })
      const keeping = [
        yield* CommandHandler.make(Order, { ...options, kept: 2 }),
        yield* CommandHandler.make(Order, { ...options, kept: 5 })
      ]
      for (const { by, command, commandId, order } of sent) {
        const given = commandId === "" ? {} : { commandId }
        const answers = [
          yield* Effect.result(keeping[by]!.handle(`kept/${order}`, commands[command]!, given)),
          yield* Effect.result(plain.handle(`plain/${order}`, commands[command]!, given))
        ].map((result) =>
          result._tag === "Failure" ? result.failure._tag : { ...result.success, position: result.success.position > 0 }
        )
        assert.deepStrictEqual(answers[0], answers[1])
      }
      for (const order of ["1", "2", "3"]) {
        assert.deepStrictEqual(yield* events(`kept/${order}`), yield* events(`plain/${order}`))
      }
    }).pipe(Effect.provide(layer, { local: true }))
  )

  /** How often streams are read. */
  const counting = <A, E, R>(use: (reads: () => number) => Effect.Effect<A, E, R | EventStore>) =>
    Effect.gen(function* () {
      const store = yield* EventStore
      let reads = 0
      const counted = EventStore.of({ ...store, readArray: (...args) => (reads++, store.readArray(...args)) })
      return yield* Effect.provideService(
        use(() => reads),
        EventStore,
        counted
      )
    })

  it.effect("C8: a command on a state that is kept reads nothing, one on another does", () =>
    counting((reads) =>
      Effect.gen(function* () {
        const orders = yield* CommandHandler.make(Order, { kept: 2 })
        for (const id of ["1", "2"]) yield* orders.handle(id, place("ann"))
        const before = reads()
        for (let index = 0; index < 5; index++) {
          for (const id of ["1", "2"]) yield* orders.handle(id, addItem(`i${index}`, 1))
        }
        assert.strictEqual(reads(), before)
        // "1" was used longest ago.
        yield* orders.handle("3", place("ann"))
        yield* orders.handle("2", pay)
        assert.strictEqual(reads(), before + 1)
        yield* orders.handle("1", pay)
        assert.strictEqual(reads(), before + 2)
      })
    ).pipe(Effect.provide(layer))
  )

  it.effect("C5, C8: who was overtaken decides anew at once, without waiting for a retry", () =>
    Effect.gen(function* () {
      const [one, other] = [
        yield* CommandHandler.make(Order, { kept: 9, retry: Schedule.recurs(0) }),
        yield* CommandHandler.make(Order, { kept: 9, retry: Schedule.recurs(0) })
      ]
      yield* one.handle("1", place("ann"))
      yield* other.handle("1", addItem("score", 7))
      yield* one.handle("1", addItem("baton", 2))
      const paid = yield* other.handle("1", pay)
      assert.deepStrictEqual(paid.events, [new Paid({ total: 9 })])
      assert.strictEqual((yield* Effect.flip(one.handle("1", pay)))._tag, "AlreadyPaid")
    }).pipe(Effect.provide(layer))
  )

  it.effect("C8: a rejection upon an old state is no answer, nor is a decision for nothing", () =>
    Effect.gen(function* () {
      const orders = yield* CommandHandler.make(Order, { kept: 9 })
      yield* orders.handle("1", place("ann"))
      yield* orders.handle("1", pay)
      yield* Orders.append("1", [new Discarded({}), new Placed({ customer: "bob" })], { expected: 2 })
      const { state } = yield* orders.handle("1", addItem("score", 7))
      assert.deepStrictEqual(state, { status: "open", items: ["score"], total: 7 })
      yield* Orders.append("1", [new Discarded({})], { expected: 5 })
      assert.deepStrictEqual((yield* orders.handle("1", place("eve"))).events, [new Placed({ customer: "eve" })])
    }).pipe(Effect.provide(layer))
  )

  it.effect("a command whose append the store did not acknowledge is not decided again", () =>
    Effect.gen(function* () {
      const store = yield* EventStore
      let decided = 0
      let isDown = false
      const down = new EventStoreError({
        reason: new StoreUnavailable({ operation: "append events", retryable: true, cause: new Error("down") })
      })
      const orders = yield* CommandHandler.make(
        { ...Order, decide: (command: OrderCommand, state: OrderState) => (decided++, Order.decide(command, state)) },
        {
          kept: 9,
          append: (id, events, where) =>
            Effect.andThen(Orders.append(id, events, where), (appended) =>
              isDown ? Effect.fail(down) : Effect.succeed(appended)
            ).pipe(Effect.provideService(EventStore, store))
        }
      )
      yield* orders.handle("1", place("ann"))
      isDown = true
      assert.strictEqual(yield* Effect.flip(orders.handle("1", addItem("score", 7))), down)
      assert.strictEqual(decided, 2)
      assert.deepStrictEqual(yield* events("1"), ["OrderPlaced", "ItemAdded"])
    }).pipe(Effect.provide(layer))
  )
})
