/**
 * What patterns state about themselves, each at its place in the program: the part of the vocabulary of the log that
 * belongs to them. Below an engine they become events of the run; outside of one nobody hears them.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Run from "./Run.ts"

// Supervisor
export const WorkerAssigned = Schema.TaggedStruct("WorkerAssigned", {
  worker: Schema.String,
  confidence: Schema.Number
})
export const WorkerRestarted = Schema.TaggedStruct("WorkerRestarted", { worker: Schema.String, error: Schema.String })
export const WorkerFailed = Schema.TaggedStruct("WorkerFailed", { worker: Schema.String, error: Schema.String })
export const WorkerRerouted = Schema.TaggedStruct("WorkerRerouted", { from: Schema.String, error: Schema.String })
export const CircuitOpened = Schema.TaggedStruct("CircuitOpened", { worker: Schema.String })

// TaskGraph
export const NodeSkipped = Schema.TaggedStruct("NodeSkipped", { node: Schema.String, reason: Schema.String })

// Saga
export const CompensationStarted = Schema.TaggedStruct("CompensationStarted", {
  transaction: Schema.String,
  steps: Schema.Array(Schema.String)
})
export const CompensationCompleted = Schema.TaggedStruct("CompensationCompleted", {
  transaction: Schema.String,
  undone: Schema.Array(Schema.String),
  notUndone: Schema.Array(Schema.String)
})

/** Every event that a pattern of Tutti states. */
export const PatternEvent = Schema.Union([
  WorkerAssigned,
  WorkerRestarted,
  WorkerFailed,
  WorkerRerouted,
  CircuitOpened,
  NodeSkipped,
  CompensationStarted,
  CompensationCompleted
])
export type PatternEvent = typeof PatternEvent.Type

/** States an event of the vocabulary in the log of the current run. Outside a run: nothing. */
export const state = (event: PatternEvent): Effect.Effect<void> =>
  Run.withCurrent(({ run, scope }) => {
    const { _tag, ...data } = event
    return run.note(scope, { type: _tag, data })
  }, Effect.void)
