/**
 * The backends that contract suites run against.
 *
 * `BACKENDS=memory,embedded` narrows them; an unknown name throws. None is ever skipped: `backends.test.ts` lists them all,
 * and a server that cannot be had is a failure (`Servers.url`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Embedded from "../src/backends/Embedded.ts"
import * as IoRedis from "../src/backends/IoRedis.ts"
import * as Memory from "../src/backends/Memory.ts"
import * as NodeSqlite from "../src/backends/NodeSqlite.ts"
import * as Postgres from "../src/backends/Postgres.ts"
import * as PostgresClient from "../src/backends/PostgresClient.ts"
import * as Redis from "../src/backends/Redis.ts"
import type { EventStore } from "../src/event-store/EventStore.ts"
import type { EventStoreDriver } from "../src/event-store/EventStoreDriver.ts"
import type { EventStoreError } from "../src/event-store/EventStoreError.ts"
import * as MemoryEventStore from "../src/event-store/MemoryEventStore.ts"
import * as PostgresEventStore from "../src/event-store/PostgresEventStore.ts"
import * as RedisEventStore from "../src/event-store/RedisEventStore.ts"
import * as SqliteEventStore from "../src/event-store/SqliteEventStore.ts"
import type { Persistence } from "../src/persistence/Persistence.ts"
import { Reopen } from "../src/testing/conformance/EventStoreConformance.ts"
import { temporarySchema } from "./postgres.ts"
import { temporaryPrefix } from "./redis.ts"
import type { ServerError } from "./servers/ServerError.ts"

export interface Backend {
  readonly name: string
  /** Fresh stores for each build, with what it takes to open their data again. */
  readonly layer: Layer.Layer<EventStore | EventStoreDriver | Persistence, EventStoreError | ServerError>
}

const withReopen = (reopen: Layer.Layer<EventStoreDriver, EventStoreError>) =>
  Layer.succeedContext(Context.make(Reopen, reopen))

/** A path in a directory that is removed when the scope closes. */
export const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "tutti-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => join(directory, "tutti.db")
)

const memory: Backend = {
  name: "memory",
  layer: Layer.suspend(() => {
    const state = Memory.makeState()
    return Layer.merge(Memory.storesOf(state), withReopen(MemoryEventStore.layerDriverOf(state.events)))
  })
}

const embedded: Backend = {
  name: "embedded",
  layer: Layer.unwrap(
    Effect.map(temporaryFile, (filename) => {
      const reopen = SqliteEventStore.layerDriver().pipe(
        Layer.provide(NodeSqlite.layer({ filename })),
        Layer.catchTag("SqliteError", (error) => Layer.effectContext(Effect.fail(SqliteEventStore.storeError(error))))
      )
      return Layer.merge(Embedded.stores({ filename, pollInterval: 10 }), withReopen(reopen))
    })
  )
}

const postgres: Backend = {
  name: "postgres",
  layer: Layer.unwrap(
    Effect.map(temporarySchema, (options) => {
      const reopen = PostgresEventStore.layerDriver().pipe(
        Layer.provide(PostgresClient.layer(options)),
        Layer.catchTag("PostgresError", (error) =>
          Layer.effectContext(Effect.fail(PostgresEventStore.storeError(error)))
        )
      )
      return Layer.merge(Postgres.stores(options), withReopen(reopen))
    })
  )
}

const onRedis = (name: "redis" | "redis-cluster"): Backend => ({
  name,
  layer: Layer.unwrap(
    Effect.map(temporaryPrefix(name), (options) => {
      const reopen = RedisEventStore.layerDriver(options).pipe(Layer.provide(IoRedis.layer(options)))
      return Layer.merge(Redis.stores(options), withReopen(reopen))
    })
  )
})

const redis = onRedis("redis")

const redisCluster = onRedis("redis-cluster")

/** Every backend there is, each a constant above. Its name also goes into the list of `backends.test.ts`. */
export const all: ReadonlyArray<Backend> = [memory, embedded, postgres, redis, redisCluster]

/** Those of a list of names, separated by commas. */
export const select = (names: string): ReadonlyArray<Backend> =>
  names.split(",").map((name) => {
    const found = all.find((backend) => backend.name === name)
    if (found === undefined)
      throw new Error(`unknown backend "${name}"; there are ${all.map((one) => one.name).join(", ")}`)
    return found
  })

const wanted = process.env["BACKENDS"]

/** Those that suites run against. */
export const backends: ReadonlyArray<Backend> = wanted === undefined ? all : select(wanted)
