import * as Schema from "effect/Schema"
import { AnyError } from "../../core/AnyError.ts"

/**
 * A transaction failed and could not undo everything. Says what was undone and what was not.
 *
 * `cause` is the failure of the program itself, for which the transaction was to be undone. Read from a journal it has lost its
 * class and its stack, and so have the errors in `notUndone`; name, message, and of a tagged error `_tag` and fields, are as they were.
 */
export class CompensationFailed extends Schema.TaggedError<CompensationFailed>()("CompensationFailed", {
  transaction: Schema.String,
  /** Steps that were undone, in the order in which they were. */
  undone: Schema.Array(Schema.String),
  notUndone: Schema.Array(Schema.Struct({ step: Schema.String, error: AnyError })),
  /** Steps that cannot be undone and had succeeded. */
  irreversible: Schema.Array(Schema.String),
  cause: AnyError
}) {
  override get message(): string {
    const left = [...this.notUndone.map(({ step }) => step), ...this.irreversible]
    const { cause } = this
    const reason = cause instanceof Error ? cause.message || cause.name : String(cause)
    return `Transaction "${this.transaction}" failed (${reason}) and left ${left.map((step) => `"${step}"`).join(", ")} behind.`
  }
}
