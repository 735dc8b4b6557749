/**
 * What a verifier says about a candidate: accepted, or rejected with feedback for the next attempt.
 *
 * A rejection is an answer, not an error. Both may carry a score, by which candidates are compared; higher is better.
 */
import * as Schema from "effect/Schema"
import * as Task from "../core/Task.ts"

/** Good enough. */
export interface Accepted {
  readonly _tag: "Accepted"
  readonly score?: number
}

/** Not good enough, and why: what the next attempt should know. */
export interface Rejected<out Feedback> {
  readonly _tag: "Rejected"
  readonly feedback: Feedback
  readonly score?: number
}

export type Verdict<Feedback> = Accepted | Rejected<Feedback>

/** The feedback of a verdict's type. */
export type Feedback<V> = V extends Rejected<infer F> ? F : never

const ofScore = (score: number | undefined) => (score === undefined ? {} : { score })

/**
 * Accepts a candidate.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const accepted = (score?: number): Accepted => ({ _tag: "Accepted", ...ofScore(score) })

/**
 * Rejects a candidate.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const rejected = <Feedback>(feedback: Feedback, score?: number): Rejected<Feedback> => ({
  _tag: "Rejected",
  feedback,
  ...ofScore(score)
})

const score = Schema.optionalKey(Schema.Finite)

/** The schema of a verdict with this feedback. */
export type VerdictSchema<Feedback extends Schema.Constraint> = Schema.Union<
  readonly [
    Schema.TaggedStruct<"Accepted", { readonly score: Schema.optionalKey<Schema.Finite> }>,
    Schema.TaggedStruct<"Rejected", { readonly feedback: Feedback; readonly score: Schema.optionalKey<Schema.Finite> }>
  ]
>

/**
 * The schema of a verdict, for the output of a verifying agent. `feedback` is a schema, or the fields of a struct.
 *
 * @category schemas
 * @stability experimental
 * @since 0.1.0
 */
export const schema = <const F extends Task.SchemaOrFields>(feedback: F): VerdictSchema<Task.ToSchema<F>> =>
  Schema.Union([
    Schema.TaggedStruct("Accepted", { score }),
    Schema.TaggedStruct("Rejected", { feedback: Task.toSchema(feedback), score })
  ])
