/**
 * Everything in one PostgreSQL database: for many processes on many machines.
 *
 * Tables, in one schema (default `public`): `tutti_events` and `tutti_streams` (the log), `tutti_documents` (read models,
 * checkpoints, leases), `tutti_queues`, `tutti_queue_items` and `tutti_queue_keys` (work queues), `workflow_hooks` (the
 * configuration of hooks) and `tutti_schema` (versions of the others); functions: `tutti_append`, `tutti_append_one`,
 * `tutti_append_next`, `tutti_append_each`, `tutti_delete`, `tutti_put`, `tutti_queue_…`, `workflow_hooks_changed`. They may
 * share a database, and a schema, with tables of yours. They are made and brought up to date when the layer is built, by one
 * process at a time.
 *
 * What is acknowledged is as durable as the server's `synchronous_commit` makes a commit: see `docs/reference/postgres.md`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as JournalEngine from "../durable/JournalEngine.ts"
import type { EngineError } from "../durable/RunError.ts"
import * as EventStore from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import * as PostgresEventStore from "../event-store/PostgresEventStore.ts"
import { CurrentHookStore } from "../hooks/HookStore.ts"
import * as PostgresHookStore from "../hooks/PostgresHookStore.ts"
import { Persistence } from "../persistence/Persistence.ts"
import * as PostgresPersistence from "../persistence/PostgresPersistence.ts"
import * as PostgresClient from "./PostgresClient.ts"
import * as PostgresWorkQueue from "../queues/PostgresWorkQueue.ts"
import * as Deployment from "./Deployment.ts"

/**
 * The database, what to do when it is not there, and how the log is batched and watched.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends PostgresClient.Options, PostgresEventStore.Options, EventStore.Options {
  readonly engine?: JournalEngine.Options
}

/**
 * Everything that a deployment provides.
 *
 * @category models
 * @since 0.1.0
 */
export type Services = Deployment.Services

/**
 * A deployment on one PostgreSQL database.
 *
 * **Errors**
 *
 * `EventStoreError` with `StoreCorrupt`: the tables were made by a newer Tutti, or are damaged. With `StoreUnavailable`:
 * access was refused, the options are wrong, or, if `whenDown` is `"fail"`, the server cannot be reached.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Services, EventStoreError | EngineError> =>
  Deployment.make(stores(options), options.engine)

/**
 * As `layer`, with `TUTTI_POSTGRES_URL` and, if it is set, `TUTTI_POSTGRES_SCHEMA` from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Omit<Options, "url" | "schema"> = {}
): Layer.Layer<Services, EventStoreError | EngineError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(configured, (given) => layer({ ...options, ...given })))

/**
 * The stores of a deployment, without an engine: to look at runs without taking part.
 *
 * @category layers
 * @since 0.1.0
 */
export const stores = (options: Options): Layer.Layer<Deployment.Stores, EventStoreError> => {
  const database = PostgresClient.layer(options).pipe(
    Layer.catch((error) => Layer.effectContext(Effect.fail(PostgresEventStore.storeError(error))))
  )
  const documents = Deployment.orStoreError(Layer.effect(Persistence, PostgresPersistence.make))
  const queues = Deployment.orStoreError(PostgresWorkQueue.layer)
  const log = EventStore.layerWith(options).pipe(Layer.provideMerge(PostgresEventStore.layerDriver(options)))
  const hooks = Deployment.orStoreError(Layer.effect(CurrentHookStore, PostgresHookStore.make))
  return Layer.mergeAll(log, documents, queues, hooks).pipe(Layer.provide(database))
}

const configured = Effect.gen(function* () {
  const url = yield* Config.Redacted("TUTTI_POSTGRES_URL")
  const schema = yield* Config.String("TUTTI_POSTGRES_SCHEMA").pipe(Config.withDefault("public"))
  return { url, schema }
})
