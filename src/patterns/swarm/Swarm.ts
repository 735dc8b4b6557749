/**
 * Many peers that are asked the same thing, and decide together: an agent.
 *
 * Members are asked at once and counted as they answer; as soon as the rule is decided, the others are interrupted. If it
 * is not, they may be asked again, and told how they stand.
 *
 * Invariants (checked by `test/patterns/Swarm.test.ts`, `Swarm.property.test.ts` and, inside a run, by
 * `Swarm.durable.test.ts`):
 *
 *   W1. A decision is the rule's, over the votes heard. None is waited for that could not change it.
 *   W2. Who is not waited for is interrupted, and has ended when the swarm answers; so have all, if it is interrupted.
 *   W3. Each member is asked once in a round; no more of them at a time than `concurrency`.
 *   W4. A member that fails abstains, with its error, or fails the swarm, as `onFailure` says. A defect is no abstention.
 *   W5. The next round begins after the last one is counted, and its members see that tally.
 *   W6. A swarm ends: decided, or with the first of its limits that is met, in `NoConsensus`.
 *   W7. In a run, each answer is a step in the scope of its round and member, and who was heard in a round is one recorded
 *       decision: a replay counts the same votes. One event states the tally of a round, however many members there are.
 *
 * Source: the rules are those of `Consensus`; asking many times and taking the most frequent answer is Wang et al.,
 * "Self-Consistency Improves Chain of Thought Reasoning in Language Models", 2022.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Agent from "../../core/Agent.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import type * as Consensus from "../consensus/Consensus.ts"
import type { CommonInput, Members } from "./Poll.ts"
import { type Asking, asking, type AskingOptions, isUnexpected, namesOf, natural, poll, type Poll } from "./Poll.ts"
import * as SwarmCount from "./SwarmCount.ts"
import { type Ending, listed, NoConsensus } from "./SwarmError.ts"

export { NoConsensus } from "./SwarmError.ts"
export type { Abstention, CastBallot, Vote } from "./SwarmCount.ts"

/**
 * How a round ended, for those who are asked again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Round<out Option extends string = string> {
  /** The first is 1. */
  readonly round: number
  readonly tally: Consensus.Tally<Option>
}

/**
 * What members agreed on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Agreement<out B extends Consensus.Ballot, out Answer, out E = never> {
  readonly option: Consensus.OptionOf<B>
  readonly rounds: number
  readonly tally: Consensus.Tally<Consensus.OptionOf<B>>
  /** Of the last round, in the order of the members. */
  readonly votes: ReadonlyArray<SwarmCount.Vote<Answer, B>>
  readonly abstentions: ReadonlyArray<SwarmCount.Abstention<E>>
}

/** What the failure of a member means: it abstains, or the swarm fails. */
export type OnFailure = "abstain" | "fail"

/**
 * When a swarm gives up. A budget is no limit of its own: `Budget.within` goes around the swarm.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** Rounds it holds at most. Default 1. There are fewer if members converge: if the rule's quorum or share is reached. */
  readonly rounds?: number
  /** Ends as `Stalled` after so many rounds in a row that change nothing in the tally. Default: no limit. */
  readonly stall?: number
  /** Ends as `Diverged` when the agreement is by more than this below its best, in (0, 1]. Default: no limit. */
  readonly divergence?: number
}

/**
 * What a swarm is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<
  M extends Members,
  In,
  B extends Consensus.Ballot,
  V extends B,
  F extends OnFailure
> extends AskingOptions {
  /** Peers of one kind: `Array.replicate(voter, 100)`. */
  readonly members: M
  readonly rule: Consensus.Rule<B>
  /** What an answer is counted as. `undefined`: the member abstains. Must be pure. */
  readonly vote: (answer: Agent.Output<M[number]>) => V | undefined
  /** What members are asked, from the second round on in view of the last one. Default: the input. Must be pure. */
  readonly question?: (
    input: In,
    previous: Round<Consensus.OptionOf<Cast<NoInfer<B>, NoInfer<V>>>> | undefined
  ) => CommonInput<M[number]>
  readonly limits?: Limits
  /** Default `"abstain"`. */
  readonly onFailure?: F
  readonly capabilities?: ReadonlyArray<string>
}

/** A vote is for one of the options that members can choose; a ranking may elect any option of the rule. */
export type Cast<B extends Consensus.Ballot, V extends B> = V extends string ? V : B

/** The swarm of these members. */
export type Of<M extends Members, In, B extends Consensus.Ballot, F extends OnFailure> = Agent.Agent<
  In,
  Agreement<B, Agent.Output<M[number]>, F extends "fail" ? never : Agent.Error<M[number]>>,
  | NoConsensus<B, F extends "fail" ? never : Agent.Error<M[number]>>
  | (F extends "fail" ? Agent.Error<M[number]> : never),
  Agent.Services<M[number]>
>

/**
 * Makes a swarm.
 *
 * **Details**
 *
 * - Members that bear one name are told apart by numbers: `voter`, `voter-2`, `voter-3`, … Weights, votes and scopes name
 *   them so.
 * - Votes not heard when the decision falls are not in the tally. A round that leads to another one is heard in full.
 * - A limit that ends a round, time or budget, makes those not heard abstain. With `quorum` a rule asks for a turnout.
 * - `BudgetExceeded` of a member ends the swarm: with the decision of the votes heard, if they lead to one.
 *
 * **Gotchas**
 *
 * - In a run, each answer is recorded: 10,000 members write 10,000 events a round. As one step of an agent of your own
 *   (a swarm called within `Agent.make`) it is one, and begun anew after a crash.
 * - Interrupted members that are not idempotent are in the same doubt as after a crash.
 *
 * **Errors** `NoConsensus`: `ending` says why it gave up, `reason` what the rule misses, `votes` and `abstentions` who is behind
 * it.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <
  const M extends Members,
  B extends Consensus.Ballot,
  const V extends B,
  In = CommonInput<M[number]>,
  const F extends OnFailure = "abstain"
>(
  name: string,
  options: Options<M, In, B, V, F>
): Of<M, In, Cast<B, V>, F> => {
  const swarm = settled(name, options)
  return Agent.compose<any, any, any, any>(name, {
    pattern: "Swarm",
    capabilities: options.capabilities ?? [],
    run: (input) => deliberate(swarm, input)
  })
}

/** A swarm with all its defaults, and its types forgotten. */
interface Settled extends SwarmCount.Ballots, Asking {
  readonly name: string
  readonly agents: ReadonlyArray<Agent.Any>
  readonly question: (input: any, previous: Round | undefined) => any
  readonly rounds: number
  readonly stall: number
  readonly divergence: number
  readonly failFast: boolean
}

const settled = (name: string, options: Options<Members, any, any, any, OnFailure>): Settled => {
  const { limits = {}, members: agents, rule, vote } = options
  if (agents.length === 0) throw new Error(`swarm "${name}" needs a member`)
  const members = namesOf(agents)
  // A rule that does not fit the members says so here.
  rule.open(members)
  const { divergence = 1, rounds = 1, stall = Infinity } = limits
  if (!(divergence > 0 && divergence <= 1)) throw new RangeError(`divergence must be in (0, 1], got ${divergence}`)
  return {
    name,
    agents,
    members,
    rule,
    vote,
    question: options.question ?? ((input) => input),
    ...asking(options),
    rounds: natural("rounds", rounds),
    stall: stall === Infinity ? stall : natural("stall", stall),
    divergence,
    failFast: options.onFailure === "fail"
  }
}

/** Rounds, until one of them ends it. */
const deliberate = Effect.fnUntraced(function* (swarm: Settled, input: unknown): Effect.fn.Return<any, any, any> {
  const course: Course = { best: 0, unchanged: 0, last: "" }
  let previous: Round | undefined
  for (let round = 1; ; round++) {
    const asked = yield* askAll(swarm, { input, previous, isLast: round === swarm.rounds })
    const failure = asked.answers.find((answer) => answer !== undefined && isFatal(swarm, answer))
    if (failure !== undefined) return yield* failure
    const counted = SwarmCount.count(swarm, asked)
    const { abstentions, outcome, tally, votes } = counted
    yield* PatternEvent.state(votesCounted(round, tally))
    if (outcome._tag === "Decided") {
      yield* PatternEvent.state({ _tag: "ConsensusReached", option: outcome.option, rounds: round })
      return { option: outcome.option, rounds: round, tally, votes, abstentions }
    }
    const ending = endingOf(swarm, { round, counted, course })
    if (ending !== undefined) {
      yield* PatternEvent.state({ _tag: "ConsensusMissed", ending, reason: outcome.reason._tag, rounds: round })
      return yield* Effect.fail(noConsensus(swarm, { round, ending, reason: outcome.reason, counted }))
    }
    previous = { round, tally }
  }
})

interface Question {
  readonly input: unknown
  readonly previous: Round | undefined
  readonly isLast: boolean
}

const inRound = Run.scoped("round")

const askAll = (swarm: Settled, { input, isLast, previous }: Question): Effect.Effect<Poll<any, any>, never, any> =>
  inRound(
    Effect.suspend(() => {
      const question = swarm.question(input, previous)
      const counting = swarm.rule.open(swarm.members)
      return poll<any, any, any>({
        members: swarm.members,
        concurrency: swarm.concurrency,
        timeout: swarm.timeout,
        ask: (member) => swarm.agents[member]!.run(question),
        isEnough: (member, answer) => {
          counting.add(member, Exit.isSuccess(answer) ? swarm.vote(answer.value) : undefined)
          if (isFatal(swarm, answer) || SwarmCount.isBudgetExceeded(answer)) return true
          const { _tag } = counting.standing()
          // W5: who is asked again shall see what all of them think.
          return _tag === "Decided" || (isLast && _tag === "Undecided")
        }
      })
    })
  )

/** W4: what ends the swarm as a failure of its own. */
const isFatal = (swarm: Settled, answer: Exit.Exit<unknown, unknown>): answer is Exit.Failure<unknown, unknown> =>
  Exit.isFailure(answer) && (swarm.failFast || isUnexpected(answer))

/** What the limits compare a round with. */
interface Course {
  best: number
  unchanged: number
  last: string
}

interface Ended {
  readonly round: number
  readonly counted: SwarmCount.Counted
  readonly course: Course
}

const endingOf = (swarm: Settled, { counted, course, round }: Ended): Ending | undefined => {
  const { tally } = counted
  if (swarm.stall !== Infinity) {
    const now = JSON.stringify([tally.abstained, tally.votes.map(({ option, votes }) => [option, votes]).toSorted()])
    course.unchanged = now === course.last ? course.unchanged + 1 : 0
    course.last = now
  }
  course.best = Math.max(course.best, tally.agreement)
  if (counted.budgetExceeded) return "BudgetExceeded"
  if (round === swarm.rounds) return "RoundsSpent"
  if (tally.agreement < course.best - swarm.divergence) return "Diverged"
  return course.unchanged >= swarm.stall ? "Stalled" : undefined
}

/** Options that an event names. */
const stated = 20

const votesCounted = (
  round: number,
  { abstained, cast, unheard, votes }: Consensus.Tally
): PatternEvent.PatternEvent => ({
  _tag: "VotesCounted",
  round,
  votes: votes.slice(0, stated),
  others: Math.max(0, votes.length - stated),
  cast,
  abstained,
  unheard
})

const noConsensus = (
  swarm: Settled,
  {
    counted,
    ending,
    reason,
    round
  }: Omit<Ended, "course"> & { readonly ending: Ending; readonly reason: Consensus.Reason }
): NoConsensus => {
  const { abstentions, tally, votes } = counted
  return new NoConsensus({
    swarm: swarm.name,
    ending,
    reason: "options" in reason ? { ...reason, options: reason.options.slice(0, listed) } : reason,
    rounds: round,
    tally: { ...tally, votes: tally.votes.slice(0, listed) },
    others: Math.max(0, tally.votes.length - listed),
    votes: votes.slice(0, listed).map(({ ballot, member }) => ({ member, ballot })),
    abstentions: abstentions.slice(0, listed),
    failed: abstentions.filter(({ _tag }) => _tag === "Failed").length
  })
}
