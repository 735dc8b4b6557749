/** A4, A5: in a run, a replay awards as recorded, and passes the contract on as recorded. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Auction } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, type World, world } from "../durable/program.ts"
import { heldRun } from "../policies/heldRun.ts"

const contractor = (
  here: World,
  name: string,
  { breaks = false, ...bidding }: { takes?: string; fails?: boolean; breaks?: boolean } = {}
) => ({
  bid: here.agent(`${name}-bids`, bidding),
  perform: here.agent(name, { fails: breaks })
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
          bids: 2,
          breaches: []
        }),
        effects: ["cart-bids coal", "truck coal as truck-bids(coal)", "truck-bids coal"]
      }
    )
  )

  everywhere(
    define(
      "the contract passes on",
      (here) =>
        Auction.make("haul", {
          contractors: {
            // Both may have bid and failed before a crash: it must be the same who are awarded, in the same order, after it.
            truck: contractor(here, "truck", { breaks: true }),
            train: contractor(here, "train", { breaks: true }),
            cart: contractor(here, "cart", { takes: "1 second" })
          },
          worth: (bid) => bid.length,
          award: (input: { readonly text: string }, bid) => ({ text: `${input.text} as ${bid}` }),
          reaward: { times: 2, on: ["Refused"] }
        })
          .run({ text: "coal" })
          .pipe(
            Effect.map(({ breaches, ...award }) => ({
              ...award,
              breaches: breaches.map(({ contractor, error }) => `${contractor}: ${error._tag} ${error.what}`)
            }))
          ),
      {
        expected: Exit.succeed({
          contractor: "cart",
          bid: "cart-bids(coal)",
          output: "cart(coal as cart-bids(coal))",
          bids: 3,
          breaches: ["truck: Refused truck", "train: Refused train"]
        }),
        effects: ["cart coal as cart-bids(coal)", "cart-bids coal", "train-bids coal", "truck-bids coal"]
      }
    )
  )

  it.effect("A5: each award is an event of the run, in order", () =>
    Effect.gen(function* () {
      const { events, finish } = yield* heldRun
      const here = world()
      const auction = Auction.make("haul", {
        contractors: {
          truck: contractor(here, "truck", { breaks: true }),
          cart: contractor(here, "cart")
        },
        worth: (bid) => bid.length,
        reaward: { times: 1, on: ["Refused"] }
      })
      const body = () => Effect.orDie(Effect.map(auction.run({ text: "coal" }), (award) => [award.contractor]))
      assert.deepStrictEqual(yield* finish(body), ["cart"])
      assert.deepStrictEqual((yield* events(body)).slice(4, -1), [
        "ContractAwarded haul/~ContractAwarded",
        "StepFailed haul/[truck]/truck",
        "ContractAwarded haul/~ContractAwarded#2",
        "StepCompleted haul/[cart]/cart"
      ])
    })
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
