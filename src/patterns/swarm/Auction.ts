/**
 * A contract net: a task is announced, contractors bid, the best bid gets the award, and its bidder performs the task.
 *
 * Invariants (checked by `test/patterns/Auction.test.ts`, `Auction.property.test.ts` and, inside a run, by
 * `Auction.durable.test.ts`):
 *
 *   A1. The award goes to a bid of which none is worth more; among equals, to the contractor declared first.
 *   A2. Only a contractor with the award performs, after bidding has ended, once, and one at a time.
 *   A3. Who declines, fails or is late has no bid. No bids at all: `NoBids`, and nobody performs.
 *   A4. In a run, each bid is a step, and who was heard one recorded decision: a replay awards as recorded.
 *   A5. The contract passes on to the best of the bids that had no award, `times` at most, and only for a failure that
 *       `reaward` names. Another failure, or the last one, is the auction's.
 *
 * Source: Reid G. Smith, "The Contract Net Protocol", IEEE Transactions on Computers, 1980.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Agent from "../../core/Agent.ts"
import { AnyError } from "../../core/AnyError.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import * as Step from "../../durable/Step.ts"
import { type Tag, tagOf } from "../supervisor/Directive.ts"
import {
  type Answers,
  type Asking,
  asking,
  type AskingOptions,
  type CommonInput,
  everyAnswer,
  failureOf,
  isUnexpected,
  natural
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
  failures: Schema.Array(Schema.Struct({ contractor: Schema.String, error: AnyError })),
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
 * When the contract passes on to the next best bid.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reaward<out Failure extends string = string> {
  /** Awards after the first, at most: an integer from 1. */
  readonly times: number
  /** The failures that pass the contract on, by tag. One not named here ends the auction. */
  readonly on: ReadonlyArray<Failure>
}

/** Failures of `E` that a `Reaward` names. */
type PassedOn<E, W> = W extends Reaward<infer Failure> ? Extract<E, { readonly _tag: Failure }> : never

/** Who had the award, and failed. */
export interface Breach<out Name extends string, out E> {
  readonly contractor: Name
  readonly error: E
}

/**
 * The task is done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Award<out Name extends string, out Bid, out Out, out E = never> {
  readonly contractor: Name
  readonly bid: Bid
  readonly output: Out
  /** Valid bids, the one with the award among them. */
  readonly bids: number
  /** Those who had the award before, in that order. Empty without `reaward`. */
  readonly breaches: ReadonlyArray<Breach<Name, E>>
}

/**
 * What an auction is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<C extends Contractors, In, W extends Reaward | undefined = undefined> extends AskingOptions {
  /** By name, in the order that breaks ties. */
  readonly contractors: C
  /** The bid with the highest worth wins: `({ price }) => -price`. `undefined`: the contractor declines. Must be pure. */
  readonly worth: (bid: Agent.Output<Bidder<C>>, input: In) => number | undefined
  /** What bidders are told. Default: the input. Must be pure. */
  readonly announce?: (input: In) => CommonInput<Bidder<C>>
  /** What the contractor with the award is told. Default: the input. Must be pure. */
  readonly award?: (input: In, bid: Agent.Output<Bidder<C>>) => CommonInput<Performer<C>>
  /** Passes the contract on when its contractor fails. Default: the failure is the auction's. */
  readonly reaward?: W & Reaward<Tag<Agent.Error<Performer<C>>>>
  readonly capabilities?: ReadonlyArray<string>
}

/** The auction among these contractors. */
export type Of<C extends Contractors, In, W extends Reaward | undefined = undefined> = Agent.Agent<
  In,
  Award<keyof C & string, Agent.Output<Bidder<C>>, Agent.Output<Performer<C>>, PassedOn<Agent.Error<Performer<C>>, W>>,
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
 *   the auction's, unless `reaward` names it and somebody else has bid: `breaches` tells who failed before.
 * - Nobody bids twice: the contract passes on by the bids of the one bidding there was.
 *
 * **Gotchas**
 *
 * - Without a `timeout` the slowest bidder decides how long bidding takes.
 * - Who fails may have done part of the task. `reaward` names the failures after which another may begin it;
 *   `UnknownOutcome`, when a crash leaves in doubt whether the task is done, is rarely one of them.
 * - A defect of a performer, or its interruption, is the auction's.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <
  const C extends Contractors,
  In = CommonInput<Bidder<C>> & CommonInput<Performer<C>>,
  const W extends Reaward | undefined = undefined
>(
  name: string,
  options: Options<C, In, W>
): Of<C, In, W> => {
  const names = Object.keys(options.contractors)
  if (names.length === 0) throw new Error(`auction "${name}" needs a contractor`)
  const { reaward }: { readonly reaward?: Reaward } = options
  const auction: Auction = {
    name,
    names,
    contractors: Object.values(options.contractors),
    worth: options.worth,
    announce: options.announce ?? ((input) => input),
    award: options.award ?? ((input) => input),
    awards: reaward === undefined ? 1 : 1 + natural("reaward.times", reaward.times),
    passesOn: (error) => reaward !== undefined && reaward.on.includes(tagOf(error)),
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
  /** How many contractors may have the award, one after the other. */
  readonly awards: number
  readonly passesOn: (error: unknown) => boolean
}

const inBidding = Run.scoped("bidding")

const hold = Effect.fnUntraced(function* (auction: Auction, input: unknown): Effect.fn.Return<any, any, any> {
  const { announce, concurrency, contractors, name, names, timeout } = auction
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
  const bids = bidsOf(auction, answers, input).toSorted((one, other) => other.worth - one.worth)
  if (bids.length === 0) return yield* Effect.fail(noBids(name, names, answers))
  return yield* settle(auction, input, bids)
})

/** The best bid first: what its contractor gives, or, if that failure passes the contract on, the next one. */
const settle = Effect.fnUntraced(function* (
  auction: Auction,
  input: unknown,
  bids: ReadonlyArray<Bid>
): Effect.fn.Return<any, any, any> {
  const { awards, contractors, names, passesOn } = auction
  const breaches: Array<Breach<string, unknown>> = []
  const candidates = bids.slice(0, awards)
  for (const [place, { bid, contractor: index }] of candidates.entries()) {
    const contractor = names[index]!
    yield* PatternEvent.state({ _tag: "ContractAwarded", contractor, bids: bids.length })
    const performed = Effect.suspend(() => contractors[index]!.perform.run(auction.award(input, bid)))
    const exit = yield* Effect.exit(Step.keyed(contractor)(performed))
    if (Exit.isSuccess(exit)) return { contractor, bid, output: exit.value, bids: bids.length, breaches }
    const failure = isUnexpected(exit) ? undefined : failureOf(exit)
    if (failure === undefined || place === candidates.length - 1 || !passesOn(failure.error)) return yield* exit
    breaches.push({ contractor, error: failure.error })
  }
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
