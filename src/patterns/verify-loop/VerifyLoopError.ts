/** How a verify loop ends without an answer. */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Task from "../../core/Task.ts"
import { BudgetExceeded } from "../../policies/Budget.ts"
import * as Verdict from "../Verdict.ts"
import { best, type Round } from "./VerifyLoopStrategy.ts"

/** All rounds are used up. */
export const RoundsExhausted = Schema.TaggedStruct("RoundsExhausted", { limit: Schema.Int })
/** So many rounds in a row brought nothing new. */
export const Stalled = Schema.TaggedStruct("Stalled", { limit: Schema.Int })
/** The time is up. What was under way was interrupted. */
export const TimeExceeded = Schema.TaggedStruct("TimeExceeded", { limit: Schema.DurationFromMillis })
/** The strategy gave up. */
export const Stopped = Schema.TaggedStruct("Stopped", { strategy: Schema.String })

/** Why a loop ended without an answer. `BudgetExceeded`: an attempt or a verification met the end of a budget. */
export const Reason = Schema.Union([RoundsExhausted, Stalled, TimeExceeded, Stopped, BudgetExceeded])
export type Reason = typeof Reason.Type

const describe = (reason: Reason): string => {
  switch (reason._tag) {
    case "RoundsExhausted":
      return `all ${reason.limit} rounds are used up`
    case "Stalled":
      return `${reason.limit} rounds in a row brought nothing new`
    case "TimeExceeded":
      return `${Duration.format(reason.limit)} have passed`
    case "Stopped":
      return `strategy "${reason.strategy}" gave up`
    case "BudgetExceeded":
      return reason.message.replace(/\.$/, "")
  }
}

/**
 * The loop ended without an answer. Everything that was tried is in it, and `best` of that.
 *
 * **Details** `Effect.catchReason("NotAccepted", "Stalled", …)` handles one ending. For an orchestration's `error`, and
 * wherever it must survive a restart, `NotAccepted.schema` makes its schema.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class NotAccepted<out Candidate, out Feedback> extends Data.TaggedError("NotAccepted")<{
  readonly loop: string
  readonly reason: Reason
  /** By number. Empty: no round was completed. */
  readonly rounds: ReadonlyArray<Round<any, any>>
}> {
  declare readonly rounds: ReadonlyArray<Round<Candidate, Feedback>>

  // It names the type parameters, which the class above cannot.
  // oxlint-disable-next-line no-useless-constructor
  constructor(fields: {
    readonly loop: string
    readonly reason: Reason
    readonly rounds: ReadonlyArray<Round<Candidate, Feedback>>
  }) {
    super(fields)
  }

  /** Accepted before rejected, then the higher score, then the earlier. `undefined`: no round was completed. */
  get best(): Round<Candidate, Feedback> | undefined {
    return best(this.rounds)
  }

  override get message(): string {
    const rounds = `${this.rounds.length} ${this.rounds.length === 1 ? "round" : "rounds"}`
    return `Loop "${this.loop}" ended without an answer after ${rounds}: ${describe(this.reason)}.`
  }

  /**
   * The schema of this error for candidates and feedback of these schemas, or fields of structs.
   *
   * @category schemas
   */
  static schema<const C extends Task.SchemaOrFields, const F extends Task.SchemaOrFields>(
    candidate: C,
    feedback: F
  ): Schema.Codec<NotAccepted<Task.ToSchema<C>["Type"], Task.ToSchema<F>["Type"]>, NotAcceptedEncoded<C, F>> {
    const fields = Schema.TaggedStruct("NotAccepted", {
      loop: Schema.String,
      reason: Reason,
      rounds: Schema.Array(
        Schema.Struct({
          number: Schema.Int,
          candidate: Task.toSchema(candidate),
          verdict: Verdict.schema(feedback)
        })
      )
    })
    return fields.pipe(
      Schema.decodeTo(
        Schema.instanceOf(NotAccepted),
        SchemaTransformation.transform({
          decode: (fields: any) => new NotAccepted<any, any>(fields),
          encode: ({ _tag, loop, reason, rounds }: any) => ({ _tag, loop, reason, rounds })
        })
      )
    ) as any
  }
}

/** What the error is encoded to. */
export interface NotAcceptedEncoded<C extends Task.SchemaOrFields, F extends Task.SchemaOrFields> {
  readonly _tag: "NotAccepted"
  readonly loop: string
  readonly reason: (typeof Reason)["Encoded"]
  readonly rounds: ReadonlyArray<{
    readonly number: number
    readonly candidate: Task.ToSchema<C>["Encoded"]
    readonly verdict: Verdict.VerdictSchema<Task.ToSchema<F>>["Encoded"]
  }>
}
