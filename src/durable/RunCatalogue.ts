/**
 * The run catalogue: a read model of all runs, projected from the log.
 *
 * It lags behind the log and catches up before it answers. A crash loses nothing of it: its checkpoint is stored in the
 * same commit as the summaries, and the log behind the checkpoint is read again.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as OrchestrationEvent from "../core/OrchestrationEvent.ts"
import * as RunLifeCycle from "../core/RunLifeCycle.ts"
import type { Position, StoredEvent } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import type { Document, Persistence, PersistenceError, Put, Query } from "../persistence/Persistence.ts"

const RunSummaryFields = {
  runId: Schema.String,
  definition: Schema.String,
  definitionVersion: Schema.Int,
  status: RunLifeCycle.RunStatus,
  key: Schema.optionalKey(Schema.String),
  parent: Schema.optionalKey(Schema.String),
  owner: Schema.String,
  /** Milliseconds since the Unix epoch. */
  startedAt: Schema.Number,
  updatedAt: Schema.Number,
  endedAt: Schema.optionalKey(Schema.Number)
}
/** What the catalogue knows of a run. */
export const RunSummary = Schema.Struct(RunSummaryFields)
export type RunSummary = typeof RunSummary.Type

export interface RunFilter {
  readonly definition?: string
  readonly status?: RunLifeCycle.RunStatus | ReadonlyArray<RunLifeCycle.RunStatus>
  readonly key?: string
  readonly parent?: string
  /** Name of the engine that carries the run out, or did last. */
  readonly owner?: string
  /** At most so many. Default 100. */
  readonly limit?: number
  readonly offset?: number
}

/** Statuses of runs that have not ended. */
export const openStatuses: ReadonlyArray<RunLifeCycle.RunStatus> = ["running", "paused", "blocked", "cancelling"]

const collection = "runs"
const checkpoints = { collection: "checkpoints", id: "tutti/RunCatalogue" }
const pageSize = 1000

export interface RunCatalogue {
  readonly list: (filter: RunFilter) => Effect.Effect<ReadonlyArray<RunSummary>, EventStoreError | PersistenceError>
  readonly get: (runId: string) => Effect.Effect<RunSummary | undefined, EventStoreError | PersistenceError>
  /** Projects what the log holds beyond the checkpoint. */
  readonly catchUp: Effect.Effect<void, EventStoreError | PersistenceError>
}

export const make = Effect.fnUntraced(function* (
  store: typeof EventStore.Service,
  persistence: typeof Persistence.Service
) {
  const oneAtATime = yield* Semaphore.make(1)
  const catchUp = oneAtATime.withPermits(1)(project(store, persistence))
  const catalogue: RunCatalogue = {
    catchUp,
    list: (filter) =>
      Effect.andThen(
        catchUp,
        Effect.map(persistence.query(collection, queryOf(filter)), (documents) => documents.map(summaryOf))
      ),
    get: (runId) =>
      Effect.andThen(
        catchUp,
        Effect.map(persistence.get(collection, runId), (document) => document && summaryOf(document))
      )
  }
  return catalogue
})

const summaryOf = (document: Document): RunSummary => document.body as unknown as RunSummary

const queryOf = (filter: RunFilter): Query => {
  const { limit, offset, ...where } = filter
  return {
    where: where as NonNullable<Query["where"]>,
    orderBy: "startedAt",
    descending: true,
    limit: limit ?? 100,
    offset: offset ?? 0
  }
}

const project = (store: typeof EventStore.Service, persistence: typeof Persistence.Service) =>
  Effect.gen(function* () {
    const checkpoint = yield* persistence.get(checkpoints.collection, checkpoints.id)
    const after = (checkpoint?.body["position"] as Position | undefined) ?? 0
    yield* store.readAll({ after, types: OrchestrationEvent.runTags, streamPrefix: "run/" }).pipe(
      Stream.rechunk(pageSize),
      Stream.runForEachArray((events) => projectPage(persistence, events))
    )
  })

const projectPage = (persistence: typeof Persistence.Service, events: ReadonlyArray<StoredEvent>) =>
  Effect.gen(function* () {
    const changed = new Map<string, RunSummary>()
    for (const event of events) {
      const runId = event.meta.runId ?? event.stream.slice("run/".length)
      const known =
        changed.get(runId) ??
        (event.type === "RunStarted"
          ? undefined
          : yield* Effect.map(persistence.get(collection, runId), (document) => document && summaryOf(document)))
      const next = evolve(known, event)
      if (next !== undefined) changed.set(runId, next)
    }
    const puts: Array<Put> = []
    for (const [id, summary] of changed) puts.push({ collection, id, body: summary as unknown as Schema.JsonObject })
    const position = events[events.length - 1]!.position
    yield* persistence.putAll([...puts, { ...checkpoints, body: { position } }])
  })

const begun = (event: StoredEvent, started: OrchestrationEvent.Of<"RunStarted">): RunSummary => ({
  runId: event.meta.runId ?? event.stream.slice("run/".length),
  definition: started.definition,
  definitionVersion: (event.data as { readonly definitionVersion: number }).definitionVersion,
  status: "running",
  ...(started.key === undefined ? {} : { key: started.key }),
  ...(started.parent === undefined ? {} : { parent: started.parent.runId }),
  owner: started.owner,
  startedAt: event.meta.timestamp,
  updatedAt: event.meta.timestamp
})

/** The summary after an event. Applying an event twice changes nothing more. */
export const evolve = (summary: RunSummary | undefined, event: StoredEvent): RunSummary | undefined => {
  const { data, meta, type } = event as StoredEvent & { readonly data: any }
  if (type === "RunStarted") return begun(event, data)
  // A run that began anew may have forgotten its start before the catalogue saw it.
  if (summary === undefined) return type === "RunContinued" ? begun(event, data.started) : undefined
  const status = RunLifeCycle.evolve(summary.status, type) ?? summary.status
  return {
    ...summary,
    status,
    updatedAt: meta.timestamp,
    ...(type === "RunRecovered" ? { owner: data.owner } : {}),
    // It may have forgotten its recovery before the catalogue saw it.
    ...(type === "RunContinued" ? { owner: data.started.owner } : {}),
    ...(openStatuses.includes(status) ? {} : { endedAt: meta.timestamp })
  }
}
