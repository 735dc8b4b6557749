/** A small domain for the tests: an order is placed, gets items, and is paid once. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Decider from "../../src/cqrs/Decider.ts"
import * as EventStream from "../../src/event-store/EventStream.ts"

export class Placed extends Schema.TaggedClass<Placed>()("OrderPlaced", { customer: Schema.String }) {}
export class ItemAdded extends Schema.TaggedClass<ItemAdded>()("ItemAdded", {
  name: Schema.String,
  price: Schema.Int
}) {}
export class Paid extends Schema.TaggedClass<Paid>()("OrderPaid", { total: Schema.Int }) {}
export class Discarded extends Schema.TaggedClass<Discarded>()("OrderDiscarded", {}) {}

export const OrderEvent = Schema.Union([Placed, ItemAdded, Paid, Discarded])
export type OrderEvent = typeof OrderEvent.Type
export const Orders = EventStream.make("order", { events: OrderEvent })

export class AlreadyPaid extends Schema.TaggedError<AlreadyPaid>()("AlreadyPaid", { total: Schema.Int }) {}
export class NotPlaced extends Schema.TaggedError<NotPlaced>()("NotPlaced", {}) {}

export type OrderCommand =
  | { readonly _tag: "Place"; readonly customer: string }
  | { readonly _tag: "AddItem"; readonly name: string; readonly price: number }
  | { readonly _tag: "Pay" }
  | { readonly _tag: "AddPair"; readonly names: readonly [string, string] }

export const place = (customer: string): OrderCommand => ({ _tag: "Place", customer })
export const addItem = (name: string, price: number): OrderCommand => ({ _tag: "AddItem", name, price })
export const pay: OrderCommand = { _tag: "Pay" }

export const OrderState = Schema.Struct({
  status: Schema.Literals(["none", "open", "paid"]),
  items: Schema.Array(Schema.String),
  total: Schema.Int
})
export type OrderState = typeof OrderState.Type

export const evolve = (state: OrderState, event: OrderEvent): OrderState => {
  switch (event._tag) {
    case "OrderPlaced":
      return { ...state, status: "open" }
    case "ItemAdded":
      return { ...state, items: [...state.items, event.name], total: state.total + event.price }
    case "OrderPaid":
      return { ...state, status: "paid" }
    case "OrderDiscarded":
      return { status: "none", items: [], total: 0 }
  }
}

export const Order = Decider.make({
  stream: Orders,
  initialState: { status: "none", items: [], total: 0 } as OrderState,
  evolve,
  decide: Effect.fnUntraced(function* (
    command: OrderCommand,
    state: OrderState
  ): Effect.fn.Return<ReadonlyArray<OrderEvent>, AlreadyPaid | NotPlaced> {
    if (command._tag === "Place") return state.status === "none" ? [new Placed({ customer: command.customer })] : []
    if (state.status === "none") return yield* new NotPlaced()
    if (state.status === "paid") return yield* new AlreadyPaid({ total: state.total })
    if (command._tag === "AddPair") return command.names.map((name) => new ItemAdded({ name, price: 1 }))
    return command._tag === "Pay"
      ? [new Paid({ total: state.total })]
      : [new ItemAdded({ name: command.name, price: command.price })]
  })
})
