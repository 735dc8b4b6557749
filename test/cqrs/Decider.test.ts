import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Decider from "../../src/cqrs/Decider.ts"
import { given } from "../../src/testing/GivenWhenThen.ts"
import { addItem, AlreadyPaid, ItemAdded, NotPlaced, Order, OrderEvent, Paid, pay, place, Placed } from "./orders.ts"

const placed = new Placed({ customer: "ann" })
const score = new ItemAdded({ name: "score", price: 7 })
const paid = new Paid({ total: 7 })

describe("Decider", () => {
  it.effect.prop(
    "C1: folding any beginning and then the rest is folding all",
    { events: Schema.Array(OrderEvent), at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 })) },
    ({ at, events }) =>
      Effect.sync(() =>
        assert.deepStrictEqual(
          Decider.fold(Order, events.slice(at), Decider.fold(Order, events.slice(0, at))),
          Decider.fold(Order, events)
        )
      )
  )
})

describe("given, when, then", () => {
  it.effect("events follow", () => given(Order, [placed, score]).when(pay).thenEvents([paid]))
  it.effect("nothing follows", () => given(Order, [placed]).when(place("bob")).thenEvents([]))
  it.effect("a typed failure follows", () =>
    Effect.andThen(
      given(Order, []).when(pay).thenFails(new NotPlaced()),
      given(Order, [placed, score, paid])
        .when(pay)
        .thenFails(new AlreadyPaid({ total: 7 }))
    )
  )

  it.effect("says what came instead, line by line", () =>
    Effect.gen(function* () {
      const message = (then: Effect.Effect<void, { readonly message: string }>) =>
        Effect.map(Effect.flip(then), (error) => error.message.split("\n").slice(1))
      const added = given(Order, [placed]).when(addItem("score", 7))
      assert.deepStrictEqual(yield* message(added.thenEvents([score, paid])), [
        '  ItemAdded({"_tag":"ItemAdded","name":"score","price":7})',
        '- OrderPaid({"_tag":"OrderPaid","total":7})'
      ])
      assert.deepStrictEqual(yield* message(added.thenEvents([new ItemAdded({ name: "score", price: 8 })])), [
        '- ItemAdded({"_tag":"ItemAdded","name":"score","price":8})',
        '+ ItemAdded({"_tag":"ItemAdded","name":"score","price":7})'
      ])
      const again = given(Order, [placed, score, paid]).when(pay)
      assert.deepStrictEqual(yield* message(again.thenFails(new AlreadyPaid({ total: 8 }))), [
        '- fails with AlreadyPaid {"total":8}',
        '+ fails with AlreadyPaid {"total":7}'
      ])
      assert.deepStrictEqual(yield* message(again.thenEvents([])), ['+ fails with AlreadyPaid {"total":7}'])
    })
  )
})
