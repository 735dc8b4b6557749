/** A4: in a run, a replay awards as recorded. */
import { describe } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Auction } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, type World } from "../durable/program.ts"

const contractor = (here: World, name: string, options: { takes?: string; fails?: boolean } = {}) => ({
  bid: here.agent(`${name}-bids`, options),
  perform: here.agent(name)
})

describe("Auction in a run", () => {
  everywhere(
    define(
      "the best bid in time",
      (here) =>
        Auction.make("haul", {
          contractors: {
            cart: contractor(here, "cart", { takes: "1 second" }),
            truck: contractor(here, "truck", { takes: "1 second" }),
            train: contractor(here, "train", { takes: "1 day" }),
            ship: contractor(here, "ship", { fails: true })
          },
          worth: (bid) => bid.length,
          award: (input: { readonly text: string }, bid) => ({ text: `${input.text} as ${bid}` }),
          timeout: "1 hour"
        }).run({ text: "coal" }),
      {
        expected: Exit.succeed({
          contractor: "truck",
          bid: "truck-bids(coal)",
          output: "truck(coal as truck-bids(coal))",
          bids: 2
        }),
        effects: ["cart-bids coal", "truck coal as truck-bids(coal)", "truck-bids coal"]
      }
    )
  )

  everywhere(
    define(
      "no bids",
      (here) =>
        Auction.make("haul", {
          contractors: { ship: contractor(here, "ship", { fails: true }), cart: contractor(here, "cart") },
          worth: () => undefined
        })
          .run({ text: "coal" })
          .pipe(
            Effect.catchTag("NoBids", ({ declined, failed }) => Effect.succeed({ declined, failed })),
            Effect.map((value) => value as object)
          ),
      { expected: Exit.succeed({ declined: 1, failed: 1 }), effects: ["cart-bids coal"] }
    )
  )
})
