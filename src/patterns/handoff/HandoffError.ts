/** How a handoff can fail, beyond the failures of its legs and verifiers. */
import * as Schema from "effect/Schema"

/** A gate sent the baton back. */
export const Rejection = Schema.Struct({
  gate: Schema.String,
  /** The leg whose output did not pass. */
  leg: Schema.String,
  /** The leg that the baton went back to, or would have. */
  back: Schema.String,
  /** Encoded with the schema of the handoff's feedback. */
  feedback: Schema.Json
})
export type Rejection = typeof Rejection.Type

/** A gate rejected, and the baton may go back no more. Every leg was undone, as far as legs can be. */
export class HandoffRejected extends Schema.TaggedError<HandoffRejected>()("HandoffRejected", {
  handoff: Schema.String,
  leg: Schema.String,
  gate: Schema.String,
  /** How often the baton was allowed to go back. */
  returns: Schema.Int,
  /** All of them, the oldest first. The last one is that which ended the handoff. */
  rejections: Schema.Array(Rejection)
}) {
  override get message(): string {
    return `Handoff "${this.handoff}" ended: gate "${this.gate}" rejected the output of leg "${this.leg}", after ${this.returns} returns.`
  }
}
