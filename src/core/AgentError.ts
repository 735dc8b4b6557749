/** How the call of an agent can fail, beyond the failures of its task. */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** A value crossed the agent's boundary that its task does not allow. Nothing ran on a wrong input; a wrong output went nowhere. */
export class ContractViolation extends Schema.TaggedError<ContractViolation>()("ContractViolation", {
  agent: Schema.String,
  task: Schema.String,
  side: Schema.Literals(["input", "output"]),
  /** Where in the value, from the outside in. Empty: the value as a whole. */
  path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
  issue: Schema.String
}) {
  override get message(): string {
    const where = this.path.length === 0 ? "" : ` at ${this.path.map((key) => JSON.stringify(key)).join(".")}`
    return `Agent "${this.agent}" ${this.side === "input" ? "was given a wrong input" : "returned a wrong output"} for task "${this.task}"${where}: ${this.issue}`
  }
}

/** The agent did not finish within its time limit and was interrupted. */
export class AgentTimedOut extends Schema.TaggedError<AgentTimedOut>()("AgentTimedOut", {
  agent: Schema.String,
  timeout: Schema.DurationFromMillis
}) {
  override get message(): string {
    return `Agent "${this.agent}" did not finish within ${Duration.format(this.timeout)}.`
  }
}

/**
 * A step that must not run twice was started, its owner died, and nobody knows whether it took effect.
 *
 * A person or a policy settles it: look at the other side, then go on or undo.
 */
export class UnknownOutcome extends Schema.TaggedError<UnknownOutcome>()("UnknownOutcome", {
  agent: Schema.String,
  path: Schema.String,
  idempotencyKey: Schema.String,
  startedAt: Schema.Number
}) {
  override get message(): string {
    return `Step "${this.path}" of agent "${this.agent}" was started but its outcome is unknown (idempotency key ${this.idempotencyKey}).`
  }
}
