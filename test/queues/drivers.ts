/** The drivers that the suites of work queues run against. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import * as NodeSqlite from "../../src/backends/NodeSqlite.ts"
import * as PostgresClient from "../../src/backends/PostgresClient.ts"
import * as MemoryWorkQueue from "../../src/queues/MemoryWorkQueue.ts"
import * as PostgresWorkQueue from "../../src/queues/PostgresWorkQueue.ts"
import * as RedisWorkQueue from "../../src/queues/RedisWorkQueue.ts"
import * as SqliteWorkQueue from "../../src/queues/SqliteWorkQueue.ts"
import type { WorkQueueDriver } from "../../src/queues/WorkQueueDriver.ts"
import type { WorkQueueError } from "../../src/queues/WorkQueueError.ts"
import { ReopenQueues } from "../../src/testing/conformance/WorkQueueConformance.ts"
import { temporaryFile } from "../backends.ts"
import { temporarySchema } from "../postgres.ts"
import { temporaryPrefix } from "../redis.ts"
import type { ServerError } from "../servers/ServerError.ts"

/** Where durable queues lie: can be told to another process. */
export type Place =
  | { readonly kind: "sqlite"; readonly filename: string }
  | { readonly kind: "redis" | "redis-cluster"; readonly url: string; readonly prefix: string }
  | { readonly kind: "postgres"; readonly url: string; readonly schema: string }

/** A place of one's own, cleared when the scope closes. */
export const place = (kind: Place["kind"]): Effect.Effect<Place, ServerError, Scope.Scope> => {
  switch (kind) {
    case "sqlite":
      return Effect.map(temporaryFile, (filename) => ({ kind, filename }))
    case "postgres":
      return Effect.map(temporarySchema, ({ schema, url }) => ({ kind, url: Redacted.value(url), schema }))
    default:
      return Effect.map(temporaryPrefix(kind), ({ prefix, url }) => ({ kind, url, prefix }))
  }
}

/** The queues of a place, as one process has them. */
export const open = (place: Place): Layer.Layer<WorkQueueDriver, WorkQueueError> => {
  switch (place.kind) {
    case "sqlite":
      return SqliteWorkQueue.layer({ pollInterval: "20 millis" }).pipe(
        Layer.provide(Layer.orDie(NodeSqlite.layer(place)))
      )
    case "postgres": {
      const options = { schema: place.schema, url: Redacted.make(place.url) }
      return PostgresWorkQueue.layer.pipe(Layer.provide(Layer.orDie(PostgresClient.layer(options))))
    }
    default:
      return RedisWorkQueue.layer(place).pipe(Layer.provide(IoRedis.layer(place)))
  }
}

export interface QueueBackend {
  readonly name: string
  /** Fresh queues for each build, with what it takes to open their data again. */
  readonly layer: Layer.Layer<WorkQueueDriver, WorkQueueError | ServerError>
}

const withReopen = (reopen: Layer.Layer<WorkQueueDriver, WorkQueueError>) =>
  Layer.merge(reopen, Layer.succeedContext(Context.make(ReopenQueues, Layer.fresh(reopen))))

export const durable = ["sqlite", "redis", "redis-cluster", "postgres"] as const

export const queueBackends: ReadonlyArray<QueueBackend> = [
  {
    name: "memory",
    layer: Layer.suspend(() => withReopen(MemoryWorkQueue.layerOf(MemoryWorkQueue.makeState())))
  },
  ...durable.map((kind) => ({
    name: kind,
    layer: Layer.unwrap(Effect.map(place(kind), (place) => withReopen(open(place))))
  }))
]
