/**
 * Tutti orchestrates work: agents, tasks, sagas, graphs.
 *
 * An agent is a named, typed, observable function; a pattern turns agents into an agent.
 */

// What is said
export * as Agent from "./core/Agent.ts"
export { AgentTimedOut, ContractViolation, UnknownOutcome } from "./core/AgentError.ts"
export * as Interceptor from "./core/Interceptor.ts"
export * as OrchestrationEvent from "./core/OrchestrationEvent.ts"
export * as PatternEvent from "./core/PatternEvent.ts"
export * as Run from "./core/Run.ts"
export * as RunLifeCycle from "./core/RunLifeCycle.ts"
export { IllegalTransition } from "./core/StateMachine.ts"
export * as Task from "./core/Task.ts"
export * as TaskCommand from "./core/TaskCommand.ts"
export * as TaskLifeCycle from "./core/TaskLifeCycle.ts"

// What is remembered
export * as Archive from "./event-store/Archive.ts"
export * as Causation from "./event-store/Causation.ts"
export type {
  EventMeta,
  ExpectedVersion,
  NewEvent,
  Position,
  StoredEvent,
  StreamVersion
} from "./event-store/Envelope.ts"
export { StreamId } from "./event-store/Envelope.ts"
export * as Erasure from "./event-store/Erasure.ts"
export * as EventStore from "./event-store/EventStore.ts"
export { EventStoreDriver } from "./event-store/EventStoreDriver.ts"
export {
  DocumentConflict,
  DocumentsUnsupported,
  EventStoreError,
  StoreCorrupt,
  StoreUnavailable,
  StreamDeleted,
  VersionConflict
} from "./event-store/EventStoreError.ts"
export * as EventStream from "./event-store/EventStream.ts"
export * as History from "./event-store/History.ts"
export * as LogExport from "./event-store/LogExport.ts"
export * as LogImport from "./event-store/LogImport.ts"
export * as Lease from "./persistence/Lease.ts"
export { Persistence, PersistenceError } from "./persistence/Persistence.ts"

// What is heard
export * as EventBus from "./events/EventBus.ts"
export * as Subscriber from "./events/Subscriber.ts"

// What follows from it
export * as CommandHandler from "./cqrs/CommandHandler.ts"
export * as Decider from "./cqrs/Decider.ts"
export * as InlineProjection from "./cqrs/InlineProjection.ts"
export * as Projection from "./cqrs/Projection.ts"
export { PositionNotReached, ProjectionFailed, ProjectionNotReady } from "./cqrs/ProjectionError.ts"
export * as ProjectionQuery from "./cqrs/ProjectionQuery.ts"
export * as ProjectionRunner from "./cqrs/ProjectionRunner.ts"

// What waits for a worker
export * as MemoryWorkQueue from "./queues/MemoryWorkQueue.ts"
export * as WorkQueue from "./queues/WorkQueue.ts"
export { WorkQueueDriver } from "./queues/WorkQueueDriver.ts"
export { DeadLettered, QueueFull, WorkItemUnknown, WorkQueueError } from "./queues/WorkQueueError.ts"

// What keeps it alive
export { Engine } from "./durable/Engine.ts"
export * as EphemeralEngine from "./durable/EphemeralEngine.ts"
export * as JournalEngine from "./durable/JournalEngine.ts"
export * as Orchestration from "./durable/Orchestration.ts"
export * as RunCausation from "./durable/RunCausation.ts"
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
export * as Budget from "./policies/Budget.ts"
export * as Health from "./policies/Health.ts"
export * as Bulkhead from "./policies/Bulkhead.ts"
export * as Deadline from "./policies/Deadline.ts"
export * as Fallback from "./policies/Fallback.ts"
export * as Hedge from "./policies/Hedge.ts"
export * as Policy from "./policies/Policy.ts"
export * as RateLimiter from "./policies/RateLimiter.ts"
export * as Retry from "./policies/Retry.ts"
export * as SharedBreaker from "./policies/SharedBreaker.ts"
export * as Timeout from "./policies/Timeout.ts"

// What it is for
export * as Approval from "./patterns/approval/Approval.ts"
export * as Auction from "./patterns/swarm/Auction.ts"
export * as Blackboard from "./patterns/swarm/Blackboard.ts"
export * as Cascade from "./patterns/Cascade.ts"
export * as Consensus from "./patterns/consensus/Consensus.ts"
export * as Debate from "./patterns/Debate.ts"
export * as Directive from "./patterns/supervisor/Directive.ts"
export { GraphInvalid } from "./patterns/task-graph/GraphError.ts"
export * as Gossip from "./patterns/swarm/Gossip.ts"
export * as GraphPlan from "./patterns/task-graph/GraphPlan.ts"
export * as Handoff from "./patterns/handoff/Handoff.ts"
export * as Hierarchy from "./patterns/hierarchy/Hierarchy.ts"
export * as Join from "./patterns/task-graph/Join.ts"
export * as MapReduce from "./patterns/MapReduce.ts"
export * as Pattern from "./patterns/pattern/Pattern.ts"
export * as PatternLibrary from "./patterns/library/PatternLibrary.ts"
export * as PatternTemplate from "./patterns/library/PatternTemplate.ts"
export * as Pipeline from "./patterns/Pipeline.ts"
export * as Race from "./patterns/Race.ts"
export * as Router from "./patterns/Router.ts"
export * as Routing from "./patterns/supervisor/Routing.ts"
export * as Saga from "./patterns/saga/Saga.ts"
export * as Supervisor from "./patterns/supervisor/Supervisor.ts"
export * as Swarm from "./patterns/swarm/Swarm.ts"
export * as TaskGraph from "./patterns/task-graph/TaskGraph.ts"
export * as Verdict from "./patterns/Verdict.ts"
export * as VerifyLoop from "./patterns/verify-loop/VerifyLoop.ts"

// What is asked from outside
export * as Hook from "./hooks/Hook.ts"
export { HookFailed, HookMisconfigured, HookRefused, HookUnknown } from "./hooks/HookError.ts"
