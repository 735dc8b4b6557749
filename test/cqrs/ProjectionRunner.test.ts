import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Memory from "../../src/backends/Memory.ts"
import * as Projection from "../../src/cqrs/Projection.ts"
import * as ProjectionQuery from "../../src/cqrs/ProjectionQuery.ts"
import * as ProjectionRunner from "../../src/cqrs/ProjectionRunner.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { Persistence, PersistenceError } from "../../src/persistence/Persistence.ts"
import { backends } from "../backends.ts"
import { Discarded, ItemAdded, type OrderEvent, Orders, Paid, Placed } from "./orders.ts"
import { folded, type OrderRow, OrderRows, Sale, Sales, served } from "./views.ts"

const append = (id: string, ...events: ReadonlyArray<OrderEvent>) => Orders.append(id, events, { expected: "Any" })
const item = (name: string, price: number) => new ItemAdded({ name, price })

const someOrders = Effect.gen(function* () {
  yield* append("1", new Placed({ customer: "ann" }), item("score", 7))
  yield* append("2", new Placed({ customer: "bob" }), item("score", 8), item("pen", 1))
  yield* append("3", new Placed({ customer: "cid" }), item("pen", 2))
  yield* append("3", new Discarded({}))
  return yield* append("2", new Paid({ total: 9 }))
})

/** Runs a projection for as long as the effect. */
const withRunner = <View, A, E, R>(
  projection: Projection.Projection<View, OrderEvent>,
  use: (runner: ProjectionRunner.ProjectionRunner<View>) => Effect.Effect<A, E, R>,
  options?: ProjectionRunner.Options
) => Effect.scoped(Effect.flatMap(ProjectionRunner.run(projection, options), use))

for (const { layer, name } of backends) {
  describe(`ProjectionRunner: ${name}`, () => {
    it.live("V2: documents are the fold of the log, of what was there and of what comes", () =>
      Effect.gen(function* () {
        yield* someOrders
        const rows = yield* ProjectionRunner.run(OrderRows, { batchSize: 2 })
        const sales = yield* ProjectionRunner.run(Sales, { batchSize: 3 })
        const before = yield* (yield* EventStore).head
        yield* Effect.all([rows.awaitPosition(before), sales.awaitPosition(before)])
        assert.deepStrictEqual(yield* served(rows), yield* folded(OrderRows))
        assert.deepStrictEqual(yield* served(sales), yield* folded(Sales))
        assert.deepStrictEqual(Object.keys(yield* served(rows)), ["1", "2"])
        const { position } = yield* append("1", item("pen", 0), item("ink", 4), new Paid({ total: 11 }))
        yield* Effect.all([rows.awaitPosition(position), sales.awaitPosition(position)])
        assert.deepStrictEqual(yield* served(rows), yield* folded(OrderRows))
        assert.deepStrictEqual(yield* served(sales), yield* folded(Sales))
        assert.deepStrictEqual(yield* sales.get("pen"), undefined)
        assert.deepStrictEqual(yield* sales.get("ink"), { sold: 1, revenue: 4, last: "1" })
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live("questions are typed, ordered and paged", () =>
      Effect.gen(function* () {
        yield* someOrders
        const { position } = yield* append("4", new Placed({ customer: "ann" }), item("score", 9))
        const rows = yield* ProjectionRunner.run({ ...OrderRows, index: ["customer"] })
        yield* rows.awaitPosition(position)
        const ids = (options: ProjectionQuery.Find<OrderRow>) =>
          Effect.map(rows.find(options), ({ views }) => views.map(({ id }) => id))
        assert.deepStrictEqual(yield* ids({ where: { customer: "ann" } }), ["1", "4"])
        assert.deepStrictEqual(yield* ids({ where: { customer: ["ann", "bob"], status: "paid" } }), ["2"])
        assert.deepStrictEqual(yield* ids({ orderBy: "total", descending: true }), ["4", "2", "1"])
        const first = yield* rows.find({ orderBy: "total", limit: 2 })
        assert.deepStrictEqual(
          first.views.map(({ id, view }) => [id, view.total, view.changed instanceof Date]),
          [
            ["1", 7, true],
            ["2", 9, true]
          ]
        )
        const second = yield* rows.find({ orderBy: "total", limit: 2, cursor: first.next! })
        assert.deepStrictEqual([second.views.map(({ id }) => id), second.next], [["4"], undefined])
        assert.strictEqual((yield* Effect.flip(rows.find({ cursor: "x" })))._tag, "PersistenceError")
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live("V1: two processes that run one projection count each event once", () =>
      Effect.gen(function* () {
        const options = { standby: "50 millis", batchSize: 2 } as const
        const one = yield* ProjectionRunner.run(Sales, options)
        const two = yield* ProjectionRunner.run(Sales, options)
        let position = 0
        for (let index = 0; index < 20; index++) {
          position = (yield* append(`${index % 3}`, item("score", 1), item("pen", index))).position
        }
        yield* Effect.all([one.awaitPosition(position), two.awaitPosition(position)])
        assert.deepStrictEqual(yield* served(two), yield* folded(Sales))
        assert.strictEqual((yield* one.get("score"))?.sold, 20)
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live("V3: a rebuild serves the old documents until the new ones have caught up, and leaves none behind", () =>
      Effect.gen(function* () {
        const { position } = yield* someOrders
        const persistence = yield* Persistence
        // Documents that nobody's rules would make: as after a mistake that was corrected.
        yield* withRunner(Sales, (sales) => sales.awaitPosition(position))
        yield* persistence.putAll([{ collection: "sales@1-0", id: "score", body: { sold: 99, revenue: 9, last: "x" } }])
        const gate = yield* Deferred.make<void>()
        const building = yield* Deferred.make<void>()
        const slow = Persistence.of({
          ...persistence,
          putAll: (puts) =>
            puts.some(({ collection }) => collection === "sales@1-1")
              ? Deferred.succeed(building, undefined).pipe(
                  Effect.andThen(Deferred.await(gate)),
                  Effect.andThen(persistence.putAll(puts))
                )
              : persistence.putAll(puts)
        })
        const sales = yield* ProjectionRunner.run(Sales, { retain: 0 }).pipe(Effect.provideService(Persistence, slow))
        const rebuilding = yield* Effect.forkChild(sales.rebuild)
        yield* Deferred.await(building)
        assert.strictEqual((yield* sales.get("score"))?.sold, 99)
        // The old ones are kept up to date meanwhile.
        const during = yield* append("9", item("score", 5))
        yield* sales.awaitPosition(during.position)
        assert.deepStrictEqual(yield* sales.get("score"), { sold: 100, revenue: 14, last: "9" })
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(rebuilding)
        assert.deepStrictEqual(yield* served(sales), yield* folded(Sales))
        assert.strictEqual((yield* sales.status).generation, 1)
        const after = yield* append("9", item("score", 5))
        yield* sales.awaitPosition(after.position)
        assert.deepStrictEqual(yield* served(sales), yield* folded(Sales))
        yield* Effect.repeat(persistence.query("sales@1-0"), {
          until: (left) => left.length === 0,
          schedule: Schedule.spaced("5 millis")
        }).pipe(Effect.timeout("5 seconds"))
      }).pipe(Effect.scoped, Effect.provide(layer))
    )
  })
}

describe("ProjectionRunner", () => {
  const provided = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.scoped(effect).pipe(
      Effect.provide(Memory.storesOf(Memory.makeState())),
      // What stands still says so, and here it is meant to.
      Effect.provide(Logger.layer([]))
    )

  const version2 = Projection.perStream("orders", {
    version: 2,
    stream: Orders,
    view: Schema.Struct({ items: Schema.Int, customer: Schema.optionalKey(Schema.String) }),
    evolve: (view = { items: 0 }, event) =>
      event._tag === "OrderDiscarded"
        ? undefined
        : event._tag === "OrderPlaced"
          ? { ...view, customer: event.customer }
          : { ...view, items: view.items + (event._tag === "ItemAdded" ? 1 : 0) }
  })

  it.effect("V5: a new version is built by itself, while the one before serves those who ask for it", () =>
    provided(
      Effect.gen(function* () {
        const { position } = yield* someOrders
        const old = yield* ProjectionRunner.run(OrderRows)
        yield* old.awaitPosition(position)
        const unbuilt = yield* ProjectionQuery.make(version2)
        // Its schema cannot read the documents of the version before.
        assert.strictEqual((yield* Effect.flip(unbuilt.get("1")))._tag, "ProjectionNotReady")
        const compatible = yield* ProjectionQuery.make({ ...OrderRows, version: 3 })
        assert.strictEqual((yield* compatible.get("1"))?.total, 7)
        const next = yield* ProjectionRunner.run(version2)
        yield* next.awaitPosition(position)
        assert.deepStrictEqual(yield* next.get("2"), { items: 2, customer: "bob" })
        assert.strictEqual((yield* old.get("1"))?.total, 7)
        const later = yield* append("1", item("ink", 4))
        yield* Effect.all([old.awaitPosition(later.position), next.awaitPosition(later.position)])
        assert.strictEqual((yield* old.get("1"))?.total, 11)
        assert.strictEqual((yield* next.get("1"))?.items, 2)
        yield* next.prune
        const persistence = yield* Persistence
        assert.deepStrictEqual(yield* persistence.query("orders@1-0"), [])
        assert.strictEqual((yield* next.get("1"))?.items, 2)
      })
    )
  )

  it.effect("V3: asked before it was ever built, it says so", () =>
    provided(
      Effect.gen(function* () {
        yield* someOrders
        const query = yield* ProjectionQuery.make(Sales)
        assert.strictEqual((yield* Effect.flip(query.get("pen")))._tag, "ProjectionNotReady")
        assert.strictEqual((yield* Effect.flip(query.find()))._tag, "ProjectionNotReady")
        assert.deepInclude(yield* query.status, { position: 0, lag: 9 })
      })
    )
  )

  const failing = (fails: () => boolean) =>
    Projection.make("sales", {
      from: [Orders],
      view: Sales.view,
      key: (event) => (event._tag === "ItemAdded" ? event.name : []),
      evolve: (sale, event, place) => {
        if (event._tag === "ItemAdded" && event.name === "poison" && fails()) throw new Error("too much")
        return Sales.evolve(sale, event, place)
      }
    })

  it.live("V4: an event it cannot take is tried again, and then it stands still before it, and says so", () =>
    provided(
      Effect.gen(function* () {
        let tries = 0
        let broken = true
        const projection = failing(() => {
          tries++
          return broken
        })
        const sales = yield* ProjectionRunner.run(projection, {
          retry: Schedule.spaced("1 millis").pipe(Schedule.upTo({ times: 2 }))
        })
        const before = yield* append("1", item("score", 7), item("pen", 1))
        const { position } = yield* append("2", item("ink", 2), item("poison", 3), item("score", 1))
        const failure = yield* Effect.flip(sales.awaitPosition(position))
        assert.deepInclude(failure, { _tag: "ProjectionFailed", stream: "order/2", version: 2, type: "ItemAdded" })
        assert.include(failure.message, 'event 2 of stream "order/2" (ItemAdded): too much')
        // Once in the batch, once alone, and twice again.
        assert.strictEqual(tries, 4)
        assert.deepStrictEqual(yield* served(sales), {
          ink: { sold: 1, revenue: 2, last: "2" },
          pen: { sold: 1, revenue: 1, last: "1" },
          score: { sold: 1, revenue: 7, last: "1" }
        })
        yield* sales.awaitPosition(before.position)
        const status = yield* sales.status
        assert.deepStrictEqual(status.failure?.version, 2)
        assert.strictEqual(status.lag, 2)
        // Elsewhere, too.
        const elsewhere = yield* ProjectionQuery.make(Sales)
        assert.strictEqual((yield* Effect.flip(elsewhere.awaitPosition(position)))._tag, "ProjectionFailed")
        broken = false
        yield* sales.resume
        yield* Effect.retry(sales.awaitPosition(position), { times: 100, schedule: Schedule.spaced("5 millis") })
        assert.deepStrictEqual(yield* served(sales), yield* folded(Sales))
        assert.deepInclude(yield* sales.status, { lag: 0, generation: 0 })
      })
    )
  )

  it.live("V4: nor does it skip an event that does not decode, or a view that its schema refuses", () =>
    provided(
      Effect.gen(function* () {
        const store = yield* EventStore
        const never = Schedule.recurs(0)
        yield* store.append("order/1" as StreamId, [{ type: "ItemAdded", data: { name: 7 } }], 0)
        const sales = yield* ProjectionRunner.run(Sales, { retry: never })
        const error = yield* Effect.flip(sales.awaitPosition(1))
        assert.include(error.message, 'event 1 of stream "order/1" (ItemAdded)')
        const { position } = yield* append("2", item("even", 8), item("odd", 7))
        const halves = Projection.make("halves", {
          from: [Orders],
          key: (event, { stream }) => (stream === "order/2" && event._tag === "ItemAdded" ? event.name : []),
          view: Sale,
          evolve: (_, event) => ({ sold: 1, revenue: event._tag === "ItemAdded" ? event.price / 2 : 0, last: "" })
        })
        yield* store.delete("order/1" as StreamId)
        const half = yield* ProjectionRunner.run(halves, { retry: never })
        const refused = yield* Effect.flip(half.awaitPosition(position))
        assert.include(refused.message, 'event 2 of stream "order/2" (ItemAdded)')
        const persistence = yield* Persistence
        const written = yield* persistence.query("halves@1-0")
        assert.deepStrictEqual(
          written.map(({ id }) => id),
          ["even"]
        )
      })
    )
  )

  it.live("V4: it says why it stands still also if the store is away at that moment", () =>
    provided(
      Effect.gen(function* () {
        const honest = yield* Persistence
        const away = new PersistenceError({ operation: "write documents", retryable: true, cause: "away" })
        let refusals = 0
        const persistence = Persistence.of({
          ...honest,
          putAll: (puts) =>
            puts.some(({ body }) => "failure" in body) && refusals++ === 0 ? Effect.fail(away) : honest.putAll(puts)
        })
        const runner = ProjectionRunner.run(
          failing(() => true),
          { retry: Schedule.recurs(0) }
        )
        const sales = yield* Effect.provideService(runner, Persistence, persistence)
        const { position } = yield* append("1", item("poison", 3))
        assert.strictEqual((yield* Effect.flip(sales.awaitPosition(position)))._tag, "ProjectionFailed")
        assert.strictEqual(refusals, 2)
      })
    )
  )

  it.live("V5: what was being deleted when the process died, and is wanted again, is built anew", () =>
    provided(
      Effect.gen(function* () {
        yield* append("1", item("score", 7))
        yield* withRunner(Sales, (sales) => sales.awaitPosition(1))
        // Up to here `prune` has come: the generation is retired, and the pointer still names it.
        const persistence = yield* Persistence
        const checkpoint = (yield* persistence.get("projections", "sales@1-0"))!
        const body = { ...checkpoint.body, phase: "Retired" }
        yield* persistence.putAll([{ collection: "projections", id: "sales@1-0", body }])
        const { position } = yield* append("1", item("score", 8))
        const sales = yield* ProjectionRunner.run(Sales)
        yield* sales.awaitPosition(position, { timeout: "2 seconds" })
        assert.deepStrictEqual(yield* served(sales), yield* folded(Sales))
      })
    )
  )

  it.effect("V6: a position that never comes is a typed failure", () =>
    provided(
      Effect.gen(function* () {
        const sales = yield* ProjectionRunner.run(Sales)
        const { position } = yield* append("1", item("score", 1))
        yield* sales.awaitPosition(position)
        const error = yield* Effect.flip(sales.awaitPosition(position + 1, { timeout: 0 }))
        assert.deepInclude(error, { _tag: "PositionNotReached", position: position + 1 })
        // A position behind which nothing of the projection lies.
        const store = yield* EventStore
        const other = yield* store.append("other/1" as StreamId, [{ type: "Other", data: {} }], 0)
        yield* sales.awaitPosition(other.position)
      })
    )
  )
})
