/**
 * Counting votes as they come: what every rule has in common.
 *
 * A rule scores ballots; the count around it knows who has voted, who abstained and who has not been heard.
 */
import type * as Reason from "./ConsensusReason.ts"

/** What a member hands in: the option it is for, or options in the order in which it prefers them. */
export type Ballot = string | ReadonlyArray<string>

/** The options a ballot can name. */
export type OptionOf<B> = B extends string ? B : B extends ReadonlyArray<infer Option extends string> ? Option : never

/** The option that won. */
export interface Decided<out Option extends string = string> {
  readonly _tag: "Decided"
  readonly option: Option
}

/** No option can win. */
export interface Undecided<out Option extends string = string> {
  readonly _tag: "Undecided"
  readonly reason: Reason.Reason<Option>
}

/** What all votes lead to. */
export type Outcome<Option extends string = string> = Decided<Option> | Undecided<Option>

/** What the votes heard so far lead to. Open: those not heard yet can still change it. */
export type Standing<Option extends string = string> = Outcome<Option> | { readonly _tag: "Open" }

export const open: Standing = { _tag: "Open" }
export const decided = (option: string): Decided => ({ _tag: "Decided", option })
export const undecided = (reason: Reason.Reason): Undecided => ({ _tag: "Undecided", reason })

/** One option and what it has: votes, weight or points, by the rule. */
export interface Line<out Option extends string = string> {
  readonly option: Option
  readonly votes: number
}

/**
 * A count at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tally<out Option extends string = string> {
  /** The leading option first; those with equal votes in the order in which they were first named. */
  readonly votes: ReadonlyArray<Line<Option>>
  readonly cast: number
  readonly abstained: number
  /** Members whose vote was not waited for. */
  readonly unheard: number
  /** The leading option's share of what it could have, from 0 to 1. */
  readonly agreement: number
}

/**
 * The count of one question. Mutable: made for each question anew.
 *
 * @category models
 * @since 0.1.0
 */
export interface Count<in B = any, out Option extends string = string> {
  /** Counts a member, once. `undefined`: it abstains. Returns false if the ballot is spoilt, which is an abstention, too. */
  readonly add: (member: number, ballot: B | undefined) => boolean
  readonly standing: () => Standing<Option>
  /** The outcome if nobody else votes. */
  readonly close: () => Outcome<Option>
  /** Costs O(m log m) for m options. */
  readonly tally: () => Tally<Option>
}

/** How a rule values ballots. */
export interface Scoring<in B = any> {
  /** False: the ballot is spoilt, and nothing was counted. */
  readonly add: (member: number, ballot: B) => boolean
  readonly abstain: (member: number) => void
  /** `left`: how many members may still vote. Decided: whatever they vote. */
  readonly standing: (left: number) => Standing
  readonly lines: () => ReadonlyArray<Line>
  readonly agreement: (cast: number) => number
}

/** Counts for one question among so many members, of whom `quorum` must vote. */
export const make = (size: number, quorum: number, scoring: Scoring): Count => {
  let cast = 0
  let abstained = 0
  const standingWith = (left: number): Standing => {
    if (cast + left < quorum) return undecided({ _tag: "QuorumMissed", cast, needed: quorum })
    const standing = scoring.standing(left)
    return standing._tag === "Decided" && cast < quorum ? open : standing
  }
  return {
    add: (member, ballot) => {
      const counted = ballot !== undefined && scoring.add(member, ballot)
      if (counted) cast++
      else {
        abstained++
        scoring.abstain(member)
      }
      return counted || ballot === undefined
    },
    standing: () => standingWith(size - cast - abstained),
    close: () => standingWith(0) as Outcome,
    tally: () => ({
      votes: scoring.lines().toSorted((a, b) => b.votes - a.votes),
      cast,
      abstained,
      unheard: size - cast - abstained,
      agreement: cast === 0 ? 0 : scoring.agreement(cast)
    })
  }
}
