/**
 * The vocabulary of the log: what happens to runs, steps, signals and timers, in the past tense.
 *
 * These events *are* the journal that recovery replays. The table in `docs/reference/events.md` sets the names other
 * systems use (`run:started`, `TaskCompleted`, …) beside ours. Events of your own join the same envelope through
 * `EventStream.make`.
 */
import * as Schema from "effect/Schema"
import * as PatternEvent from "./PatternEvent.ts"

const Data = Schema.Json

/** A run was accepted. From here on it is never lost. */
export const RunStarted = Schema.TaggedStruct("RunStarted", {
  definition: Schema.String,
  definitionVersion: Schema.Int,
  input: Data,
  key: Schema.optionalKey(Schema.String),
  /** Run and path of the step that started it as a child. */
  parent: Schema.optionalKey(Schema.Struct({ runId: Schema.String, path: Schema.String })),
  owner: Schema.String,
  epoch: Schema.Int
})
/** Another owner took the run over and replayed it. Fences the owner before. */
export const RunRecovered = Schema.TaggedStruct("RunRecovered", { owner: Schema.String, epoch: Schema.Int })
export const RunPaused = Schema.TaggedStruct("RunPaused", {})
export const RunResumed = Schema.TaggedStruct("RunResumed", {})
/** The program met its journal and did not match: it waits for a program that does. */
export const RunBlocked = Schema.TaggedStruct("RunBlocked", {
  path: Schema.String,
  expected: Schema.String,
  found: Schema.String
})
export const RunCancelRequested = Schema.TaggedStruct("RunCancelRequested", {
  reason: Schema.optionalKey(Schema.String)
})
export const RunCancelled = Schema.TaggedStruct("RunCancelled", { reason: Schema.optionalKey(Schema.String) })
export const RunCompleted = Schema.TaggedStruct("RunCompleted", { output: Data })
/** `error`: a typed failure. `defect`: a bug. */
export const RunFailed = Schema.TaggedStruct("RunFailed", {
  error: Schema.optionalKey(Data),
  defect: Schema.optionalKey(Data)
})
/** The run began anew with another input; what was before it is forgotten. */
export const RunContinued = Schema.TaggedStruct("RunContinued", {
  input: Data,
  definitionVersion: Schema.Int,
  /** The `RunStarted` of the run, which is truncated away. */
  started: Data,
  /** Inbox versions of the signals already dealt with. */
  consumed: Schema.Array(Schema.Int)
})

/** Written before the effect of a step that must not run twice, or of every step where start markers are on. */
export const StepStarted = Schema.TaggedStruct("StepStarted", { digest: Schema.String })
export const StepAttemptFailed = Schema.TaggedStruct("StepAttemptFailed", {
  attempt: Schema.Int,
  error: Data,
  /** Milliseconds since the epoch: the moment of the next attempt. */
  retryAt: Schema.Number
})
export const StepCompleted = Schema.TaggedStruct("StepCompleted", {
  digest: Schema.String,
  output: Schema.optionalKey(Data)
})
export const StepFailed = Schema.TaggedStruct("StepFailed", {
  digest: Schema.String,
  error: Schema.optionalKey(Data),
  defect: Schema.optionalKey(Data)
})

export const TimerScheduled = Schema.TaggedStruct("TimerScheduled", { deadline: Schema.Number })
export const TimerFired = Schema.TaggedStruct("TimerFired", {})

/** A command to a run, stored in the run's inbox before it is delivered. */
export const SignalSent = Schema.TaggedStruct("SignalSent", { signal: Schema.String, payload: Data })
export const CancelRequested = Schema.TaggedStruct("CancelRequested", { reason: Schema.optionalKey(Schema.String) })
export const PauseRequested = Schema.TaggedStruct("PauseRequested", {})
export const ResumeRequested = Schema.TaggedStruct("ResumeRequested", {})

/** The run took a signal out of its inbox. */
export const SignalReceived = Schema.TaggedStruct("SignalReceived", {
  signal: Schema.String,
  payload: Data,
  /** Version of the `SignalSent` in the inbox. */
  inbox: Schema.Int
})
/** A signal did not decode and was set aside. */
export const SignalRejected = Schema.TaggedStruct("SignalRejected", {
  signal: Schema.String,
  inbox: Schema.Int,
  issue: Schema.String
})
export const SignalTimedOut = Schema.TaggedStruct("SignalTimedOut", { signal: Schema.String })

export const ChildStarted = Schema.TaggedStruct("ChildStarted", { child: Schema.String })
/** New code met this run before the place of the patch was passed, so the new branch applies. */
export const PatchApplied = Schema.TaggedStruct("PatchApplied", { id: Schema.String })

/** Every event that Tutti itself writes. */
export const OrchestrationEvent = Schema.Union([
  RunStarted,
  RunRecovered,
  RunPaused,
  RunResumed,
  RunBlocked,
  RunCancelRequested,
  RunCancelled,
  RunCompleted,
  RunFailed,
  RunContinued,
  StepStarted,
  StepAttemptFailed,
  StepCompleted,
  StepFailed,
  TimerScheduled,
  TimerFired,
  SignalSent,
  CancelRequested,
  PauseRequested,
  ResumeRequested,
  SignalReceived,
  SignalRejected,
  SignalTimedOut,
  ChildStarted,
  PatchApplied,
  ...PatternEvent.PatternEvent.members
])
export type OrchestrationEvent = typeof OrchestrationEvent.Type
export type Tag = OrchestrationEvent["_tag"]
export type Of<T extends Tag> = Extract<OrchestrationEvent, { readonly _tag: T }>

/** Events that begin, end or change the state of a run: what the run catalogue is made of. */
export const runTags: ReadonlyArray<Tag> = [
  "RunStarted",
  "RunRecovered",
  "RunPaused",
  "RunResumed",
  "RunBlocked",
  "RunCancelRequested",
  "RunCancelled",
  "RunCompleted",
  "RunFailed",
  "RunContinued"
]
