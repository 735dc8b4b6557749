/**
 * Everything in one SQLite file: the default for a single machine. No server, no dependency.
 *
 * Tables: `tutti_events` and `tutti_streams` (the log), `tutti_documents` (read
 * models, checkpoints, leases), `tutti_queues`, `tutti_queue_items` and
 * `tutti_queue_keys` (work queues) and `tutti_schema` (versions of the others). They
 * may share a file with tables of yours. Beside the file lie `-wal` and `-shm`
 * while it is open; a backup copies all three, or uses `VACUUM INTO`.
 *
 * Several processes may share the file: their appends are fenced as those of
 * one, and their subscribers see each other's events within `pollInterval`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as JournalEngine from "../durable/JournalEngine.ts"
import type { EngineError } from "../durable/RunError.ts"
import * as EventStore from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import * as SqliteEventStore from "../event-store/SqliteEventStore.ts"
import { Persistence } from "../persistence/Persistence.ts"
import * as SqlitePersistence from "../persistence/SqlitePersistence.ts"
import * as NodeSqlite from "./NodeSqlite.ts"
import * as SqliteWorkQueue from "../queues/SqliteWorkQueue.ts"
import * as Deployment from "./Deployment.ts"

/**
 * The file, how safe a commit is, and how the log is batched and watched.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends NodeSqlite.Options, SqliteEventStore.Options, EventStore.Options {
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
 * A deployment on one SQLite file.
 *
 * **Errors**
 *
 * `EventStoreError` with `StoreCorrupt`: the file is not a database, is damaged,
 * or was written by a newer Tutti. With `StoreUnavailable`: it cannot be opened
 * or written to, or stayed locked.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Services, EventStoreError | EngineError> =>
  Deployment.make(stores(options), options.engine)

/**
 * As `layer`, with `filename` from `TUTTI_SQLITE_FILE` of the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Omit<Options, "filename"> = {}
): Layer.Layer<Services, EventStoreError | EngineError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.NonEmptyString("TUTTI_SQLITE_FILE"), (filename) => layer({ ...options, filename })))

/**
 * The stores of a deployment, without an engine: to look at runs without taking part.
 *
 * @category layers
 * @since 0.1.0
 */
export const stores = (options: Options): Layer.Layer<Deployment.Stores, EventStoreError> => {
  const database = NodeSqlite.layer(options).pipe(
    Layer.catch((error) => Layer.effectContext(Effect.fail(SqliteEventStore.storeError(error))))
  )
  const documents = Deployment.orStoreError(Layer.effect(Persistence, SqlitePersistence.make))
  const queues = Deployment.orStoreError(SqliteWorkQueue.layer(options))
  const log = EventStore.layerWith(options).pipe(Layer.provideMerge(SqliteEventStore.layerDriver(options)))
  return Layer.mergeAll(log, documents, queues).pipe(Layer.provide(database))
}
