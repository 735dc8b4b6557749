/** A delivery is announced, couriers bid, and the best offer gets the contract; when its courier has a flat tyre, the next one. */
import { Effect, Schema } from "effect"
import { Agent, Auction, Task } from "tutti"

class VanBroken extends Schema.TaggedError<VanBroken>()("VanBroken", {}) {}
class FlatTyre extends Schema.TaggedError<FlatTyre>()("FlatTyre", {}) {}

const Parcel = Schema.Struct({ to: Schema.String, weight: Schema.Number })
const Offer = Schema.Struct({ price: Schema.Number, hours: Schema.Number })

const Bid = Task.make("Bid", { input: Parcel, output: Offer, error: VanBroken })
const Deliver = Task.make("Deliver", {
  input: { parcel: Parcel, offer: Offer },
  output: Schema.String,
  error: FlatTyre
})

const courier = (name: string, offer: Effect.Effect<typeof Offer.Type, VanBroken>, arrives = true) => ({
  bid: Agent.make(`${name}-bids`, { task: Bid, run: () => offer }),
  perform: Agent.make(name, {
    task: Deliver,
    run: ({ offer, parcel }) =>
      arrives ? Effect.succeed(`${name} brings it to ${parcel.to} for ${offer.price}`) : new FlatTyre()
  })
})

// #region auction
const delivery = Auction.make("delivery", {
  contractors: {
    bike: courier("bike", Effect.succeed({ price: 8, hours: 2 }), false),
    van: courier("van", Effect.fail(new VanBroken())),
    post: courier("post", Effect.succeed({ price: 5, hours: 48 })),
    tram: courier("tram", Effect.succeed({ price: 8, hours: 1 }))
  },
  // The cheapest of those who are there today. Of equals, the one declared first.
  worth: ({ hours, price }) => (hours <= 24 ? -price : undefined),
  award: (parcel: typeof Parcel.Type, offer) => ({ parcel, offer }),
  timeout: "10 seconds",
  reaward: { times: 2, on: ["FlatTyre"] } // to the next best offer
})
// #endregion

export const program = Effect.gen(function* () {
  const { bids, breaches, output } = yield* delivery.run({ to: "Ada", weight: 2 })
  return [`${bids} bids`, ...breaches.map(({ contractor, error }) => `${contractor} fails: ${error._tag}`), output]
})

export const expected = ["2 bids", "bike fails: FlatTyre", "tram brings it to Ada for 8"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
