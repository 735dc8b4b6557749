/** What only the Redis log has to keep; the rest is in `EventStore.conformance.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import * as Redis from "../../src/backends/Redis.ts"
import type { StoredEvent, StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import type { EventStoreError } from "../../src/event-store/EventStoreError.ts"
import { Redis as RedisService } from "../../src/persistence/RedisClient.ts"
import * as RedisEventStore from "../../src/event-store/RedisEventStore.ts"
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
