/** How a run can end, or stop, other than by its own success or failure. */
import * as Schema from "effect/Schema"

/** The run was cancelled and its compensations ran. */
export class RunCancelled extends Schema.TaggedError<RunCancelled>()("RunCancelled", {
  runId: Schema.String,
  reason: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return `Run "${this.runId}" was cancelled${this.reason === undefined ? "" : `: ${this.reason}`}.`
  }
}

/**
 * The program asked for something else than its journal holds: it was changed while this run was in flight, or it
 * decides by something that is not recorded. The run stays open and goes on with a program that matches.
 */
export class NonDeterminism extends Schema.TaggedError<NonDeterminism>()("NonDeterminism", {
  runId: Schema.String,
  path: Schema.String,
  expected: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `Run "${this.runId}" does not match its journal at "${this.path}": expected ${this.expected}, found ${this.found}.`
  }
}

/** Another owner took the run over. This one may no longer write; the run goes on there. */
export class Fenced extends Schema.TaggedError<Fenced>()("Fenced", {
  runId: Schema.String,
  epoch: Schema.Int
}) {
  override get message(): string {
    return `Run "${this.runId}" was taken over by another owner (this one wrote with epoch ${this.epoch}).`
  }
}

/** The engine stopped while the run was open. It goes on where an engine recovers it. */
export class EngineStopped extends Schema.TaggedError<EngineStopped>()("EngineStopped", {
  runId: Schema.String
}) {
  override get message(): string {
    return `The engine stopped before run "${this.runId}" ended; the run goes on at the next start.`
  }
}

/** There is no run of this id. */
export class RunNotFound extends Schema.TaggedError<RunNotFound>()("RunNotFound", {
  runId: Schema.String
}) {
  override get message(): string {
    return `There is no run "${this.runId}".`
  }
}

/** The engine's stores refused. What was acknowledged before is safe; the run stays open. */
export class EngineError extends Schema.TaggedError<EngineError>()("EngineError", {
  operation: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const detail = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `The engine could not ${this.operation}: ${detail}`
  }
}

/** Why an open run is no longer carried out here. */
export type RunLost = NonDeterminism | Fenced | EngineStopped | EngineError
