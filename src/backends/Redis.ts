/**
 * Everything in Redis, one server or a Redis Cluster: for many processes on many machines.
 *
 * Keys, all below one prefix (default `{tutti}`): `:log`, `:head`, `:stream:…` and `:dedup:…` (the log);
 * `:documents:…`, `:ids:…`, `:indexes:…`, `:index:…` and `:expiry` (read models, checkpoints, leases); `:queue:…` (work
 * queues); `:format`. The channels are `:appended` and, of each queue, `…:changes`. The braces put all of them into one slot of a cluster, hence onto one node: several prefixes
 * are several stores, on several nodes.
 *
 * All of it lies in the memory of the server. What is acknowledged is as durable as the server's `appendfsync` makes it,
 * and as its replicas are at a failover: see `docs/reference/redis.md`.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as JournalEngine from "../durable/JournalEngine.ts"
import type { EngineError } from "../durable/RunError.ts"
import * as EventStore from "../event-store/EventStore.ts"
import { EventStoreError, StoreCorrupt } from "../event-store/EventStoreError.ts"
import * as RedisEventStore from "../event-store/RedisEventStore.ts"
import * as Client from "../persistence/RedisClient.ts"
import * as RedisPersistence from "../persistence/RedisPersistence.ts"
import * as IoRedis from "./IoRedis.ts"
import * as RedisDurability from "./RedisDurability.ts"
import * as RedisWorkQueue from "../queues/RedisWorkQueue.ts"
import * as Deployment from "./Deployment.ts"

/**
 * Where Redis is, what to do when it is not there, and how the log is batched and watched.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends IoRedis.Options, RedisDurability.Options, RedisEventStore.Options, EventStore.Options {
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
 * A deployment on Redis.
 *
 * **Errors**
 *
 * `EventStoreError` with `StoreUnavailable`: access was refused, the server would lose acknowledged writes and
 * `durability` is `"require"`, or it cannot be reached: at once if `whenDown` is `"fail"`, else after `waitAtMost`. With
 * `StoreCorrupt`: the keys were written by a newer Tutti.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Services, EventStoreError | EngineError> =>
  Deployment.make(stores(options), options.engine)

/**
 * As `layer`, with `TUTTI_REDIS_URL` and, if it is set, `TUTTI_REDIS_PREFIX` from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Omit<Options, "url"> = {}
): Layer.Layer<Services, EventStoreError | EngineError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(configured, (given) => layer({ ...options, ...given })))

/**
 * The stores of a deployment, without an engine: to look at runs without taking part.
 *
 * @category layers
 * @since 0.1.0
 */
export const stores = (options: Options = {}): Layer.Layer<Deployment.Stores, EventStoreError> =>
  Layer.mergeAll(
    EventStore.layerWith(options).pipe(Layer.provideMerge(RedisEventStore.layerDriver(options))),
    RedisPersistence.layer(options),
    RedisWorkQueue.layer(options)
  ).pipe(Layer.provide(Layer.effect(Client.Redis, connect(options))))

/** Version of what lies below a prefix, and of the scripts that know it. */
const format = 1

const connect = Effect.fnUntraced(function* (options: Options) {
  const redis = yield* IoRedis.make(options)
  const key = `${Client.keyPrefix(options.prefix)}:format`
  const attempt = Effect.andThen(
    redis.send("SET", key, String(format), "NX"),
    Effect.map(redis.send<string>("GET", key), Number)
  )
  const found = yield* Effect.mapError(
    Client.patiently(options)(attempt),
    RedisEventStore.storeError("connect to its server")
  )
  if (found > format) return yield* newer(found)
  yield* RedisDurability.check(redis, options)
  return redis
})

const newer = (found: number) =>
  new EventStoreError({
    reason: new StoreCorrupt({
      operation: "open its keys",
      detail: `they have format ${found}, and this program knows ${format}: they were written by a newer version of Tutti`
    })
  })

const configured = Effect.gen(function* () {
  const url: Redacted.Redacted = yield* Config.Redacted("TUTTI_REDIS_URL")
  const prefix = yield* Config.String("TUTTI_REDIS_PREFIX").pipe(Config.withDefault("tutti"))
  return { url, prefix }
})
