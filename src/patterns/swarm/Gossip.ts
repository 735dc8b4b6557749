/**
 * Peers that come to agree by talking to a few others, chosen by lot, round after round.
 *
 * In a round each member contacts `fanOut` peers; then each makes up its mind anew, from its own state and from those it
 * has heard. Rumours spread in O(log n) rounds, and averages converge, though nobody ever hears everybody.
 *
 * Invariants (checked by `test/patterns/Gossip.test.ts` and, inside a run, by `Gossip.durable.test.ts`):
 *
 *   O1. Each member contacts `fanOut` different peers a round, never itself; all of them if there are fewer.
 *   O2. Push: the peer hears the member. Pull: the member hears the peer. What is heard is the state before the round.
 *   O3. A member that fails or is late keeps its state; one that has none yet is not heard.
 *   O4. It ends settled, or with `Unsettled` after its last round.
 *   O5. One number is drawn for each call, and every contact follows from it: the same number, the same conversations.
 *       In a run it is recorded.
 *
 * Sources: Demers et al., "Epidemic Algorithms for Replicated Database Maintenance", PODC 1987; Kempe, Dobra & Gehrke,
 * "Gossip-Based Computation of Aggregate Information" (push-sum), FOCS 2003.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Agent from "../../core/Agent.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import * as Step from "../../durable/Step.ts"
import {
  type Asking,
  asking,
  type AskingOptions,
  type CommonInput,
  everyAnswer,
  type Members,
  namesOf,
  natural
} from "./Poll.ts"

/**
 * All rounds are over, and the states are not settled.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class Unsettled extends Schema.TaggedError<Unsettled>()("Unsettled", {
  gossip: Schema.String,
  rounds: Schema.Int,
  members: Schema.Int,
  /** Members that never made up their mind. */
  undecided: Schema.Int
}) {
  override get message(): string {
    return `Gossip "${this.gossip}" among ${this.members} members did not settle in ${this.rounds} rounds.`
  }
}

/**
 * What a member goes by.
 *
 * @category models
 * @since 0.1.0
 */
export interface Talk<out State> {
  readonly member: string
  /** The first is 1: nobody has a state yet, and nobody is heard. */
  readonly round: number
  /** `undefined` until the member has answered once. */
  readonly own: State | undefined
  readonly heard: ReadonlyArray<State>
}

/** Who hears whom when a member contacts a peer. */
export type Mode = "push" | "pull" | "pushPull"

/**
 * What gossip is made of. All functions must be pure: they run again on replay.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<M extends Members, In, State> extends AskingOptions {
  readonly members: M
  /** The state that an answer means. */
  readonly state: (answer: Agent.Output<M[number]>) => State
  readonly question: (input: In, talk: Talk<NoInfer<State>>) => CommonInput<M[number]>
  /** Do they agree? Asked after each round about the states there are, in the order of the members. */
  readonly settled: (states: ReadonlyArray<NoInfer<State>>) => boolean
  /** Peers that a member contacts in a round. Default 1. */
  readonly fanOut?: number
  /** Default `"pushPull"`. */
  readonly mode?: Mode
  /** Rounds at most, that of the first states among them. Default 50. */
  readonly rounds?: number
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * States on which members agree.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settled<out State> {
  /** In the order of the members, without those that never had one. */
  readonly states: ReadonlyArray<State>
  readonly rounds: number
}

/**
 * Makes members gossip.
 *
 * **Gotchas**
 *
 * - In a run each member's answer in each round is a step: n members write n events a round.
 * - Protocols that must not lose what was sent, as push-sum, need members that do not fail.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const M extends Members, State, In>(
  name: string,
  options: Options<M, In, State>
): Agent.Agent<In, Settled<State>, Unsettled, Agent.Services<M[number]>> => {
  if (options.members.length === 0) throw new Error(`gossip "${name}" needs a member`)
  const gossip: Gossip = {
    name,
    agents: options.members,
    names: namesOf(options.members),
    state: options.state,
    question: options.question,
    settled: options.settled,
    fanOut: Math.min(natural("fanOut", options.fanOut ?? 1), options.members.length - 1),
    mode: options.mode ?? "pushPull",
    rounds: natural("rounds", options.rounds ?? 50),
    ...asking(options)
  }
  return Agent.compose<any, any, any, any>(name, {
    pattern: "Gossip",
    capabilities: options.capabilities ?? [],
    run: (input) => converse(gossip, input)
  })
}

interface Gossip extends Asking {
  readonly name: string
  readonly agents: ReadonlyArray<Agent.Any>
  readonly names: ReadonlyArray<string>
  readonly state: (answer: any) => unknown
  readonly question: (input: any, talk: Talk<any>) => any
  readonly settled: (states: ReadonlyArray<any>) => boolean
  readonly fanOut: number
  readonly mode: Mode
  readonly rounds: number
}

/** Boxed, so that a state may be `undefined`. */
type Mind = { readonly state: unknown } | undefined

const inRound = Run.scoped("round")

const converse = Effect.fnUntraced(function* (gossip: Gossip, input: unknown): Effect.fn.Return<any, any, any> {
  const draw = lots(yield* Step.random)
  let minds: ReadonlyArray<Mind> = gossip.agents.map(() => undefined)
  for (let round = 1; round <= gossip.rounds; round++) {
    const heard = round === 1 ? minds.map(() => []) : hearing(gossip, minds, draw)
    const talks = minds.map((mind, member) => ({
      member: gossip.names[member]!,
      round,
      own: mind?.state,
      heard: heard[member]!
    }))
    minds = yield* inRound(makeUpMinds(gossip, { input, talks, minds }))
    const states = minds.flatMap((mind) => (mind === undefined ? [] : [mind.state]))
    const isSettled = states.length > 0 && gossip.settled(states)
    yield* PatternEvent.state({ _tag: "StatesExchanged", round, states: states.length, settled: isSettled })
    if (isSettled) return { states, rounds: round }
  }
  const undecided = minds.filter((mind) => mind === undefined).length
  const { name, names, rounds } = gossip
  return yield* Effect.fail(new Unsettled({ gossip: name, rounds, members: names.length, undecided }))
})

interface Exchange {
  readonly input: unknown
  readonly talks: ReadonlyArray<Talk<unknown>>
  readonly minds: ReadonlyArray<Mind>
}

const makeUpMinds = Effect.fnUntraced(function* (
  { agents, concurrency, names, question, state, timeout }: Gossip,
  { input, minds, talks }: Exchange
): Effect.fn.Return<ReadonlyArray<Mind>, never, any> {
  const answers = yield* everyAnswer<any, any, any>({
    members: names,
    concurrency,
    timeout,
    ask: (member) => agents[member]!.run(question(input, talks[member]!))
  })
  return answers.map((answer, member) =>
    answer !== undefined && Exit.isSuccess(answer) ? { state: state(answer.value) } : minds[member]
  )
})

/** What each member hears in a round. Costs O(n × fanOut). */
const hearing = (
  { fanOut, mode }: Pick<Gossip, "fanOut" | "mode">,
  minds: ReadonlyArray<Mind>,
  draw: () => number
): ReadonlyArray<ReadonlyArray<unknown>> => {
  const heard = minds.map((): Array<unknown> => [])
  const tell = (from: number, to: number) => {
    const mind = minds[from]
    if (mind !== undefined) heard[to]!.push(mind.state)
  }
  for (let member = 0; member < minds.length; member++) {
    for (const peer of peersOf(member, { fanOut, members: minds.length }, draw)) {
      if (mode !== "pull") tell(member, peer)
      if (mode !== "push") tell(peer, member)
    }
  }
  return heard
}

/** So many different others, by lot. Source: Floyd's sampling, Bentley & Floyd, "A Sample of Brilliance", CACM 1987. */
const peersOf = (
  member: number,
  { fanOut, members }: { readonly fanOut: number; readonly members: number },
  draw: () => number
): ReadonlySet<number> => {
  const others = members - 1
  const places = new Set<number>()
  for (let last = others - fanOut; last < others; last++) {
    const place = Math.floor(draw() * (last + 1))
    places.add(places.has(place) ? last : place)
  }
  return new Set(Array.from(places, (place) => (place < member ? place : place + 1)))
}

/** Numbers in [0, 1) that follow from one. Source: mulberry32, Tommy Ettinger, 2017, public domain. */
const lots = (seed: number) => {
  let state = Math.floor(seed * 4294967296) | 0
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
