/** What can go wrong between a producer, a queue and its workers. */
import * as Schema from "effect/Schema"

/**
 * The store of the queue cannot be reached, refuses to work, or holds what cannot be read.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkQueueError extends Schema.TaggedError<WorkQueueError>()("WorkQueueError", {
  operation: Schema.String,
  retryable: Schema.Boolean,
  /** Why, as the second half of a sentence. */
  detail: Schema.optionalKey(Schema.String),
  cause: Schema.Defect()
}) {
  override get message(): string {
    const why = this.detail === undefined ? "" : `: ${this.detail}`
    return `The work queue could not ${this.operation}${why}${this.retryable ? "; trying again may help" : ""}.`
  }
}

/**
 * The queue holds as many unfinished items as it may. Nothing was added.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", {
  queue: Schema.String,
  capacity: Schema.Int
}) {
  override get message(): string {
    return `Queue "${this.queue}" is full: it holds ${this.capacity} unfinished items.`
  }
}

/**
 * There is no such item: it was never offered, or its outcome was kept for long enough and is forgotten.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkItemUnknown extends Schema.TaggedError<WorkItemUnknown>()("WorkItemUnknown", {
  queue: Schema.String,
  id: Schema.String
}) {
  override get message(): string {
    return `Queue "${this.queue}" knows no item "${this.id}".`
  }
}

/**
 * Why an item was given up.
 *
 * - `"Failed"`: its handler failed with a typed error, and the retries are used up.
 * - `"Died"`: the same with a defect.
 * - `"WorkerLost"`: its workers went away in the middle of it, too often.
 * - `"Undecodable"`: it does not match the schema of the queue; no handler was started.
 *
 * @category models
 * @since 0.1.0
 */
export const DeathReason = Schema.Literals(["Failed", "Died", "WorkerLost", "Undecodable"])
export type DeathReason = typeof DeathReason.Type

const because: Record<DeathReason, string> = {
  Failed: "its handler failed",
  Died: "its handler died",
  WorkerLost: "its worker was lost",
  Undecodable: "it does not match the schema of the queue"
}

/**
 * The item was given up and lies among the dead letters, where it can be redriven or discarded.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadLettered extends Schema.TaggedError<DeadLettered>()("DeadLettered", {
  queue: Schema.String,
  id: Schema.String,
  reason: DeathReason,
  /** Attempts that were started. */
  attempts: Schema.Int,
  /** What the last attempt ended with, to be read by people. */
  detail: Schema.String
}) {
  override get message(): string {
    return `Item "${this.id}" of queue "${this.queue}" was given up after ${this.attempts} attempts, for ${because[this.reason]}: ${this.detail}`
  }
}
