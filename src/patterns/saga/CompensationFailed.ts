import * as Schema from "effect/Schema"

/**
 * A transaction failed and could not undo everything. Says what was undone and what was not.
 *
 * `cause` is the failure of the program itself, for which the transaction was to be undone.
 */
export class CompensationFailed extends Schema.TaggedError<CompensationFailed>()("CompensationFailed", {
  transaction: Schema.String,
  /** Steps that were undone, in the order in which they were. */
  undone: Schema.Array(Schema.String),
  notUndone: Schema.Array(Schema.Struct({ step: Schema.String, error: Schema.Defect() })),
  /** Steps that cannot be undone and had succeeded. */
  irreversible: Schema.Array(Schema.String),
  cause: Schema.Defect()
}) {
  override get message(): string {
    const left = [...this.notUndone.map(({ step }) => step), ...this.irreversible]
    const reason = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `Transaction "${this.transaction}" failed (${reason}) and left ${left.map((step) => `"${step}"`).join(", ")} behind.`
  }
}
