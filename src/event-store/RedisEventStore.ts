/**
 * The log in Redis.
 *
 * Keys, below the prefix `{tutti}`. The braces keep them all on one node of a cluster, and with it everything atomic:
 *
 * - `:log` stream: the events, each once. The id of an entry is `<position>-0`; its fields are `i` (event id), `s`
 *   (stream), `v` (version), `t` (type) and `b` (JSON `[schemaVersion, data, meta]`, which no script looks into)
 * - `:head` string: the highest position given
 * - `:stream:<name>` list: how many events were forgotten (or `x`: deleted), then the position of each that is kept
 * - `:dedup:<name>` hash: event id → version, of events appended without an exact expectation: only they pay for it
 * - `:appended` channel: who appended, so that other processes wake; silent while nobody else listens (`RedisAudience.ts`)
 *
 * An append is one script: Redis runs one at a time, so positions become visible in their order. A batch behind exact
 * versions goes through `RedisExactAppend.ts`, all else, and what that one refuses, through `RedisAppend.ts`. The same
 * append again finds the ids of the first and writes nothing; so it may be repeated when its connection died.
 *
 * Nothing is removed from the log but by `truncateBefore` and `delete`. Redis frees the room of entries once all of the
 * about 100 that lie together are gone.
 *
 * **Gotchas**
 *
 * - The keys of streams are computed by the scripts. That is fine with Redis and Redis Cluster; a proxy that wants all
 *   keys declared will refuse.
 * - A filtered read of the log looks at every event after its start: 2000 at a time, so that nobody else waits long.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Client from "../persistence/RedisClient.ts"
import { RedisDocuments } from "../persistence/RedisDocuments.ts"
import type { ExpectedVersion, StreamId, StreamVersion } from "./Envelope.ts"
import { type AppendOutcome, type AppendRequest, EventStoreDriver } from "./EventStoreDriver.ts"
import { EventStoreError, StoreCorrupt, StoreUnavailable, StreamDeleted, VersionConflict } from "./EventStoreError.ts"
import * as RedisAppend from "./RedisAppend.ts"
import { RedisAudience } from "./RedisAudience.ts"
import * as RedisExactAppend from "./RedisExactAppend.ts"
import { RedisReader } from "./RedisReader.ts"

/**
 * Where the log lies, how the driver watches for other processes, and what to do while Redis is away.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Client.Patience {
  /** Name that all keys begin with, in braces, so that a cluster keeps them on one node. Default `"tutti"`. */
  readonly prefix?: string
  /**
   * How often to look for appends of other processes, while somebody subscribes, in case Redis could not tell of one.
   * Default 5 seconds.
   */
  readonly pollInterval?: Duration.Input
}

const parameters = (key: string, ...args: ReadonlyArray<string | number>) => [key, ...args]

const begin = `
local at = 0
local function arg() at = at + 1 return ARGV[at] end
${RedisAppend.streams}
-- Forgets so many of the oldest events that are kept.
local function forget(s, count)
  for from = 1, count, 500 do
    local ids = {}
    for _, position in ipairs(redis.call('LRANGE', s.list, from, math.min(from + 499, count))) do
      ids[#ids + 1] = position .. '-0'
    end
    if redis.call('EXISTS', s.dedup) == 1 then
      for place, id in ipairs(ids) do
        local entry = redis.call('XRANGE', log, id, id)[1]
        -- A later event may bear the same id.
        local version = entry and redis.call('HGET', s.dedup, entry[2][2])
        if version and tonumber(version) == s.base + from + place - 1 then
          redis.call('HDEL', s.dedup, entry[2][2])
        end
      end
    end
    redis.call('XDEL', log, unpack(ids))
  end
end
local s = load(arg())
`

/** Answers -1 for a deleted stream, 1 if there is more to forget. At most so many at a time, so that nobody else waits. */
const truncateScript = Client.script(parameters, {
  numberOfKeys: 1,
  lua: `${begin}
if s.deleted then return -1 end
local count = math.min(tonumber(arg()), s.version) - s.base - 1
if count <= 0 then return 0 end
local now = math.min(count, 5000)
forget(s, now)
redis.call('LTRIM', s.list, now, -1)
redis.call('LSET', s.list, 0, s.base + now)
return count > now and 1 or 0`
}).withReturnType<number>()

/** Answers the version it found, if that is not what was expected; else -1. */
const deleteScript = Client.script(parameters, {
  numberOfKeys: 1,
  lua: `${begin}
if s.deleted then return -1 end
if not holds(arg(), s.version) then return s.version end
forget(s, s.kept)
redis.call('DEL', s.list, s.dedup)
redis.call('RPUSH', s.list, 'x')
redis.call('INCR', KEYS[1])
redis.call('PUBLISH', prefix .. ':appended', arg())
return -1`
}).withReturnType<number>()

/**
 * Makes a driver on the Redis in the context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDriver = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<EventStoreDriver["Service"], never, Client.Redis> {
  const redis = yield* Client.Redis
  const prefix = Client.keyPrefix(options.prefix)
  const key = `${prefix}:head`
  const documents = new RedisDocuments(redis, prefix)
  const reader = new RedisReader(redis, prefix)
  const patiently = Client.patiently(options)
  const source = String(yield* Random.nextInt)
  const attempt = <A>(operation: string, effect: Effect.Effect<A, Client.RedisError>) =>
    Effect.mapError(patiently(effect), storeError(operation))

  const audience = new RedisAudience(redis)
  const append = appender({ redis, documents, audience, source })

  return EventStoreDriver.of({
    documents: true,
    parallelAppends: 2,
    append: (requests) =>
      requests.reduce((sum, { events }) => sum + events.length, 0) > RedisAppend.maxEvents
        ? Effect.fail(tooLarge)
        : attempt(
            "append events",
            Effect.tapError(append(requests), () => audience.doubted)
          ),
    read: (stream, read) =>
      Effect.flatMap(attempt("read a stream", reader.read(stream, read)), (events) =>
        events === undefined ? deleted(stream) : Effect.succeed(events)
      ),
    readAll: (read) => attempt("read the log", reader.readAll(read)),
    version: (stream) =>
      Effect.flatMap(attempt("read a version", reader.version(stream)), (version) =>
        version < 0 ? deleted(stream) : Effect.succeed(version)
      ),
    head: attempt("read the head of the log", reader.head),
    truncateBefore: (stream, version) => {
      const step = attempt("truncate a stream", redis.eval(truncateScript)(key, stream, version))
      return Effect.flatMap(Effect.repeat(step, { while: (answer) => answer === 1 }), (answer) =>
        answer < 0 ? deleted(stream) : Effect.void
      )
    },
    delete: (stream, expected) => {
      const remove = redis.eval(deleteScript)(key, stream, RedisAppend.expectation(expected), source)
      return Effect.flatMap(attempt("delete a stream", remove), (actual) =>
        actual < 0 ? Effect.void : conflict(stream, expected, actual)
      )
    },
    onForeignAppend: Effect.fnUntraced(function* (wake) {
      const channel = `${prefix}:appended`
      const messages = Effect.tap(redis.subscribe(channel), () => audience.joined)
      // Others may not have been told of what was appended before.
      const again = Effect.andThen(audience.trusted, Effect.ignore(redis.send("PUBLISH", channel, source)))
      const hear = (message: string) => {
        if (message !== source) wake()
        return message === "" ? again : Effect.void
      }
      yield* Effect.forkScoped(listen(messages, hear))
      yield* Effect.forkScoped(poll(reader.head, Duration.fromInputUnsafe(options.pollInterval ?? "5 seconds"), wake))
    })
  })
})

/**
 * A driver on the Redis in the context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDriver = (options?: Options): Layer.Layer<EventStoreDriver, never, Client.Redis> =>
  Layer.effect(EventStoreDriver, makeDriver(options))

interface Writer {
  readonly redis: Client.Redis["Service"]
  readonly documents: RedisDocuments
  readonly audience: RedisAudience
  /** Who appends, as others hear it. */
  readonly source: string
}

const appender = ({ audience, documents, redis, source }: Writer) => {
  const key = `${documents.prefix}:head`
  const appendExact = Client.resident<number>(redis, RedisExactAppend.lua)
  const decide = (
    requests: ReadonlyArray<AppendRequest>
  ): Effect.Effect<ReadonlyArray<AppendOutcome>, Client.RedisError> =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      while (true) {
        const args = RedisAppend.encode(requests, (puts) => documents.encode(puts))
        const answers = yield* redis.eval(RedisAppend.script)(key, now, source, audience.ownListeners, ...args)
        if (answers.length === requests.length * 3) return RedisAppend.decode(requests, answers)
        const puts = requests.flatMap(({ documents = [] }) => documents)
        yield* documents.refresh(puts.map(({ collection }) => collection))
      }
    })
  return (requests: ReadonlyArray<AppendRequest>): Effect.Effect<ReadonlyArray<AppendOutcome>, Client.RedisError> =>
    Effect.suspend(() => {
      const args = RedisExactAppend.encode(requests)
      if (args === undefined) return decide(requests)
      return Effect.flatMap(appendExact("1", key, source, audience.ownListeners, ...args), (head) =>
        head === 0 ? decide(requests) : Effect.succeed(RedisExactAppend.decode(requests, head))
      )
    })
}

/** Hands over what is published, and an empty message whenever something may have been missed. */
const listen = (
  subscription: ReturnType<Client.Redis["Service"]["subscribe"]>,
  hear: (message: string) => Effect.Effect<void>
): Effect.Effect<void> => {
  const once = Effect.scoped(
    Effect.flatMap(subscription, (messages) =>
      Effect.andThen(hear(""), Effect.forever(Effect.flatMap(Queue.take(messages), ({ message }) => hear(message))))
    )
  )
  return Effect.catch(once, (error) =>
    Effect.andThen(
      Effect.logWarning(`Not told of foreign appends until Redis is back: ${Client.meaningOf(error).detail}`),
      Effect.ignore(Effect.retry(once, Schedule.spaced("1 second")))
    )
  )
}

/** Wakes when the head has moved. While it cannot be read, there is nothing to wake for. */
const poll = (
  head: Effect.Effect<number, Client.RedisError>,
  interval: Duration.Duration,
  wake: () => void
): Effect.Effect<void> =>
  Effect.suspend(() => {
    let last = -1
    const look = Effect.map(head, (current) => {
      if (current !== last) wake()
      last = current
    })
    return Effect.forever(Effect.delay(Effect.ignore(look), interval))
  })

/**
 * What a failure of Redis means to the log.
 *
 * @category errors
 * @since 0.1.0
 */
export const storeError =
  (operation: string) =>
  (error: Client.RedisError): EventStoreError => {
    const { detail, kind, retryable } = Client.meaningOf(error)
    return new EventStoreError({
      reason:
        kind === "Corrupt"
          ? new StoreCorrupt({ operation, detail, cause: error.cause })
          : new StoreUnavailable({ operation, detail, retryable, cause: error.cause })
    })
  }

const tooLarge = new EventStoreError({
  reason: new StoreUnavailable({
    operation: "append events",
    retryable: false,
    detail: `one append may have ${RedisAppend.maxEvents} events at most`,
    cause: new Error("an append is too large for one script")
  })
})

const deleted = (stream: StreamId): Effect.Effect<never, EventStoreError> =>
  Effect.fail(new EventStoreError({ reason: new StreamDeleted({ stream }) }))

const conflict = (
  stream: StreamId,
  expected: ExpectedVersion,
  actual: StreamVersion
): Effect.Effect<never, VersionConflict> => Effect.fail(new VersionConflict({ stream, expected, actual }))
