/**
 * Tutti orchestrates work: agents, tasks, sagas, graphs.
 *
 * An agent is a named, typed, observable function; a pattern turns agents into an agent.
 */

// What is said
export * as Agent from "./core/Agent.ts"
export { AgentTimedOut, ContractViolation, UnknownOutcome } from "./core/AgentError.ts"
export * as OrchestrationEvent from "./core/OrchestrationEvent.ts"
export * as Run from "./core/Run.ts"
export * as RunLifeCycle from "./core/RunLifeCycle.ts"
export { IllegalTransition } from "./core/StateMachine.ts"
export * as Task from "./core/Task.ts"
export * as TaskCommand from "./core/TaskCommand.ts"
export * as TaskLifeCycle from "./core/TaskLifeCycle.ts"

// What is remembered
export type {
  EventMeta,
  ExpectedVersion,
  NewEvent,
  Position,
  StoredEvent,
  StreamVersion
} from "./event-store/Envelope.ts"
export { StreamId } from "./event-store/Envelope.ts"
export * as EventStore from "./event-store/EventStore.ts"
export { EventStoreDriver } from "./event-store/EventStoreDriver.ts"
export {
  EventStoreError,
  StoreCorrupt,
  StoreUnavailable,
  StreamDeleted,
  VersionConflict
} from "./event-store/EventStoreError.ts"
export * as EventStream from "./event-store/EventStream.ts"
export * as Lease from "./persistence/Lease.ts"
export { Persistence, PersistenceError } from "./persistence/Persistence.ts"

// What is heard
export * as EventBus from "./events/EventBus.ts"

// What keeps it alive
export { Engine } from "./durable/Engine.ts"
export * as EphemeralEngine from "./durable/EphemeralEngine.ts"
export * as JournalEngine from "./durable/JournalEngine.ts"
export * as Orchestration from "./durable/Orchestration.ts"
export type { RunFilter, RunSummary } from "./durable/RunCatalogue.ts"
export {
  EngineError,
  EngineStopped,
  Fenced,
  NonDeterminism,
  RunCancelled,
  type RunLost,
  RunNotFound
} from "./durable/RunError.ts"
export type { RunHandle } from "./durable/RunHandle.ts"
export * as Signal from "./durable/Signal.ts"
export * as Step from "./durable/Step.ts"
export * as Timer from "./durable/Timer.ts"
export * as Breaker from "./policies/Breaker.ts"

// What it is for
export * as Directive from "./patterns/Directive.ts"
export { GraphInvalid } from "./patterns/GraphError.ts"
export * as GraphPlan from "./patterns/GraphPlan.ts"
export * as Join from "./patterns/Join.ts"
export * as Routing from "./patterns/Routing.ts"
export * as Saga from "./patterns/Saga.ts"
export * as Supervisor from "./patterns/Supervisor.ts"
export * as TaskGraph from "./patterns/TaskGraph.ts"
