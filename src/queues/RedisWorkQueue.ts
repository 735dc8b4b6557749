/**
 * Work queues in Redis.
 *
 * Keys, below the prefix `{tutti}` and the name of the queue, all on one node of a cluster:
 *
 * - `:queue:<name>` hash: how many items are unfinished, and other counters
 * - `…:item:<id>` hash: an item, until its outcome is forgotten
 * - `…:ready:<priority>` stream: items that are ready, claimed or wait for a retry, with the consumer group `workers`
 * - `…:levels` sorted set: priorities in use
 * - `…:delayed`, `…:retries`, `…:claims` sorted sets: ids by the instant at which they are due or lapse
 * - `…:line:<key>` sorted set, `…:held` hash: items that wait for a slot of their key, and how many slots are taken
 * - `…:dead` sorted set: dead items by the instant of their death
 * - `…:once:<key>` hash: idempotency keys
 * - `…:changes` channel: ids of what was settled, so that whoever waits wakes
 *
 * A call is one script, so nothing comes between, and it may be repeated when its connection died. Workers read streams
 * with `XREADGROUP` and acknowledge with `XACK`; claims that have lapsed are found by their instants, which heartbeats put
 * off, and moved with `XCLAIM`: `XAUTOCLAIM` knows only how long ago an entry was delivered, by the server's clock. What an
 * item is worth stands in its hash, so nothing is lost with the consumer group: it is made anew, and read from the beginning.
 *
 * **Gotchas**
 *
 * - The keys of items are computed by the scripts. That is fine with Redis and Redis Cluster; a proxy that wants all keys
 *   declared will refuse.
 * - An item is as durable as the server's `appendfsync` makes it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Client from "../persistence/RedisClient.ts"
import { anything } from "./Listeners.ts"
import * as Codec from "./RedisQueueCodec.ts"
import * as Scripts from "./RedisQueueScripts.ts"
import { type Change, WorkQueueDriver } from "./WorkQueueDriver.ts"
import { WorkQueueError } from "./WorkQueueError.ts"

/**
 * Where the queues lie, and what producers do while Redis is away. Workers always wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Client.Patience {
  /** Name that all keys begin with, in braces, so that a cluster keeps them on one node. Default `"tutti"`. */
  readonly prefix?: string
}

/**
 * Makes a driver on the Redis in the context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDriver = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<WorkQueueDriver["Service"], never, Client.Redis> {
  const redis = yield* Client.Redis
  const prefix = Client.keyPrefix(options.prefix)
  const patiently = Client.patiently(options)
  const calls: Calls = {
    redis,
    // No colon in the name, so that no queue's keys are another's.
    keyOf: (name) => `${prefix}:queue:${name.replaceAll("%", "%25").replaceAll(":", "%3A")}`,
    attempt: (operation, effect) => Effect.mapError(effect, queueError(operation)),
    wait: (operation, effect) => Effect.mapError(patiently(effect), queueError(operation))
  }
  const consumer = `${yield* Random.nextInt}`
  return WorkQueueDriver.of({ ...forProducers(calls), ...forWorkers(calls, consumer), ...forKeepers(calls) })
})

interface Calls {
  readonly redis: Client.Redis["Service"]
  readonly keyOf: (name: string) => string
  readonly attempt: Call
  /** The same, patiently. A pool of workers is patient itself, and must be able to stop. */
  readonly wait: Call
}

type Call = <A>(operation: string, effect: Effect.Effect<A, Client.RedisError>) => Effect.Effect<A, WorkQueueError>
type Driver = WorkQueueDriver["Service"]

const forProducers = ({ keyOf, redis, wait }: Calls): Pick<Driver, "offer" | "find" | "onChange"> => ({
  offer: ({ capacity, keyConcurrency, name }, items, now) => {
    const settings = [now, capacity, keyConcurrency, items.length]
    const offered = redis.eval(Scripts.offer)(keyOf(name), ...settings, ...items.flatMap(Codec.offerArguments))
    return Effect.map(wait("offer items", offered), (answers) =>
      answers.map((answer, index) => Codec.outcomeOf(answer, items[index]!))
    )
  },
  find: ({ name }, ids, now) =>
    Effect.map(wait("find items", redis.eval(Scripts.find)(keyOf(name), ...ids)), (rows) =>
      rows.map((row) => Codec.stateOf(row, now))
    ),
  onChange: ({ name }, listener) => Effect.forkScoped(listen(redis, `${keyOf(name)}:changes`, listener))
})

const forWorkers = (
  { attempt, keyOf, redis }: Calls,
  consumer: string
): Pick<Driver, "claim" | "start" | "extend" | "settle"> => ({
  claim: ({ keyConcurrency, name, rate }, { max, now, until }) => {
    const settings = [now, until, max, keyConcurrency, rate?.limit ?? 0, rate?.window ?? 0, consumer]
    const claimed = redis.eval(Scripts.claim)(keyOf(name), ...settings)
    return Effect.map(attempt("claim items", claimed), Codec.claimedOf)
  },
  start: ({ name }, claims) => {
    const started = redis.eval(Scripts.start)(keyOf(name), ...claims.flatMap(Codec.claimArguments))
    return Effect.map(attempt("start items", started), Codec.held)
  },
  extend: ({ name }, claims, until) => {
    const extended = redis.eval(Scripts.extend)(keyOf(name), until, ...claims.flatMap(Codec.claimArguments))
    return Effect.map(attempt("extend claims", extended), Codec.held)
  },
  settle: ({ keyConcurrency, name, retention }, settled, now) => {
    const args = settled.flatMap((claim) => Codec.settleArguments(claim, now))
    const recorded = redis.eval(Scripts.settle)(keyOf(name), now, retention, keyConcurrency, ...args)
    return Effect.map(attempt("settle items", recorded), Codec.held)
  }
})

const forKeepers = ({ keyOf, redis, wait }: Calls): Pick<Driver, "deadItems" | "redrive" | "discard" | "stats"> => ({
  deadItems: ({ name }, { limit, offset }) =>
    Effect.map(wait("list dead items", redis.eval(Scripts.deadItems)(keyOf(name), offset, limit)), (rows) =>
      rows.map(Codec.deadItemOf)
    ),
  redrive: ({ capacity, keyConcurrency, name }, ids) =>
    wait("redrive items", redis.eval(Scripts.redrive)(keyOf(name), capacity, keyConcurrency, ...ids)),
  discard: ({ name, retention }, ids, now) =>
    wait("discard items", redis.eval(Scripts.discard)(keyOf(name), now, retention, ...ids)),
  stats: ({ name }, now) => Effect.map(wait("count items", redis.eval(Scripts.stats)(keyOf(name), now)), Codec.statsOf)
})

/**
 * A driver on the Redis in the context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<WorkQueueDriver, never, Client.Redis> =>
  Layer.effect(WorkQueueDriver, makeDriver(options))

const queueError =
  (operation: string) =>
  (error: Client.RedisError): WorkQueueError => {
    const { detail, retryable } = Client.meaningOf(error)
    return new WorkQueueError({ operation, detail, retryable, cause: error.cause })
  }

/** An empty message says that some may have been missed. */
const changeOf = (message: string): Change => {
  if (message === "") return anything
  return { ready: true, settled: message === "ready" ? [] : (JSON.parse(message) as ReadonlyArray<string>) }
}

const listen = (
  redis: Client.Redis["Service"],
  channel: string,
  listener: (change: Change) => void
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const messages = yield* redis.subscribe(channel)
    listener(anything)
    while (true) listener(changeOf((yield* Queue.take(messages)).message))
  }).pipe(
    Effect.scoped,
    Effect.tapError((error) =>
      Effect.logWarning(`Not told of changes of a work queue until Redis is back: ${Client.meaningOf(error).detail}`)
    ),
    Effect.retry(Schedule.spaced("1 second")),
    Effect.orDie
  )
