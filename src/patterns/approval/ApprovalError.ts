/** How a request for approval, and an answer to one, can fail. */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** Nobody who may answer did so in time. */
export class ApprovalTimedOut extends Schema.TaggedError<ApprovalTimedOut>()("ApprovalTimedOut", {
  approval: Schema.String,
  key: Schema.String,
  timeout: Schema.DurationFromMillis,
  /** Who could have answered. Empty: anyone. */
  to: Schema.Array(Schema.String),
  reminders: Schema.Int
}) {
  override get message(): string {
    const who = this.to.length === 0 ? "Nobody" : `None of ${this.to.join(", ")}`
    return `${who} answered request "${this.key}" of approval "${this.approval}" within ${Duration.format(this.timeout)}.`
  }
}

/** Nobody waits for this answer any more; it was not sent. */
export class ApprovalClosed extends Schema.TaggedError<ApprovalClosed>()("ApprovalClosed", {
  runId: Schema.String,
  approval: Schema.String,
  key: Schema.String,
  ending: Schema.Literals(["Answered", "Expired", "Withdrawn", "RunEnded"]),
  /** Who answered. */
  by: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const why = {
      Answered: `"${this.by}" has answered it`,
      Expired: "its time is up",
      Withdrawn: "the run no longer asks for it",
      RunEnded: "the run has ended"
    }
    return `Request "${this.key}" of approval "${this.approval}" in run "${this.runId}" is closed: ${why[this.ending]}.`
  }
}

/** The request is not addressed to this person; nothing was sent. */
export class NotAddressed extends Schema.TaggedError<NotAddressed>()("NotAddressed", {
  runId: Schema.String,
  approval: Schema.String,
  key: Schema.String,
  by: Schema.String,
  to: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `"${this.by}" may not answer request "${this.key}" of approval "${this.approval}" in run "${this.runId}": it is addressed to ${this.to.join(", ")}.`
  }
}
