/**
 * The use cases of a task, as commands: requests to change its state. `TaskLifeCycle.decide` says what they lead to.
 *
 * Commands are data with a schema, so that an HTTP request, a queue message or a line of a file can be one. Each names
 * its task, and the moment when it was issued: deciding needs no clock.
 */
import * as Schema from "effect/Schema"

/** The moment of a command or an event. Milliseconds since the epoch in JSON. */
export const Instant = Schema.DateTimeUtcFromMillis

const addressed = { taskId: Schema.String, at: Instant }

/** Tries of the work, counted from 1. */
export const Attempt = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/** Accept work to do. */
export const CreateTask = Schema.TaggedStruct("CreateTask", {
  ...addressed,
  /** Name of the task's contract: `Task.make("Review", …)`. */
  task: Schema.String,
  input: Schema.Json,
  /** Higher goes first. */
  priority: Schema.Int
})
/** The task is valid: put it in the queue. */
export const QueueTask = Schema.TaggedStruct("QueueTask", addressed)
/** The task is not valid: cancel it, with every issue found. */
export const RejectTask = Schema.TaggedStruct("RejectTask", { ...addressed, issues: Schema.Array(Schema.String) })
/** Give the task to an agent. */
export const AssignTask = Schema.TaggedStruct("AssignTask", {
  ...addressed,
  agent: Schema.String,
  /** How sure the router was, from 0 to 1. */
  confidence: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
})
/** The assigned agent begins. */
export const ExecuteStep = Schema.TaggedStruct("ExecuteStep", addressed)
/** The agent delivered. */
export const CompleteTask = Schema.TaggedStruct("CompleteTask", {
  ...addressed,
  attempt: Attempt,
  output: Schema.Json
})
/** The agent failed, and that is the end of it. */
export const FailTask = Schema.TaggedStruct("FailTask", { ...addressed, attempt: Attempt, error: Schema.Json })
/** The agent failed or never began: back to the queue. */
export const RetryTask = Schema.TaggedStruct("RetryTask", {
  ...addressed,
  attempt: Attempt,
  error: Schema.Json,
  /** Not before this moment. */
  retryAt: Instant
})
/** Give the task up, whatever state it is in. */
export const CancelTask = Schema.TaggedStruct("CancelTask", { ...addressed, reason: Schema.String })

/**
 * Every use case of a task.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export const TaskCommand = Schema.Union([
  CreateTask,
  QueueTask,
  RejectTask,
  AssignTask,
  ExecuteStep,
  CompleteTask,
  FailTask,
  RetryTask,
  CancelTask
])
export type TaskCommand = typeof TaskCommand.Type
export type Tag = TaskCommand["_tag"]
export type Of<T extends Tag> = Extract<TaskCommand, { readonly _tag: T }>
