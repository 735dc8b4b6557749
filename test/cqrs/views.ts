/** Read models of the orders in `orders.ts`, and what they must be: pure folds, by hand. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Projection from "../../src/cqrs/Projection.ts"
import type * as ProjectionQuery from "../../src/cqrs/ProjectionQuery.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { type OrderEvent, Orders } from "./orders.ts"

export const OrderRow = Schema.Struct({
  status: Schema.Literals(["open", "paid"]),
  customer: Schema.String,
  total: Schema.Int,
  changed: Schema.Date
})
export type OrderRow = typeof OrderRow.Type

const nobody = { status: "open", customer: "?", total: 0 } as const

/** One document for each order, until it is discarded. */
export const OrderRows = Projection.perStream("orders", {
  stream: Orders,
  view: OrderRow,
  evolve: (row: OrderRow | undefined, event, { meta }): OrderRow | undefined => {
    const changed = new Date(meta.timestamp)
    switch (event._tag) {
      case "OrderPlaced":
        return { ...nobody, ...row, customer: event.customer, changed }
      case "ItemAdded":
        return { ...nobody, ...row, total: (row?.total ?? 0) + event.price, changed }
      case "OrderPaid":
        return { ...nobody, ...row, status: "paid", changed }
      case "OrderDiscarded":
        return undefined
    }
  }
})

export const Sale = Schema.Struct({ sold: Schema.Int, revenue: Schema.Int, last: Schema.String })
export type Sale = typeof Sale.Type

/** One document for each item sold, of all orders; one that is given away is not sold any more. */
export const Sales = Projection.make("sales", {
  from: [Orders],
  key: (event) => (event._tag === "ItemAdded" ? event.name : []),
  view: Sale,
  evolve: (sale: Sale | undefined, event, { id }): Sale | undefined =>
    event._tag !== "ItemAdded" || event.price === 0
      ? undefined
      : { sold: (sale?.sold ?? 0) + 1, revenue: (sale?.revenue ?? 0) + event.price, last: id }
})

/** The documents that folding the whole log gives. */
export const folded = Effect.fnUntraced(function* <View>(projection: Projection.Projection<View, OrderEvent>) {
  const store = yield* EventStore
  const views: { [id: string]: View } = {}
  yield* Stream.runForEach(store.readAll({ streamPrefix: "order/" }), ({ meta, stream, version, ...stored }) =>
    Effect.gen(function* () {
      const event = yield* Effect.fromResult(Orders.codec.decode({ meta, stream, version, ...stored }))
      const place = { stream, version, meta, id: stream.slice("order/".length) }
      for (const key of projection.keys(event, place)) {
        const view = projection.evolve(views[key], event, place)
        if (view === undefined) delete views[key]
        else views[key] = view
      }
    })
  )
  return views
})

/** All documents that a projection serves. */
export const served = Effect.fnUntraced(function* <View>(query: ProjectionQuery.ProjectionQuery<View>) {
  const views: { [id: string]: View } = {}
  let cursor: string | undefined
  do {
    const page: ProjectionQuery.Page<View> = yield* query.find({ limit: 3, ...(cursor !== undefined && { cursor }) })
    for (const { id, view } of page.views) views[id] = view
    cursor = page.next
  } while (cursor !== undefined)
  return views
})
