/**
 * Rules by which many votes become one decision. Pure: a rule counts, and knows nothing of who is asked, and how.
 *
 * Invariants (checked by `test/patterns/Consensus.test.ts`):
 *
 *   C1. What a count says early stands: a decision is the one that all votes lead to, whatever those not heard vote, and
 *       so is that there will be none. For `quorum` of at most half of the members: the decision in the order counted.
 *   C2. Anonymity: who casts which of the votes does not matter, except to `weighted`.
 *   C3. Neutrality: if all votes change the names of the options, so does the outcome.
 *   C4. A winner is the one that the rule is named for: most votes, more than half, most points, ahead in every duel.
 *   C5. No tie is broken, and no abstention is a vote: what has no winner says why.
 *
 * A vote for one option costs O(1), however many members and options there are; a ranking of m options O(m), or O(m²) where
 * pairs are compared.
 *
 * Sources: Jean-Charles de Borda, "Mémoire sur les élections au scrutin", 1781; Condorcet, "Essai sur l'application de
 * l'analyse à la probabilité des décisions rendues à la pluralité des voix", 1785.
 */
import type * as Arr from "effect/Array"
import * as Choice from "./ConsensusChoice.ts"
import * as Count from "./ConsensusCount.ts"
import * as Ranking from "./ConsensusRanking.ts"

export type { Ballot, Count, Line, OptionOf, Outcome, Standing, Tally } from "./ConsensusCount.ts"
export { Reason } from "./ConsensusReason.ts"

/**
 * A way to count ballots.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule<in B extends Count.Ballot> {
  readonly name: string
  /** Begins a count among these members. A rule that does not fit them is a mistake, and thrown. */
  readonly open: (members: ReadonlyArray<string>) => Count.Count<B>
}

/** So many members must vote, whatever for. Default 1. */
export interface Turnout {
  readonly quorum?: number
}

/** At least this share, above a half and up to 1. Default: more than half. */
export interface Share {
  readonly share?: number
}

const make = <B extends Count.Ballot>(
  name: string,
  quorum: number,
  scoring: (members: ReadonlyArray<string>) => Count.Scoring<B>
): Rule<B> => {
  if (!(Number.isInteger(quorum) && quorum >= 1))
    throw new RangeError(`quorum must be an integer from 1, got ${quorum}`)
  return {
    name,
    open: (members) => {
      if (quorum > members.length) {
        throw new RangeError(`a quorum of ${quorum} cannot be met by ${members.length} members`)
      }
      return Count.make(members.length, quorum, scoring(members))
    }
  }
}

const checkShare = (share: number | undefined): void => {
  if (share !== undefined && !(share > 0.5 && share <= 1)) {
    throw new RangeError(`share must be above 0.5 and at most 1, got ${share}`)
  }
}

/**
 * The first option with so many votes.
 *
 * **Gotchas** With at most half of the members, two options could come to have as many: the first to have them wins, so
 * the order in which members are heard decides.
 *
 * @category rules
 * @stability experimental
 * @since 0.1.0
 */
export const quorum = (votes: number): Rule<string> => make("quorum", votes, () => Choice.reaching(votes))

/**
 * The first valid vote. Members that abstain or fail are passed over.
 *
 * @category rules
 * @stability experimental
 * @since 0.1.0
 */
export const firstValid = (): Rule<string> => make("firstValid", 1, () => Choice.reaching(1))

/**
 * More than half of the votes cast, or a greater share of them: `majority({ share: 2 / 3 })`.
 *
 * @category rules
 * @stability experimental
 * @since 0.1.0
 */
export const majority = (options: Turnout & Share = {}): Rule<string> => {
  checkShare(options.share)
  return make("majority", options.quorum ?? 1, ({ length }) =>
    Choice.withShare(Choice.equalWeights(length), options.share)
  )
}

/**
 * All votes cast are for one option.
 *
 * @category rules
 * @stability experimental
 * @since 0.1.0
 */
export const unanimous = (options: Turnout = {}): Rule<string> =>
  make("unanimous", options.quorum ?? 1, ({ length }) => Choice.withShare(Choice.equalWeights(length), 1))

/**
 * More votes than any other option, few as they may be.
 *
 * @category rules
 * @stability experimental
 * @since 0.1.0
 */
export const plurality = (options: Turnout = {}): Rule<string> =>
  make("plurality", options.quorum ?? 1, () => Choice.mostVotes())

/**
 * As `majority`, with members that have several votes.
 *
 * **Details** Weights are integers from 0, by the name of the member; one without a weight has 1. `quorum` counts
 * members, not weights. A name that no member bears is a mistake.
 *
 * @category rules
 * @stability experimental
 * @since 0.1.0
 */
export const weighted = (
  weights: { readonly [member: string]: number },
  options: Turnout & Share = {}
): Rule<string> => {
  checkShare(options.share)
  for (const [member, weight] of Object.entries(weights)) {
    if (!(Number.isSafeInteger(weight) && weight >= 0)) {
      throw new RangeError(`weight of "${member}" must be an integer from 0, got ${weight}`)
    }
  }
  return make("weighted", options.quorum ?? 1, (members) => {
    const names = new Set(members)
    const stranger = Object.keys(weights).find((member) => !names.has(member))
    if (stranger !== undefined) throw new RangeError(`a weight is given for "${stranger}", which is no member`)
    const all = members.map((member) => (Object.hasOwn(weights, member) ? weights[member]! : 1))
    const total = all.reduce((sum, weight) => sum + weight, 0)
    return Choice.withShare({ total, of: (member) => all[member]! }, options.share)
  })
}

type Options = Arr.NonEmptyReadonlyArray<string>

const checkOptions = (options: Options): void => {
  if (options.length < 2) throw new RangeError(`a ranking needs two options at least, got ${options.length}`)
  if (new Set(options).size !== options.length) throw new Error(`an option is given twice: ${options.join(", ")}`)
}

/**
 * Most points: of m options, the first on a ballot has m - 1 of them, the next one less, those not ranked none.
 *
 * **Details** A ballot that names an option twice, one that is not to be voted on, or none at all, is spoilt: the member
 * abstains.
 *
 * Source: Borda 1781.
 *
 * @category rules
 * @stability experimental
 * @since 0.1.0
 */
export const borda = <const O extends Options>(options: O, turnout: Turnout = {}): Rule<ReadonlyArray<O[number]>> => {
  checkOptions(options)
  return make("borda", turnout.quorum ?? 1, () => Ranking.byPoints(options))
}

/**
 * The option that more members prefer to each other one than the other way round. Options that are not ranked stand
 * behind those that are.
 *
 * **Details** There may be none: `Cycle` names the options that beat all others, but not each other (the Smith set). A
 * ballot is spoilt as it is for `borda`.
 *
 * Source: Condorcet 1785.
 *
 * @category rules
 * @stability experimental
 * @since 0.1.0
 */
export const condorcet = <const O extends Options>(
  options: O,
  turnout: Turnout = {}
): Rule<ReadonlyArray<O[number]>> => {
  checkOptions(options)
  return make("condorcet", turnout.quorum ?? 1, () => Ranking.byDuels(options))
}

/**
 * Counts all ballots at once. `undefined`: the member abstains.
 *
 * **Details** `members` names those who cast them, for `weighted`. Default: their numbers.
 *
 * **Example** (Two of three)
 *
 * ```ts
 * Consensus.count(Consensus.majority(), ["yes", "no", "yes"]).outcome // => { _tag: "Decided", option: "yes" }
 * ```
 *
 * @category counting
 * @stability experimental
 * @since 0.1.0
 */
export const count = <const B extends Count.Ballot>(
  rule: Rule<NoInfer<B>>,
  ballots: ReadonlyArray<B | undefined>,
  members: ReadonlyArray<string> = ballots.map((_, member) => String(member))
): { readonly outcome: Count.Outcome<Count.OptionOf<B>>; readonly tally: Count.Tally<Count.OptionOf<B>> } => {
  const counting = rule.open(members) as Count.Count<B, Count.OptionOf<B>>
  for (const [member, ballot] of ballots.entries()) counting.add(member, ballot)
  return { outcome: counting.close(), tally: counting.tally() }
}
