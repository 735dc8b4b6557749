/** What only the Redis log has to keep; the rest is in `EventStore.conformance.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import * as Redis from "../../src/backends/Redis.ts"
import type { StoredEvent, StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import type { EventStoreError } from "../../src/event-store/EventStoreError.ts"
import { make as makeService, Redis as RedisService } from "../../src/persistence/RedisClient.ts"
import * as RedisEventStore from "../../src/event-store/RedisEventStore.ts"
import * as RedisExactAppend from "../../src/event-store/RedisExactAppend.ts"
import { request, tags, versions } from "../../src/testing/conformance/EventStoreFixtures.ts"
import { temporaryPrefix } from "../redis.ts"

const orders = "orders" as StreamId

/** A store, a client beside it, and the options that open the store again. */
const setUp = Effect.gen(function* () {
  const options: Redis.Options = { ...(yield* temporaryPrefix("redis")), whenDown: "fail" }
  const stores = yield* Layer.build(Redis.stores(options))
  const admin = yield* IoRedis.make(options)
  const keys = Effect.map(admin.send<ReadonlyArray<string>>("KEYS", `${options.prefix}*`), (found) =>
    found.map((key) => key.slice(options.prefix!.length)).toSorted()
  )
  return { options, stores, admin, keys, prefix: options.prefix! }
})

const reasonOf = (error: EventStoreError) => error.reason._tag

describe("appends", () => {
  it.effect("a request that cannot be written takes nothing of its batch with it", () =>
    Effect.gen(function* () {
      const { admin, prefix, stores } = yield* setUp
      const driver = yield* Effect.provide(EventStoreDriver, stores)
      yield* admin.send("SET", `${prefix}:stream:foreign`, "not ours")
      const batch = [request(orders, 0, "a"), request("foreign" as StreamId, 0, "b")]
      assert.strictEqual(reasonOf(yield* Effect.flip(driver.append(batch))), "StoreCorrupt")
      assert.strictEqual(yield* driver.version(orders), 0)
      assert.strictEqual(yield* driver.head, 0)
      assert.deepStrictEqual(yield* driver.readAll({ max: 9 }), [])
    })
  )

  it.effect("positions are not given again when the head is lost", () =>
    Effect.gen(function* () {
      const { admin, prefix, stores } = yield* setUp
      const driver = yield* Effect.provide(EventStoreDriver, stores)
      yield* driver.append([request(orders, 0, "a")])
      yield* admin.send("DEL", `${prefix}:head`)
      const error = yield* Effect.flip(driver.append([request(orders, 1, "b")]))
      assert.strictEqual(reasonOf(error), "StoreCorrupt")
      assert.match(error.message, /the head of the log is gone: keys below the prefix were removed or evicted/)
    })
  )

  it.live("as many events as fit into one script, and no more", () =>
    Effect.gen(function* () {
      const { stores } = yield* setUp
      const driver = yield* Effect.provide(EventStoreDriver, stores)
      const ids = Array.from({ length: 20_000 }, (_, n) => String(n))
      const outcomes = yield* driver.append([request(orders, "Any", ...ids)])
      assert.deepStrictEqual({ ...outcomes[0] }, { version: 20_000, position: 20_000, duplicate: false })
      assert.deepStrictEqual(tags(yield* driver.append([request(orders, "Any", ...ids)])), ["Duplicate"])
      assert.lengthOf(yield* driver.read(orders, {}), 20_000)
      assert.deepStrictEqual(tags(yield* driver.append([request("other" as StreamId, 0, ...ids)])), ["Appended"])
      const error = yield* Effect.flip(driver.append([request(orders, "Any", ...ids, "one more")]))
      assert.match(error.message, /20000 events at most/)
    })
  )

  it.effect("bodies are kept to the last digit", () =>
    Effect.gen(function* () {
      const { stores } = yield* setUp
      const store = yield* Effect.provide(EventStore, stores)
      const data = [Number.MAX_SAFE_INTEGER, 0.1 + 0.2, 5e-324, [], {}, { a: [] }, "\ud800"]
      yield* store.append(orders, [{ type: "A", data }], 0)
      assert.deepStrictEqual((yield* store.readArray(orders))[0]!.data, data)
    })
  )
})

describe("the script for exact versions", () => {
  /** A driver, and how often it ran that script. */
  const counted = Effect.gen(function* () {
    const { admin, keys, options, prefix } = yield* setUp
    const digest = yield* admin.send<string>("SCRIPT", "LOAD", RedisExactAppend.lua)
    const runs = { exact: 0, all: 0 }
    const send: typeof admin.send = (command, ...args) => {
      if (command === "EVALSHA") runs.all++
      if (command === "EVALSHA" && args[0] === digest) runs.exact++
      return admin.send(command, ...args)
    }
    const redis = yield* makeService({ send, subscribe: () => Effect.never, connect: Effect.never })
    const driver = yield* Effect.provideService(RedisEventStore.makeDriver(options), RedisService, redis)
    /** The log and the lists of streams, as they lie in Redis. */
    const stored = Effect.gen(function* () {
      const names = (yield* keys).filter((key) => key.startsWith(":stream:"))
      const lists = yield* Effect.forEach(names, (name) => admin.send("LRANGE", `${prefix}${name}`, "0", "-1"))
      return { names, lists, log: yield* admin.send("XRANGE", `${prefix}:log`, "-", "+"), head: yield* driver.head }
    })
    return { admin, driver, runs, stored }
  })

  const streamNames = ["a", "b", "c", "d"] as ReadonlyArray<string> as ReadonlyArray<StreamId>

  /** Requests that mostly hold; others are behind, ahead, or again what is there already. */
  const randomBatch = Effect.fnUntraced(function* (versions: ReadonlyMap<StreamId, number>, round: number) {
    const next = new Map(versions)
    const count = yield* Random.nextIntBetween(1, 5)
    return yield* Effect.forEach(Array(count), () =>
      Effect.gen(function* () {
        const stream = streamNames[yield* Random.nextIntBetween(0, 3)]!
        const dice = yield* Random.nextIntBetween(0, 30)
        const expected = Math.max(0, (next.get(stream) ?? 0) + (dice === 0 ? 1 : dice <= 2 ? -dice : 0))
        const ids = Array.from({ length: yield* Random.nextIntBetween(1, 3) }, (_, n) =>
          // The same id at the same version in every other round: an append that was repeated.
          dice === 1 ? `${expected + n + 1}` : `${expected + n + 1}/${round % 2}`
        )
        next.set(stream, expected + ids.length)
        return request(stream, expected, ...ids)
      })
    )
  })

  it.effect("stores and answers what the other one does", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* counted, yield* counted]
      for (let round = 0; round < 150; round++) {
        const versions = new Map<StreamId, number>()
        for (const stream of streamNames.slice(0, 3)) {
          const version = yield* Effect.option(one.driver.version(stream))
          if (version._tag === "Some") versions.set(stream, version.value)
        }
        const batch = yield* randomBatch(versions, round)
        const withDocuments = batch.map((each) => ({ ...each, documents: [] }))
        assert.deepStrictEqual(
          (yield* one.driver.append(batch)).map((outcome) => ({ ...outcome })),
          (yield* other.driver.append(withDocuments)).map((outcome) => ({ ...outcome }))
        )
        if (round === 50) {
          yield* one.driver.truncateBefore(streamNames[0]!, 9)
          yield* other.driver.truncateBefore(streamNames[0]!, 9)
        }
        if (round === 100) {
          yield* one.driver.delete(streamNames[1]!, "Any")
          yield* other.driver.delete(streamNames[1]!, "Any")
        }
      }
      assert.deepStrictEqual(yield* one.stored, yield* other.stored)
      assert.isAbove(one.runs.exact, 100)
      assert.strictEqual(other.runs.exact, 0)
    }).pipe(Random.withSeed("exact"))
  )

  it.effect("one round trip for what is as expected, and none of its own for what is not exact", () =>
    Effect.gen(function* () {
      const { driver, runs } = yield* counted
      yield* driver.append([
        request(orders, "NoStream", "1", "2"),
        request(orders, 2, "3"),
        request(streamNames[0]!, 0, "1")
      ])
      assert.deepStrictEqual(runs, { exact: 1, all: 1 })
      yield* driver.append([request(orders, 3, "4"), request(streamNames[0]!, "Any", "2")])
      assert.deepStrictEqual(runs, { exact: 1, all: 2 })
    })
  )

  it.effect("knows the version of a stream whose beginning was forgotten", () =>
    Effect.gen(function* () {
      const { driver, runs } = yield* counted
      yield* driver.append([request(orders, 0, ...Array.from({ length: 10 }, (_, n) => `${n}`))])
      yield* driver.truncateBefore(orders, 9)
      runs.all = 0
      assert.deepStrictEqual(tags(yield* driver.append([request(orders, 10, "next")])), ["Appended"])
      assert.strictEqual(runs.all, 1)
      // Three events are kept, and as many were said to be expected.
      assert.deepStrictEqual(tags(yield* driver.append([request(orders, 3, "stale")])), ["VersionConflict"])
    })
  )

  it.effect("leaves large batches to the other one", () =>
    Effect.gen(function* () {
      const { driver, runs } = yield* counted
      yield* driver.append([request(orders, 0, ...Array.from({ length: 5001 }, (_, n) => `${n}`))])
      assert.deepStrictEqual(runs, { exact: 0, all: 1 })
    })
  )

  it.effect("is loaded again when the server has forgotten it", () =>
    Effect.gen(function* () {
      const { admin, driver, runs } = yield* counted
      yield* driver.append([request(orders, 0, "1")])
      yield* admin.send("SCRIPT", "FLUSH")
      yield* driver.append([request(orders, 1, "2")])
      assert.deepStrictEqual(versions(yield* driver.read(orders, {})), [1, 2])
      assert.strictEqual(runs.exact, 3)
    })
  )
})

describe("announcements", () => {
  const until = (condition: () => boolean) => Effect.repeat(Effect.sleep("1 millis"), { until: condition })

  /** A driver that listens, what its subscription hears, and a way to make it hear something. */
  const listener = Effect.fnUntraced(function* (options: Redis.Options, changes?: Partial<RedisService["Service"]>) {
    const redis = yield* IoRedis.make(options)
    const listening = yield* Scope.fork(yield* Effect.scope)
    const heard: Array<string> = []
    const queue = yield* Queue.unbounded<{ readonly channel: string; readonly message: string }>()
    const subscribe = Effect.fnUntraced(function* (channel: string) {
      const messages = yield* redis.subscribe(channel)
      const pass = Effect.map(Queue.take(messages), (message) => {
        heard.push(message.message)
        Queue.offerUnsafe(queue, message)
      })
      yield* Effect.forkScoped(Effect.ignore(Effect.forever(pass)))
      return queue
    })
    const driver = yield* RedisEventStore.makeDriver({ ...options, pollInterval: "365 days" }).pipe(
      Effect.provideService(RedisService, { ...redis, ...changes, subscribe })
    )
    let wakes = 0
    yield* Scope.provide(
      driver.onForeignAppend(() => wakes++),
      listening
    )
    const channel = `${options.prefix}:appended`
    // A listener says that it is there: from its own message on, it is counted.
    yield* until(() => heard.length === 1)
    const mark = Effect.andThen(
      redis.send("PUBLISH", channel, "mark"),
      until(() => heard.at(-1) === "mark")
    )
    const lost = Effect.sync(() => Queue.offerUnsafe(queue, { channel, message: "" }))
    /** How many announcements were heard, without marks. */
    const announced = () => heard.filter((message) => message !== "mark").length
    const count = Effect.map(mark, announced)
    return { driver, count, heard: announced, lost, leave: Scope.close(listening, Exit.void), wakes: () => wakes }
  })

  const appends = (driver: EventStoreDriver["Service"], from: number) =>
    Effect.andThen(
      driver.append([request(orders, from, `${from}`)]),
      driver.append([request(orders, "Any", `${from + 1}`)])
    )

  it.live("are not made as long as nobody else listens", () =>
    Effect.gen(function* () {
      const { options } = yield* setUp
      const one = yield* listener(options)
      yield* appends(one.driver, 0)
      assert.strictEqual(yield* one.count, 1)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const other = yield* listener(options)
          const before = yield* one.count
          yield* appends(one.driver, 2)
          assert.strictEqual(yield* one.count, before + 2)
          assert.strictEqual(yield* other.count, 3)
        })
      )
      const admin = yield* IoRedis.make(options)
      const listeners = admin.send<readonly [string, number]>("PUBSUB", "NUMSUB", `${options.prefix}:appended`)
      yield* Effect.repeat(listeners, { until: ([, count]) => count === 1 })
      const before = yield* one.count
      yield* appends(one.driver, 4)
      assert.strictEqual(yield* one.count, before)
    })
  )

  it.live("are made by who has ceased to listen", () =>
    Effect.gen(function* () {
      const { options } = yield* setUp
      const [one, other] = [yield* listener(options), yield* listener(options)]
      const before = yield* other.count
      yield* one.leave
      yield* appends(one.driver, 0)
      assert.strictEqual(yield* other.count, before + 2)
    })
  )

  it.live("are made by who does not listen himself", () =>
    Effect.gen(function* () {
      const { options, stores } = yield* setUp
      const one = yield* listener(options)
      yield* appends(yield* Effect.provide(EventStoreDriver, stores), 0)
      assert.strictEqual(yield* one.count, 3)
    })
  )

  it.live("are made in a cluster, whose nodes do not know each other's listeners", () =>
    Effect.gen(function* () {
      const { options } = yield* setUp
      const redis = yield* IoRedis.make(options)
      const send: typeof redis.send = (command, ...args) =>
        command === "CLUSTER" ? redis.send("ECHO", "cluster_state:ok") : redis.send(command, ...args)
      const one = yield* listener(options, { send })
      yield* appends(one.driver, 0)
      assert.strictEqual(yield* one.count, 3)
    })
  )

  it.live("are made after a failure, which may be that of another server", () =>
    Effect.gen(function* () {
      const { options, prefix } = yield* setUp
      const redis = yield* IoRedis.make(options)
      const one = yield* listener(options)
      yield* appends(one.driver, 0)
      assert.strictEqual(yield* one.count, 1)
      yield* redis.send("SET", `${prefix}:stream:foreign`, "not ours")
      yield* Effect.flip(one.driver.append([request("foreign" as StreamId, 0, "1")]))
      yield* appends(one.driver, 2)
      assert.strictEqual(yield* one.count, 3)
      // It listens anew, and says so.
      yield* one.lost
      yield* until(() => one.heard() === 4)
      yield* appends(one.driver, 4)
      assert.strictEqual(yield* one.count, 4)
    })
  )

  it.live("others look again when a listener was away", () =>
    Effect.gen(function* () {
      const { options } = yield* setUp
      const [one, other] = [yield* listener(options), yield* listener(options)]
      yield* other.count
      const before = other.wakes()
      yield* one.lost
      yield* until(() => other.wakes() === before + 1)
    })
  )
})

describe("retention", () => {
  it.effect("what is forgotten leaves nothing behind but its version", () =>
    Effect.gen(function* () {
      const { admin, keys, prefix, stores } = yield* setUp
      const driver = yield* Effect.provide(EventStoreDriver, stores)
      const ids = Array.from({ length: 12_000 }, (_, n) => String(n))
      yield* driver.append([request(orders, "Any", ...ids), request("other" as StreamId, 0, "x")])
      yield* driver.truncateBefore(orders, 12_000)
      assert.strictEqual(yield* admin.send("XLEN", `${prefix}:log`), 2)
      assert.strictEqual(yield* admin.send("HLEN", `${prefix}:dedup:orders`), 1)
      assert.deepStrictEqual(versions(yield* driver.read(orders, {})), [12_000])
      assert.deepStrictEqual(tags(yield* driver.append([request(orders, "Any", "11999")])), ["Duplicate"])
      yield* driver.delete(orders, 12_000)
      assert.strictEqual(yield* admin.send("XLEN", `${prefix}:log`), 1)
      assert.deepStrictEqual(yield* keys, [":format", ":head", ":log", ":stream:orders", ":stream:other"])
      assert.strictEqual(yield* driver.head, 12_002)
    })
  )

  it.effect("events that were evicted are a typed error, not a gap", () =>
    Effect.gen(function* () {
      const { admin, prefix, stores } = yield* setUp
      const driver = yield* Effect.provide(EventStoreDriver, stores)
      yield* driver.append([request(orders, 0, "a", "b", "c")])
      yield* admin.send("XDEL", `${prefix}:log`, "2-0")
      assert.strictEqual(reasonOf(yield* Effect.flip(driver.read(orders, {}))), "StoreCorrupt")
      yield* admin.send("XADD", `${prefix}:log`, "9-0", "foreign", "entry")
      assert.strictEqual(reasonOf(yield* Effect.flip(driver.readAll({ max: 9 }))), "StoreCorrupt")
    })
  )
})

describe("reads", () => {
  it.effect("a filtered read goes on beyond what one script looks at", () =>
    Effect.gen(function* () {
      const { stores } = yield* setUp
      const driver = yield* Effect.provide(EventStoreDriver, stores)
      const many = Array.from({ length: 4500 }, (_, n) => String(n))
      const rare = "rare" as StreamId
      yield* driver.append([request(rare, 0, "first"), request(orders, 0, ...many), request(rare, 1, "last", "more")])
      const types = ({ type }: StoredEvent) => type
      assert.deepStrictEqual((yield* driver.readAll({ max: 9, streamPrefix: "rare" })).map(types), [
        "first",
        "last",
        "more"
      ])
      assert.deepStrictEqual((yield* driver.readAll({ max: 2, streamPrefix: "rare" })).map(types), ["first", "last"])
      assert.deepStrictEqual((yield* driver.readAll({ max: 9, types: ["last", "4000"] })).map(types), ["4000", "last"])
      assert.deepStrictEqual(yield* driver.readAll({ max: 9, types: [] }), [])
      assert.deepStrictEqual(yield* driver.readAll({ max: 9, streamPrefix: "nobody" }), [])
    })
  )
})

describe("foreign appends", () => {
  /** A reader and a writer as two processes would have them. */
  const twoProcesses = Effect.gen(function* () {
    const { options, stores } = yield* setUp
    const reader = yield* Layer.build(Layer.fresh(Redis.stores({ ...options, pollInterval: "365 days" })))
    return {
      writer: yield* Effect.provide(EventStore, stores),
      reader: yield* Effect.provide(EventStore, reader)
    }
  })

  it.live("are heard of at once", () =>
    Effect.gen(function* () {
      const { reader, writer } = yield* twoProcesses
      const received = reader.subscribe({ after: 0 }).pipe(
        Stream.tap(({ version }) =>
          // Each append follows the sight of the one before: nothing but the message can tell of it.
          version < 20 ? writer.append(orders, [{ type: "E", data: null }], version) : Effect.void
        ),
        Stream.take(20),
        Stream.runCollect
      )
      yield* writer.append(orders, [{ type: "E", data: null }], 0)
      assert.deepStrictEqual(
        versions(yield* received),
        Array.from({ length: 20 }, (_, n) => n + 1)
      )
    })
  )

  it.live("are found by the poll when nobody tells", () =>
    Effect.gen(function* () {
      const { admin, options } = yield* setUp
      const deaf = { ...admin, subscribe: () => Queue.unbounded<never>() }
      const driver = yield* RedisEventStore.makeDriver({ ...options, pollInterval: "1 millis" }).pipe(
        Effect.provideService(RedisService, deaf)
      )
      let wakes = 0
      yield* driver.onForeignAppend(() => wakes++)
      for (let version = 0; version < 5; version++) {
        // On subscribing, at the first look, and from then on for each append: never without one.
        const woken = Effect.repeat(Effect.sleep("1 millis"), { until: () => wakes >= version + 2 })
        yield* woken
        yield* Effect.repeat(driver.head, { times: 20 })
        assert.strictEqual(wakes, version + 2)
        yield* driver.append([request(orders, version, String(version))])
      }
    })
  )

  it.live("a deletion wakes, too, and appends of one's own do not", () =>
    Effect.gen(function* () {
      const { options } = yield* setUp
      const layer = RedisEventStore.layerDriver({ ...options, pollInterval: "365 days" }).pipe(
        Layer.provide(IoRedis.layer(options))
      )
      const driverOf = Effect.map(Layer.build(Layer.fresh(layer)), (context) =>
        Effect.provide(EventStoreDriver, context)
      )
      const [one, other] = [yield* yield* driverOf, yield* yield* driverOf]
      let wakes = 0
      yield* one.onForeignAppend(() => wakes++)
      const woken = (count: number) =>
        Effect.repeat(Effect.andThen(one.head, Effect.sleep("1 millis")), { until: () => wakes >= count })
      yield* woken(1)
      yield* one.append([request(orders, 0, "mine")])
      yield* other.delete(orders, 1)
      yield* woken(2)
      assert.strictEqual(wakes, 2)
    })
  )
})
