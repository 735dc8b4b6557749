/** How a swarm can end without a decision. */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { AnyError } from "../../core/AnyError.ts"
import type * as Task from "../../core/Task.ts"
import type * as Consensus from "../consensus/Consensus.ts"
import * as ConsensusReason from "../consensus/ConsensusReason.ts"
import type { Abstention, CastBallot } from "./SwarmCount.ts"

/** Why there is no further round. */
export const Ending = Schema.Literals(["RoundsSpent", "Stalled", "Diverged", "BudgetExceeded"])
export type Ending = typeof Ending.Type

/** An error crosses stores and screens: of options, votes and abstentions it holds so many each. */
export const listed = 1_000

const endings: { readonly [E in Ending]: string } = {
  RoundsSpent: "all rounds were held",
  Stalled: "nothing changed any more",
  Diverged: "the members drifted apart",
  BudgetExceeded: "the budget was spent"
}

interface Parts<O extends Schema.Constraint, B extends Schema.Constraint, E extends Schema.Constraint> {
  readonly option: O
  readonly ballot: B
  readonly error: E
}

const fields = <O extends Schema.Constraint, B extends Schema.Constraint, E extends Schema.Constraint>({
  ballot,
  error,
  option
}: Parts<O, B, E>) => ({
  swarm: Schema.String,
  ending: Ending,
  /** What the rule misses. */
  reason: ConsensusReason.reasonFor(option),
  rounds: Schema.Int,
  /** Of the options the 1,000 leading ones. */
  tally: Schema.Struct({
    votes: Schema.Array(Schema.Struct({ option, votes: Schema.Number })),
    cast: Schema.Int,
    abstained: Schema.Int,
    unheard: Schema.Int,
    agreement: Schema.Number
  }),
  /** Options that are not in the tally. */
  others: Schema.Int,
  /** Who voted for what: the first 1,000 of `tally.cast`, in the order of the members. */
  votes: Schema.Array(Schema.Struct({ member: Schema.String, ballot })),
  /** Who was heard and has no vote, and why: the first 1,000 of `tally.abstained`, in the order of the members. */
  abstentions: Schema.Array(
    Schema.Union([
      Schema.TaggedStruct("Failed", { member: Schema.String, error }),
      Schema.TaggedStruct("Abstained", { member: Schema.String }),
      Schema.TaggedStruct("Spoilt", { member: Schema.String })
    ])
  ),
  /** Members that abstained because they failed. */
  failed: Schema.Int
})

const Option = Schema.String
const Ballot = Schema.Union([Option, Schema.Array(Option)])

/** The schema of a ballot: of an option, or of a ranking of options. */
type BallotSchema = Schema.ConstraintCodec<string, any> | Schema.$Array<Schema.ConstraintCodec<string, any>>

/**
 * The members of a swarm came to no decision.
 *
 * **Details** All fields tell of the last round. `Effect.catchReason("NoConsensus", "Tie", …)` handles one reason. The class
 * is a schema that keeps of a member's error name, message and, if it is tagged, its fields. `NoConsensus.schema(ballot, errors)`
 * is the one that brings them back as they were.
 *
 * **Gotchas** Where it is recorded, all of it is: up to 1,000 ballots, and as many abstentions with their errors.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class NoConsensus<out B extends Consensus.Ballot = Consensus.Ballot, out E = unknown> extends Schema.TaggedError<
  NoConsensus<any, any>
>()("NoConsensus", fields({ option: Option, ballot: Ballot, error: AnyError })) {
  declare readonly reason: Consensus.Reason<Consensus.OptionOf<B>>
  declare readonly tally: Consensus.Tally<Consensus.OptionOf<B>>
  declare readonly votes: ReadonlyArray<CastBallot<B>>
  declare readonly abstentions: ReadonlyArray<Abstention<E>>

  override get message(): string {
    const rounds = this.rounds === 1 ? "1 round" : `${this.rounds} rounds`
    const why = ConsensusReason.describe(this.reason)
    return `Swarm "${this.swarm}" came to no consensus in ${rounds} (${endings[this.ending]}), because ${why}.`
  }

  /** The schema of `NoConsensus` for ballots of this schema, an option or an array of them, and members that fail with `errors`. */
  static schema<B extends BallotSchema, S extends Task.ErrorSchema>(
    ballot: B,
    errors: S
  ): Schema.Codec<NoConsensus<B["Type"], S["Type"]>, unknown> {
    const option = "value" in ballot ? ballot.value : ballot
    // The compiler cannot see that fields of any schemas make the error that these schemas say; the signature does.
    const typed = fields<Schema.Constraint, Schema.Constraint, Schema.Constraint>({ option, ballot, error: errors })
    return Schema.Struct({ _tag: Schema.tag("NoConsensus"), ...typed }).pipe(
      Schema.decodeTo(
        Schema.instanceOf(NoConsensus),
        SchemaTransformation.transform({
          decode: (data: any) => new NoConsensus(data),
          encode: (error: any) => ({ ...error, _tag: "NoConsensus" as const })
        }) as any
      )
    ) as any
  }
}
