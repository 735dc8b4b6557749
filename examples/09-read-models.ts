/** Read models: documents made of events, in the background or in the very commit of the events. */
import { Effect, Schema } from "effect"
import { EventStream, InlineProjection, Projection, ProjectionRunner } from "tutti"
import * as Memory from "tutti/memory"

const Placed = Schema.TaggedStruct("OrderPlaced", { customer: Schema.String, total: Schema.Int })
const Shipped = Schema.TaggedStruct("OrderShipped", { parcel: Schema.String })
const Orders = EventStream.make("order", { events: Schema.Union([Placed, Shipped]) })

// #region background
const Customers = Projection.make("customers", {
  from: [Orders],
  key: (event) => (event._tag === "OrderPlaced" ? event.customer : []), // the documents an event is about
  view: Schema.Struct({ orders: Schema.Int, spent: Schema.Int }),
  evolve: (view = { orders: 0, spent: 0 }, event) =>
    event._tag === "OrderPlaced" ? { orders: view.orders + 1, spent: view.spent + event.total } : view
})

const background = Effect.gen(function* () {
  const customers = yield* ProjectionRunner.run(Customers)
  yield* Orders.append("1", [Placed.make({ customer: "ann", total: 30 })], { expected: 0 })
  yield* Orders.append("2", [Placed.make({ customer: "bob", total: 50 })], { expected: 0 })
  const { position } = yield* Orders.append("3", [Placed.make({ customer: "ann", total: 5 })], { expected: 0 })
  yield* customers.awaitPosition(position, { timeout: "2 seconds" }) // read your own writes
  const { views } = yield* customers.find({ orderBy: "spent", descending: true, limit: 10 })
  return views.map(({ id, view }) => `${id}: ${view.spent} spent in ${view.orders} orders`)
})
// #endregion

// #region inline
const Status = Projection.perStream("order-status", {
  stream: Orders,
  view: Schema.Struct({ status: Schema.String }),
  evolve: (_, event) => ({ status: event._tag === "OrderShipped" ? `parcel ${event.parcel}` : "placed" })
})

const inline = Effect.gen(function* () {
  const status = yield* ProjectionRunner.run(Status) // builds what was there before
  yield* status.awaitPosition(0)
  const append = yield* InlineProjection.make(Orders, [Status])
  yield* append("4", [Placed.make({ customer: "cid", total: 9 })], { expected: 0, meta: {} })
  yield* append("4", [Shipped.make({ parcel: "P1" })], { expected: 1, meta: {} })
  return yield* status.get("4") // there already: one commit with its event
})
// #endregion

export const program = Effect.all([background, inline]).pipe(
  Effect.map(([customers, order]) => [...customers, `order 4: ${order?.status}`]),
  Effect.scoped,
  Effect.provide(Memory.layer)
)

export const expected = ["bob: 50 spent in 1 orders", "ann: 35 spent in 2 orders", "order 4: parcel P1"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
