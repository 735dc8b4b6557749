/**
 * Tutti orchestrates work: agents, tasks, sagas, graphs.
 *
 * An agent is a named, typed, observable function; a pattern turns agents into an agent.
 */
export * as Agent from "./core/Agent.ts"
export { AgentTimedOut, ContractViolation, UnknownOutcome } from "./core/AgentError.ts"
export * as OrchestrationEvent from "./core/OrchestrationEvent.ts"
export * as Run from "./core/Run.ts"
export * as Task from "./core/Task.ts"
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
