/**
 * What keeps runs alive: the port that every engine implements.
 *
 * It speaks of encoded values only; `Orchestration` puts the types on. A run is accepted once it is in the log, and an
 * accepted run ends, whatever happens to the process.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { StoredEvent } from "../event-store/Envelope.ts"
import type { Program } from "./LiveRun.ts"
import type { RunEnd } from "./RunEnd.ts"
import type { RunFilter, RunSummary } from "./RunCatalogue.ts"
import type { EngineError, RunLost, RunNotFound } from "./RunError.ts"

/** An orchestration as an engine sees it. */
export interface Definition {
  readonly name: string
  readonly version: number
  /** Versions of which this program can also carry out the runs in flight. */
  readonly compatibleWith: ReadonlyArray<number>
  readonly startMarkers: boolean
  readonly program: Program
}

export interface StartOptions {
  readonly definition: string
  readonly definitionVersion: number
  readonly runId: string
  readonly input: Schema.Json
  readonly key?: string | undefined
  readonly parent?: { readonly runId: string; readonly path: string } | undefined
  readonly correlationId?: string | undefined
  /** Id of the event that directly led to the start. */
  readonly causationId?: string | undefined
}

export class Engine extends Context.Service<
  Engine,
  {
    /** Who this engine is in the log: the owner of the runs that it carries out. */
    readonly owner: string
    /** Makes a program known until the scope closes, and takes over the open runs of it whose owner is gone. */
    readonly register: (definition: Definition) => Effect.Effect<void, EngineError, Scope.Scope>
    /** Accepts a run. Starting the same run id again changes nothing: `false`. */
    readonly start: (options: StartOptions) => Effect.Effect<boolean, EngineError>
    /** Waits until the run ended, here or elsewhere. */
    readonly await: (runId: string) => Effect.Effect<RunEnd, RunLost | RunNotFound>
    /** Stores a signal. `id`: sent twice, it counts once. A run that has ended ignores it. */
    readonly signal: (
      runId: string,
      signal: {
        readonly name: string
        readonly payload: Schema.Json
        readonly id?: string | undefined
      }
    ) => Effect.Effect<void, EngineError | RunNotFound>
    /** Asks the run to stop and undo. Returns when the request is stored. */
    readonly cancel: (runId: string, reason?: string) => Effect.Effect<void, EngineError | RunNotFound>
    readonly pause: (runId: string) => Effect.Effect<void, EngineError | RunNotFound>
    readonly resume: (runId: string) => Effect.Effect<void, EngineError | RunNotFound>
    /** Runs of the catalogue, newest first: everything acknowledged before the call is in it. */
    readonly list: (filter?: RunFilter) => Effect.Effect<ReadonlyArray<RunSummary>, EngineError>
    readonly get: (runId: string) => Effect.Effect<RunSummary, EngineError | RunNotFound>
    /** The run's events from the first on; `live`: and those that come, until it ended. */
    readonly events: (runId: string, options?: { readonly live?: boolean }) => Stream.Stream<StoredEvent, EngineError>
  }
>()("tutti/durable/Engine") {}
