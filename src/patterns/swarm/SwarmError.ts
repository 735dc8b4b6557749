/** How a swarm can end without a decision. */
import * as Schema from "effect/Schema"
import * as ConsensusReason from "../consensus/ConsensusReason.ts"

/** Why there is no further round. */
export const Ending = Schema.Literals(["RoundsSpent", "Stalled", "Diverged", "BudgetExceeded"])
export type Ending = typeof Ending.Type

/** An error crosses stores and screens: of many options, members and failures it names so many. */
export const listed = { options: 20, members: 10, failures: 10 }

const endings: { readonly [E in Ending]: string } = {
  RoundsSpent: "all rounds were held",
  Stalled: "nothing changed any more",
  Diverged: "the members drifted apart",
  BudgetExceeded: "the budget was spent"
}

/**
 * The members of a swarm came to no decision.
 *
 * **Details** All fields tell of the last round.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class NoConsensus extends Schema.TaggedError<NoConsensus>()("NoConsensus", {
  swarm: Schema.String,
  ending: Ending,
  /** What the rule misses. */
  reason: ConsensusReason.Reason,
  rounds: Schema.Int,
  /** The 20 leading options, with the first 10 members who voted for them, or ranked them first. */
  votes: Schema.Array(
    Schema.Struct({ option: Schema.String, votes: Schema.Number, members: Schema.Array(Schema.String) })
  ),
  /** Options that are not listed. */
  others: Schema.Int,
  cast: Schema.Int,
  abstained: Schema.Int,
  /** Members whose vote was not waited for. */
  unheard: Schema.Int,
  /** Members that abstained because they failed; the first 10 of them. */
  failures: Schema.Array(Schema.Struct({ member: Schema.String, error: Schema.Defect() })),
  failed: Schema.Int
}) {
  override get message(): string {
    const rounds = this.rounds === 1 ? "1 round" : `${this.rounds} rounds`
    const why = ConsensusReason.describe(this.reason)
    return `Swarm "${this.swarm}" came to no consensus in ${rounds} (${endings[this.ending]}), because ${why}.`
  }
}
