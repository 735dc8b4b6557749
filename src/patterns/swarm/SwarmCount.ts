/** What one round of a swarm amounts to: from the answers heard to votes, abstentions and an outcome. */
import * as Exit from "effect/Exit"
import { BudgetExceeded } from "../../policies/Budget.ts"
import type * as Consensus from "../consensus/Consensus.ts"
import { failureOf, type Poll } from "./Poll.ts"

/** A member that voted, and for what. */
export interface CastBallot<out B> {
  readonly member: string
  readonly ballot: B
}

/** What it said, too. */
export interface Vote<out Answer, out B> extends CastBallot<B> {
  readonly answer: Answer
}

/** Why a member that was heard has no vote. */
export type Abstention<E> =
  | { readonly _tag: "Failed"; readonly member: string; readonly error: E }
  | { readonly _tag: "Abstained"; readonly member: string }
  /** Its ballot does not fit the rule. */
  | { readonly _tag: "Spoilt"; readonly member: string }

export interface Ballots {
  readonly members: ReadonlyArray<string>
  readonly rule: Consensus.Rule<any>
  readonly vote: (answer: any) => Consensus.Ballot | undefined
}

export interface Counted {
  readonly outcome: Consensus.Outcome
  readonly tally: Consensus.Tally
  readonly votes: ReadonlyArray<Vote<unknown, Consensus.Ballot>>
  readonly abstentions: ReadonlyArray<Abstention<unknown>>
  readonly budgetExceeded: boolean
}

export const isBudgetExceeded = (answer: Exit.Exit<unknown, unknown>): boolean =>
  failureOf(answer)?.error instanceof BudgetExceeded

/** Counts in the order of the members, so that the outcome is one of who was heard, not of who was faster. */
export const count = ({ members, rule, vote }: Ballots, poll: Poll<unknown, unknown>): Counted => {
  const counting = rule.open(members)
  const votes: Array<Vote<unknown, Consensus.Ballot>> = []
  const abstentions: Array<Abstention<unknown>> = []
  let budgetExceeded = false
  for (const [number, answer] of poll.answers.entries()) {
    if (answer === undefined) continue
    const member = members[number]!
    if (Exit.isFailure(answer)) {
      counting.add(number, undefined)
      abstentions.push({ _tag: "Failed", member, error: failureOf(answer)?.error })
      budgetExceeded ||= isBudgetExceeded(answer)
      continue
    }
    const ballot = vote(answer.value)
    const fits = counting.add(number, ballot)
    if (ballot !== undefined && fits) votes.push({ member, answer: answer.value, ballot })
    else abstentions.push({ _tag: fits ? "Abstained" : "Spoilt", member })
  }
  const tally = counting.tally()
  // Nobody else is heard in this round: who has not answered abstains.
  return { outcome: counting.close(), tally, votes, abstentions, budgetExceeded }
}
