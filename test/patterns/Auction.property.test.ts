/** Random contractors: who gets the award, after whom, and what becomes of it is what the invariants of an auction say. */
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect, Exit, Fiber, Record, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Auction from "../../src/patterns/swarm/Auction.ts"

class Broken extends Schema.TaggedError<Broken>()("Broken", { who: Schema.String }) {}
class Lost extends Schema.TaggedError<Lost>()("Lost", { who: Schema.String }) {}

const Offer = Task.make("Offer", { input: { tons: Schema.Int }, output: { price: Schema.Int }, error: Broken })
const Haul = Task.make("Haul", {
  input: { tons: Schema.Int, price: Schema.Int },
  output: Schema.String,
  error: Schema.Union([Broken, Lost])
})

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Few prices, so that bids are equal; from 4 on it declines. Bidding ends after 10 seconds. */
const Contractor = Schema.Struct({
  price: between(0, 5),
  bidding: Schema.Literals(["bids", "bids", "bids", "fails"]),
  takes: Schema.Literals([0, 0, 1, 3, 11]),
  hauling: Schema.Literals(["hauls", "breaks", "breaks", "loses"])
})
type Contractor = typeof Contractor.Type
const Contractors = Schema.Array(Contractor).check(Schema.isMinLength(1), Schema.isMaxLength(6))
const Times = Schema.UndefinedOr(between(1, 4))

const market = (behaviours: ReadonlyArray<Contractor>, times: number | undefined) => {
  const log: Array<string> = []
  let atWork = 0
  const working = <A, E>(
    name: string,
    what: string,
    { seconds, work }: { readonly seconds: number; readonly work: Effect.Effect<A, E> }
  ) =>
    Effect.suspend(() => {
      log.push(`${name} ${what}, ${what === "hauls" ? atWork : "beside others"}`)
      atWork++
      return Effect.andThen(Effect.sleep(`${seconds} seconds`), work)
    }).pipe(Effect.ensuring(Effect.sync(() => atWork--)))
  const contractors = Arr.map(behaviours, ({ bidding, hauling, price, takes }, index) => {
    const name = `c${index}`
    const bid = bidding === "fails" ? Effect.fail(new Broken({ who: name })) : Effect.succeed({ price })
    return [
      name,
      {
        bid: Agent.make(name, { task: Offer, run: () => working(name, "bids", { seconds: takes, work: bid }) }),
        perform: Agent.make(name, {
          task: Haul,
          run: ({ price, tons }) => {
            const fails = hauling === "breaks" ? new Broken({ who: name }) : new Lost({ who: name })
            const work = hauling === "hauls" ? Effect.succeed(`${tons} t for ${price}`) : Effect.fail(fails)
            return working(name, "hauls", { seconds: 1, work })
          }
        })
      }
    ] as const
  })
  const auction = Auction.make("haul", {
    contractors: Record.fromEntries(contractors),
    worth: ({ price }) => (price < 4 ? -price : undefined),
    award: (input: { readonly tons: number }, { price }) => ({ ...input, price }),
    timeout: "10 seconds",
    ...(times === undefined ? {} : { reaward: { times, on: ["Broken"] } })
  })
  return { auction, log }
}

/** What A1, A3 and A5 say comes of it: the cheapest first, then the one declared first, until one does not break. */
const model = (behaviours: ReadonlyArray<Contractor>, times = 0) => {
  const named = behaviours.map((behaviour, index) => ({ ...behaviour, name: `c${index}`, index }))
  const heard = named.filter(({ takes }) => takes < 10)
  const failed = heard.filter(({ bidding }) => bidding === "fails")
  const bids = heard
    .filter(({ bidding, price }) => bidding === "bids" && price < 4)
    .toSorted((one, other) => one.price - other.price || one.index - other.index)
  if (bids.length === 0) {
    const late = named.length - heard.length
    return {
      performed: [],
      outcome: new Auction.NoBids({
        auction: "haul",
        contractors: named.length,
        declined: heard.length - failed.length,
        failed: failed.length,
        failures: failed.map(({ name }) => ({ contractor: name, error: new Broken({ who: name }) })),
        late
      })
    }
  }
  const awarded = bids.slice(0, times + 1)
  const stop = awarded.findIndex(({ hauling }) => hauling !== "breaks")
  const performed = stop === -1 ? awarded : awarded.slice(0, stop + 1)
  const { hauling, name, price } = performed.at(-1)!
  const award = {
    contractor: name,
    bid: { price },
    output: `2 t for ${price}`,
    bids: bids.length,
    breaches: performed.slice(0, -1).map(({ name }) => ({ contractor: name, error: new Broken({ who: name }) }))
  }
  const failure = hauling === "breaks" ? new Broken({ who: name }) : new Lost({ who: name })
  return { performed: performed.map(({ name }) => name), outcome: hauling === "hauls" ? award : failure }
}

/** With all fields of errors, by which they are not compared. */
const plain = (outcome: unknown): unknown => JSON.parse(JSON.stringify(outcome))

describe("Auction, with any contractors", () => {
  it.effect.prop(
    "A1, A2, A3, A5: the best bid gets the award, then the next one, and the outcome says so",
    [Contractors, Times],
    ([behaviours, times]) =>
      Effect.gen(function* () {
        const { auction, log } = market(behaviours, times)
        const fiber = yield* Effect.forkChild(Effect.exit(auction.run({ tons: 2 })), { startImmediately: true })
        yield* TestClock.adjust("1 hour")
        const exit = yield* Fiber.join(fiber)
        const { outcome, performed } = model(behaviours, times)
        const actual = Exit.isSuccess(exit) ? exit.value : yield* Effect.flip(exit)
        // A1, A3, A5
        assert.deepStrictEqual(plain(actual), plain(outcome))
        // A2: all have been asked to bid, once; then those with the award perform, and nobody is at work beside them.
        const bidders = behaviours.map((_, index) => `c${index} bids, beside others`)
        assert.deepStrictEqual(log, [...bidders, ...performed.map((name) => `${name} hauls, 0`)])
      }),
    { arbitrary: { runs: 200 } }
  )
})
