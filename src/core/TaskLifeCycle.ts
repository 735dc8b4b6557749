/**
 * The life of a task, from its submission to its end.
 *
 * ```
 * CreateTask ─▶ Pending ─▶ Queued ─▶ Assigned ─▶ Running ─▶ Completed | Failed
 *                  │          ▲          │          │
 *              RejectTask     └───── RetryTask ─────┘        CancelTask: from every state that is not final
 * ```
 *
 * Invariants (checked by `test/core/TaskLifeCycle.test.ts`):
 *
 *   T1. Every state is reached, and only along the arrows.
 *   T2. `Completed`, `Failed` and `Cancelled` are final.
 *   T3. Attempts are 1, 2, 3 …: a try that never began does not count.
 *   T4. A report about another attempt than the current one is refused, so a worker that was given up cannot end a task.
 *   T5. A command addressed to another task is refused.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as StateMachine from "./StateMachine.ts"
import { Attempt, Instant, type TaskCommand } from "./TaskCommand.ts"

const submission = { taskId: Schema.String, task: Schema.String, input: Schema.Json, priority: Schema.Int }
const assignment = { agent: Schema.String, attempt: Attempt }

/** No command has reached the task yet. */
export const Unsubmitted = Schema.TaggedStruct("Unsubmitted", {})
export const Pending = Schema.TaggedStruct("Pending", { ...submission, submittedAt: Instant })
export const Queued = Schema.TaggedStruct("Queued", {
  ...submission,
  /** The try to come. */
  attempt: Attempt,
  queuedAt: Instant,
  /** Not to be assigned before this moment. */
  readyAt: Instant
})
export const Assigned = Schema.TaggedStruct("Assigned", {
  ...submission,
  ...assignment,
  confidence: Schema.Finite,
  assignedAt: Instant
})
export const Running = Schema.TaggedStruct("Running", { ...submission, ...assignment, startedAt: Instant })
export const Completed = Schema.TaggedStruct("Completed", {
  ...submission,
  ...assignment,
  output: Schema.Json,
  startedAt: Instant,
  completedAt: Instant
})
export const Failed = Schema.TaggedStruct("Failed", {
  ...submission,
  ...assignment,
  error: Schema.Json,
  startedAt: Instant,
  failedAt: Instant
})
export const Cancelled = Schema.TaggedStruct("Cancelled", {
  ...submission,
  reason: Schema.String,
  /** What was wrong with a task that was rejected. Empty: it was cancelled. */
  issues: Schema.Array(Schema.String),
  cancelledAt: Instant
})

/**
 * A task as its events tell it.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export const TaskState = Schema.Union([Unsubmitted, Pending, Queued, Assigned, Running, Completed, Failed, Cancelled])
export type TaskState = typeof TaskState.Type

/** The word for a state in lists, filters and metrics. */
export const TaskStatus = Schema.Literals([
  "pending",
  "queued",
  "assigned",
  "running",
  "completed",
  "failed",
  "cancelled"
])
export type TaskStatus = typeof TaskStatus.Type

const happened = { taskId: Schema.String, at: Instant }

export const TaskSubmitted = Schema.TaggedStruct("TaskSubmitted", { ...submission, at: Instant })
/** It passed validation and stands in the queue. */
export const TaskValidated = Schema.TaggedStruct("TaskValidated", happened)
/** It did not pass validation and is cancelled. */
export const TaskRejected = Schema.TaggedStruct("TaskRejected", { ...happened, issues: Schema.Array(Schema.String) })
export const TaskRouted = Schema.TaggedStruct("TaskRouted", {
  ...happened,
  ...assignment,
  confidence: Schema.Finite
})
export const TaskStarted = Schema.TaggedStruct("TaskStarted", { ...happened, ...assignment })
export const TaskCompleted = Schema.TaggedStruct("TaskCompleted", {
  ...happened,
  ...assignment,
  output: Schema.Json
})
export const TaskFailed = Schema.TaggedStruct("TaskFailed", { ...happened, ...assignment, error: Schema.Json })
/** It went back to the queue. Elsewhere called `TaskRetry`. */
export const TaskRetried = Schema.TaggedStruct("TaskRetried", {
  ...happened,
  ...assignment,
  error: Schema.Json,
  nextAttempt: Attempt,
  retryAt: Instant
})
export const TaskCancelled = Schema.TaggedStruct("TaskCancelled", { ...happened, reason: Schema.String })

/**
 * What happens to a task.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export const TaskEvent = Schema.Union([
  TaskSubmitted,
  TaskValidated,
  TaskRejected,
  TaskRouted,
  TaskStarted,
  TaskCompleted,
  TaskFailed,
  TaskRetried,
  TaskCancelled
])
export type TaskEvent = typeof TaskEvent.Type

type Submission = Pick<typeof Pending.Type, "taskId" | "task" | "input" | "priority">

const submissionOf = ({ input, priority, task, taskId }: Submission): Submission => ({ taskId, task, input, priority })

type Assignment = Pick<typeof Running.Type, "taskId" | "agent" | "attempt">

const assignmentOf = ({ agent, attempt, taskId }: Assignment): Assignment => ({ taskId, agent, attempt })

type Decide<C extends TaskCommand["_tag"], State> = (
  state: State,
  command: Extract<TaskCommand, { readonly _tag: C }>
) => ReadonlyArray<TaskEvent>

const cancel: Decide<"CancelTask", unknown> = (_, { at, reason, taskId }) => [
  { _tag: "TaskCancelled", taskId, reason, at }
]

/** Back to the queue. A try that never began is tried again under its own number (T3). */
const retry =
  (tried: 0 | 1): Decide<"RetryTask", typeof Assigned.Type | typeof Running.Type> =>
  (state, { at, error, retryAt }) => [
    { _tag: "TaskRetried", ...assignmentOf(state), error, nextAttempt: state.attempt + tried, retryAt, at }
  ]

const giveUp = (
  state: Submission,
  { at, reason }: { readonly at: typeof Instant.Type; readonly reason: string }
): TaskState => ({ _tag: "Cancelled", ...submissionOf(state), reason, issues: [], cancelledAt: at })

const requeue = (state: Submission, { at, nextAttempt, retryAt }: typeof TaskRetried.Type): TaskState => ({
  _tag: "Queued",
  ...submissionOf(state),
  attempt: nextAttempt,
  queuedAt: at,
  readyAt: retryAt
})

const machine = StateMachine.make<TaskState, TaskCommand, TaskEvent>("task", {
  initialState: { _tag: "Unsubmitted" },
  decide: {
    Unsubmitted: {
      CreateTask: (_, command) => [{ _tag: "TaskSubmitted", ...submissionOf(command), at: command.at }]
    },
    Pending: {
      QueueTask: (_, { at, taskId }) => [{ _tag: "TaskValidated", taskId, at }],
      RejectTask: (_, { at, issues, taskId }) => [{ _tag: "TaskRejected", taskId, issues, at }],
      CancelTask: cancel
    },
    Queued: {
      AssignTask: ({ attempt }, { agent, at, confidence, taskId }) => [
        { _tag: "TaskRouted", taskId, agent, attempt, confidence, at }
      ],
      CancelTask: cancel
    },
    Assigned: {
      ExecuteStep: (state, { at }) => [{ _tag: "TaskStarted", ...assignmentOf(state), at }],
      RetryTask: retry(0),
      CancelTask: cancel
    },
    Running: {
      CompleteTask: (state, { at, output }) => [{ _tag: "TaskCompleted", ...assignmentOf(state), output, at }],
      FailTask: (state, { at, error }) => [{ _tag: "TaskFailed", ...assignmentOf(state), error, at }],
      RetryTask: retry(1),
      CancelTask: cancel
    },
    Completed: {},
    Failed: {},
    Cancelled: {}
  },
  evolve: {
    Unsubmitted: {
      TaskSubmitted: (_, event) => ({ _tag: "Pending", ...submissionOf(event), submittedAt: event.at })
    },
    Pending: {
      TaskValidated: (state, { at }) => ({
        _tag: "Queued",
        ...submissionOf(state),
        attempt: 1,
        queuedAt: at,
        readyAt: at
      }),
      TaskRejected: (state, { at, issues }) => ({
        _tag: "Cancelled",
        ...submissionOf(state),
        reason: "rejected",
        issues,
        cancelledAt: at
      }),
      TaskCancelled: giveUp
    },
    Queued: {
      TaskRouted: (state, { agent, at, attempt, confidence }) => ({
        _tag: "Assigned",
        ...submissionOf(state),
        agent,
        attempt,
        confidence,
        assignedAt: at
      }),
      TaskCancelled: giveUp
    },
    Assigned: {
      TaskStarted: (state, { agent, at, attempt }) => ({
        _tag: "Running",
        ...submissionOf(state),
        agent,
        attempt,
        startedAt: at
      }),
      TaskRetried: requeue,
      TaskCancelled: giveUp
    },
    Running: {
      TaskCompleted: ({ _tag, ...running }, { at, output }) => ({
        _tag: "Completed",
        ...running,
        output,
        completedAt: at
      }),
      TaskFailed: ({ _tag, ...running }, { at, error }) => ({ _tag: "Failed", ...running, error, failedAt: at }),
      TaskRetried: requeue,
      TaskCancelled: giveUp
    },
    Completed: {},
    Failed: {},
    Cancelled: {}
  }
})

/** Says why the content of a command does not fit the state (T4, T5). */
const mismatch = (state: TaskState, command: TaskCommand): string | undefined => {
  if (state._tag === "Unsubmitted") return undefined
  if (command.taskId !== state.taskId)
    return `it is addressed to task "${command.taskId}", and this is "${state.taskId}"`
  const isReport = "attempt" in command && "attempt" in state
  return isReport && command.attempt !== state.attempt
    ? `it reports on attempt ${command.attempt}, and attempt ${state.attempt} is the current one`
    : undefined
}

/**
 * The events that a command leads to. Pure: append them, then `evolve`.
 *
 * **Errors** `IllegalTransition` — the state does not accept the command, or the command is meant for another task or
 * another attempt.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export const decide = (
  state: TaskState,
  command: TaskCommand
): Result.Result<ReadonlyArray<TaskEvent>, StateMachine.IllegalTransition> => {
  const decided = machine.decide(state, command)
  if (Result.isFailure(decided)) return decided
  const issue = mismatch(state, command)
  return issue === undefined ? decided : Result.fail(machine.refusal(state, command, issue))
}

/** The state after an event. An event that does not fit the state changes nothing. */
export const evolve: (state: TaskState, event: TaskEvent) => TaskState = machine.evolve

/** Before the first event. */
export const initialState: TaskState = machine.initialState

/** Tags of the commands that the state accepts: what a user may do now. */
export const accepted: (state: TaskState) => ReadonlyArray<TaskCommand["_tag"]> = machine.accepted

/** `Completed`, `Failed` or `Cancelled`. */
export const isFinal: (state: TaskState) => boolean = machine.isFinal

/** The word for the state. `undefined`: there is no such task yet. */
export const statusOf = (state: TaskState): TaskStatus | undefined =>
  state._tag === "Unsubmitted" ? undefined : (state._tag.toLowerCase() as Lowercase<typeof state._tag>)
