/**
 * A contract net: a task is announced, contractors bid, the best bid gets the award, and its bidder performs the task.
 *
 * Invariants (checked by `test/patterns/Auction.test.ts` and, inside a run, by `Auction.durable.test.ts`):
 *
 *   A1. The award goes to a bid of which none is worth more; among equals, to the contractor declared first.
 *   A2. Only the contractor with the award performs, after bidding has ended, and once.
 *   A3. Who declines, fails or is late has no bid. No bids at all: `NoBids`, and nobody performs.
 *   A4. In a run, each bid is a step, and who was heard one recorded decision: a replay awards as recorded.
 *
 * Source: Reid G. Smith, "The Contract Net Protocol", IEEE Transactions on Computers, 1980.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Agent from "../../core/Agent.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import * as Step from "../../durable/Step.ts"
import {
  type Answers,
  type Asking,
  asking,
  type AskingOptions,
  type CommonInput,
  everyAnswer,
  failureOf
} from "./Poll.ts"

/** An error names so many failures. */
const maxFailures = 10

/**
 * Nobody bid for the task.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class NoBids extends Schema.TaggedError<NoBids>()("NoBids", {
  auction: Schema.String,
  contractors: Schema.Int,
  declined: Schema.Int,
  failed: Schema.Int,
  /** The first 10 who failed. */
  failures: Schema.Array(Schema.Struct({ contractor: Schema.String, error: Schema.Defect() })),
  late: Schema.Int
}) {
  override get message(): string {
    return `None of ${this.contractors} contractors bid in auction "${this.auction}": ${this.declined} declined, ${this.failed} failed, ${this.late} were late.`
  }
}

/**
 * Who says what it would do the task for, and can do it. One agent may be both.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contractor<B extends Agent.Any = Agent.Any, P extends Agent.Any = Agent.Any> {
  readonly bid: B
  readonly perform: P
}

type Contractors = { readonly [name: string]: Contractor }
type Bidder<C extends Contractors> = C[keyof C]["bid"]
type Performer<C extends Contractors> = C[keyof C]["perform"]

/**
 * The task is done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Award<out Name extends string, out Bid, out Out> {
  readonly contractor: Name
  readonly bid: Bid
  readonly output: Out
  /** Valid bids, the one with the award among them. */
  readonly bids: number
}

/**
 * What an auction is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<C extends Contractors, In> extends AskingOptions {
  /** By name, in the order that breaks ties. */
  readonly contractors: C
  /** The bid with the highest worth wins: `({ price }) => -price`. `undefined`: the contractor declines. Must be pure. */
  readonly worth: (bid: Agent.Output<Bidder<C>>, input: In) => number | undefined
  /** What bidders are told. Default: the input. Must be pure. */
  readonly announce?: (input: In) => CommonInput<Bidder<C>>
  /** What the contractor with the award is told. Default: the input. Must be pure. */
  readonly award?: (input: In, bid: Agent.Output<Bidder<C>>) => CommonInput<Performer<C>>
  readonly capabilities?: ReadonlyArray<string>
}

/** The auction among these contractors. */
export type Of<C extends Contractors, In> = Agent.Agent<
  In,
  Award<keyof C & string, Agent.Output<Bidder<C>>, Agent.Output<Performer<C>>>,
  NoBids | Agent.Error<Performer<C>>,
  Agent.Services<Bidder<C>> | Agent.Services<Performer<C>>
>

/**
 * Makes an auction.
 *
 * **Details**
 *
 * - All contractors are asked at once, and all bids waited for, until `timeout` if there is one.
 * - Failures of bidders end as `NoBids` if nobody else bids, and are forgotten otherwise. A failure of the performer is
 *   the auction's.
 *
 * **Gotchas** Without a `timeout` the slowest bidder decides how long bidding takes.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const C extends Contractors, In = CommonInput<Bidder<C>> & CommonInput<Performer<C>>>(
  name: string,
  options: Options<C, In>
): Of<C, In> => {
  const names = Object.keys(options.contractors)
  if (names.length === 0) throw new Error(`auction "${name}" needs a contractor`)
  const auction: Auction = {
    name,
    names,
    contractors: Object.values(options.contractors),
    worth: options.worth,
    announce: options.announce ?? ((input) => input),
    award: options.award ?? ((input) => input),
    ...asking(options)
  }
  return Agent.compose<any, any, any, any>(name, {
    pattern: "Auction",
    capabilities: options.capabilities ?? [],
    run: (input) => hold(auction, input)
  })
}

interface Auction extends Asking {
  readonly name: string
  readonly names: ReadonlyArray<string>
  readonly contractors: ReadonlyArray<Contractor>
  readonly worth: (bid: any, input: any) => number | undefined
  readonly announce: (input: any) => any
  readonly award: (input: any, bid: any) => any
}

const inBidding = Run.scoped("bidding")

const hold = Effect.fnUntraced(function* (auction: Auction, input: unknown): Effect.fn.Return<any, any, any> {
  const { announce, award, concurrency, contractors, name, names, timeout } = auction
  const bidding = Effect.suspend(() => {
    const announced = announce(input)
    return everyAnswer<any, any, any>({
      members: names,
      concurrency,
      timeout,
      ask: (contractor) => contractors[contractor]!.bid.run(announced)
    })
  })
  const answers = yield* inBidding(bidding)
  const valid = bidsOf(auction, answers, input)
  const best = valid.reduce((best, bid) => (best === undefined || bid.worth > best.worth ? bid : best), valid[0])
  if (best === undefined) return yield* Effect.fail(noBids(name, names, answers))
  const contractor = names[best.contractor]!
  yield* PatternEvent.state({ _tag: "ContractAwarded", contractor, bids: valid.length })
  const performed = Effect.suspend(() => contractors[best.contractor]!.perform.run(award(input, best.bid)))
  const output = yield* Step.keyed(contractor)(performed)
  return { contractor, bid: best.bid, output, bids: valid.length }
})

interface Bid {
  readonly contractor: number
  readonly bid: unknown
  readonly worth: number
}

const bidsOf = (auction: Auction, answers: Answers<unknown, unknown>, input: unknown): ReadonlyArray<Bid> =>
  answers.flatMap((answer, contractor) => {
    if (answer === undefined || Exit.isFailure(answer)) return []
    const worth = auction.worth(answer.value, input)
    if (Number.isNaN(worth)) throw new RangeError(`the bid of "${auction.names[contractor]}" is worth NaN`)
    return worth === undefined ? [] : [{ contractor, bid: answer.value, worth }]
  })

const noBids = (auction: string, names: ReadonlyArray<string>, answers: Answers<unknown, unknown>): NoBids => {
  const failures = answers.flatMap((answer, contractor) => {
    const failure = answer === undefined ? undefined : failureOf(answer)
    return failure === undefined ? [] : [{ contractor: names[contractor]!, error: failure.error }]
  })
  const late = answers.filter((answer) => answer === undefined).length
  return new NoBids({
    auction,
    contractors: names.length,
    declined: names.length - failures.length - late,
    failed: failures.length,
    failures: failures.slice(0, maxFailures),
    late
  })
}
