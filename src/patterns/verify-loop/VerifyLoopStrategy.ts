/** How a verify loop decides, round by round: pure functions of what has been tried so far. */
import type * as Arr from "effect/Array"
import type { Verdict } from "../Verdict.ts"

/**
 * One attempt and what the verifier said of it.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Round<out Candidate, out Feedback> {
  /** 1 for the first. */
  readonly number: number
  readonly candidate: Candidate
  readonly verdict: Verdict<Feedback>
}

/** Rounds by number. */
export type History<Candidate, Feedback> = Arr.NonEmptyReadonlyArray<Round<Candidate, Feedback>>

/** The candidate of this round is the answer of the loop. */
export interface Answer {
  readonly _tag: "Answer"
  readonly round: number
}
/** Another round, with the verifier's feedback. */
export interface Continue {
  readonly _tag: "Continue"
}
/** Another round, with this feedback instead of the verifier's. */
export interface Retry<out Feedback> {
  readonly _tag: "Retry"
  readonly feedback: Feedback
}
/** No candidate will do. */
export interface Stop {
  readonly _tag: "Stop"
}

export type Decision<Feedback> = Answer | Continue | Retry<Feedback> | Stop

/**
 * Decides after each round, or, where `width` makes several attempts at once, after all of them.
 *
 * **Details** Both functions must be pure: they run again on replay.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Strategy<in Candidate, in Feedback, out Retried = Feedback> {
  readonly name: string
  readonly decide: (history: History<Candidate, Feedback>) => Decision<Retried>
  /** How many attempts are made at once after so many rounds. Default 1. */
  readonly width?: (rounds: number) => number
  /** Rounds it needs to come to a decision. Default 1. */
  readonly needs?: number
}

/**
 * Answers with the candidate of this round, accepted or not.
 *
 * @category decisions
 * @stability experimental
 * @since 0.1.0
 */
export const answer = (round: Round<unknown, unknown>): Answer => ({ _tag: "Answer", round: round.number })

const goOn: Continue = { _tag: "Continue" }

export {
  /**
   * Tries again with the feedback of the verifier.
   *
   * @category decisions
   * @stability experimental
   * @since 0.1.0
   */
  goOn as continue
}

/**
 * Tries again with this feedback instead of the verifier's.
 *
 * @category decisions
 * @stability experimental
 * @since 0.1.0
 */
export const retry = <Feedback>(feedback: Feedback): Retry<Feedback> => ({ _tag: "Retry", feedback })

/**
 * Gives up: `NotAccepted` with the reason `Stopped`.
 *
 * @category decisions
 * @stability experimental
 * @since 0.1.0
 */
export const stop: Stop = { _tag: "Stop" }

/** A round without a score, or with one that is no number, is below every other. */
export const scoreOf = ({ verdict: { score } }: Round<unknown, unknown>): number =>
  score === undefined || Number.isNaN(score) ? -Infinity : score

const isBetter = (one: Round<unknown, unknown>, other: Round<unknown, unknown>): boolean =>
  one.verdict._tag === other.verdict._tag ? scoreOf(one) > scoreOf(other) : one.verdict._tag === "Accepted"

/**
 * The best round: accepted before rejected, then the higher score, then the earlier.
 *
 * @category observing
 * @stability experimental
 * @since 0.1.0
 */
export const best: {
  <C, F>(history: History<C, F>): Round<C, F>
  <C, F>(history: ReadonlyArray<Round<C, F>>): Round<C, F> | undefined
} = <C, F>(history: ReadonlyArray<Round<C, F>>): any =>
  history.reduce<Round<C, F> | undefined>(
    (best, round) => (best === undefined || isBetter(round, best) ? round : best),
    undefined
  )

/**
 * Answers with the first candidate that is accepted.
 *
 * @category strategies
 * @stability experimental
 * @since 0.1.0
 */
export const untilAccepted: Strategy<unknown, unknown, never> = {
  name: "until accepted",
  decide: (history) => {
    const last = history.at(-1)!
    return last.verdict._tag === "Accepted" ? answer(last) : goOn
  }
}

/**
 * Makes n attempts and answers with the best of them, even if none was accepted.
 *
 * **Details** `atOnce`: how many attempts are made side by side, none of which knows of the others. Default 1: each one
 * knows of those before it.
 *
 * @category strategies
 * @stability experimental
 * @since 0.1.0
 */
export const bestOf = (
  rounds: number,
  options: { readonly atOnce?: number | "unbounded" } = {}
): Strategy<unknown, unknown, never> => {
  const atOnce = options.atOnce === "unbounded" ? rounds : (options.atOnce ?? 1)
  atLeastOne("rounds of bestOf", rounds)
  atLeastOne("atOnce of bestOf", atOnce)
  return {
    name: `best of ${rounds}`,
    needs: rounds,
    width: (done) => Math.min(atOnce, rounds - done),
    decide: (history) => (history.length < rounds ? goOn : answer(best(history)))
  }
}

/**
 * Goes on as long as the score grows, and answers with the best: once a candidate is accepted, or the score has not
 * grown by `epsilon` for `rounds` rounds.
 *
 * **Details** `epsilon`: default 0, any growth counts. Growth is measured against the score at the last growth, so that
 * many small steps make one.
 *
 * Source: early stopping with patience; Prechelt, "Early Stopping - But When?", 1998.
 *
 * @category strategies
 * @stability experimental
 * @since 0.1.0
 */
export const plateau = (options: {
  readonly rounds: number
  readonly epsilon?: number
}): Strategy<unknown, unknown, never> => {
  const { epsilon = 0, rounds } = options
  atLeastOne("rounds of plateau", rounds)
  if (!(epsilon >= 0 && epsilon < Infinity)) {
    throw new RangeError(`epsilon of plateau must be a finite number from 0, got ${epsilon}`)
  }
  return {
    name: "plateau",
    needs: rounds,
    decide: (history) =>
      history.at(-1)!.verdict._tag === "Accepted" || roundsWithoutGrowth(history, epsilon) >= rounds
        ? answer(best(history))
        : goOn
  }
}

const roundsWithoutGrowth = (history: History<unknown, unknown>, epsilon: number): number => {
  let reached = -Infinity
  let without = 0
  for (const score of history.map(scoreOf)) {
    const grows = score > reached && score - reached >= epsilon
    without = grows ? 0 : without + 1
    if (grows) reached = score
  }
  return without
}

/** Refuses what is not an integer from 1. */
export const atLeastOne = (what: string, value: number): number => {
  if (Number.isInteger(value) && value >= 1) return value
  throw new RangeError(`${what} must be an integer from 1, got ${value}`)
}
