/** The deployment: what it does about a server that is away, full, forgetful, or newer. */
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import * as Redis from "../../src/backends/Redis.ts"
import * as RedisDurability from "../../src/backends/RedisDurability.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import type { EventStoreError } from "../../src/event-store/EventStoreError.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import { meaningOf, RedisError } from "../../src/persistence/RedisClient.ts"
import { Orchestration, Signal, Step } from "../../src/index.ts"
import { temporaryPrefix } from "../redis.ts"
import * as TcpProxy from "../proxy/TcpProxy.ts"
import * as Servers from "../servers/Servers.ts"

const timeouts = { connectTimeout: "1 second", responseTimeout: "1 second" } as const

const stream = "orders" as StreamId

const reasonOf = (error: EventStoreError) => {
  const { reason } = error
  return reason._tag === "StoreUnavailable" ? [reason._tag, reason.retryable] : [reason._tag]
}

const built = (options: Redis.Options) => Effect.scoped(Layer.build(Redis.stores({ ...timeouts, ...options })))

/** What is logged while an effect runs. */
const logged = <A, E, R>(effect: Effect.Effect<A, E, R>, hear: (line: string) => void = () => {}) => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => {
    lines.push(String(message))
    hear(String(message))
  })
  return Effect.map(Effect.provide(effect, Logger.layer([logger])), () => lines)
}

describe("a server that is away", () => {
  it.live("fail: to open a store fails at once, and so do its operations; they succeed when it is back", () =>
    Effect.gen(function* () {
      const server = yield* Servers.redis()
      const options: Redis.Options = { url: server.url, whenDown: "fail", ...timeouts }
      yield* Effect.gen(function* () {
        const store = yield* EventStore
        const persistence = yield* Persistence
        yield* store.append(stream, [{ type: "A", data: 1 }], 0)
        yield* server.kill
        const append = store.append(stream, [{ type: "B", data: 2 }], 1)
        const put = persistence.putAll([{ collection: "c", id: "a", body: {} }])
        const error = yield* Effect.flip(Effect.catchTag(append, "VersionConflict", Effect.die))
        assert.deepStrictEqual(reasonOf(error), ["StoreUnavailable", true])
        assert.match(error.message, /could not append events: the server/)
        assert.isTrue((yield* Effect.flip(put)).retryable)
        assert.deepStrictEqual(reasonOf(yield* Effect.flip(built(options))), ["StoreUnavailable", true])
        yield* server.start
        const again = { while: (error: { readonly _tag: string }) => error._tag !== "VersionConflict" }
        yield* Effect.retry(append, { ...again, schedule: Schedule.spaced("20 millis") })
        assert.isTrue(yield* put)
        assert.strictEqual(yield* store.version(stream), 2)
      }).pipe(Effect.provide(Redis.stores(options)))
    })
  )

  it.live("wait: opening and operations go on by themselves when it is back", () =>
    Effect.gen(function* () {
      const server = yield* Servers.redis()
      yield* server.kill
      const waits = yield* Deferred.make<void>()
      yield* logged(
        Effect.gen(function* () {
          const opening = yield* Effect.forkChild(Layer.build(Redis.stores({ url: server.url, ...timeouts })), {
            startImmediately: true
          })
          yield* Deferred.await(waits)
          yield* server.start
          const context = yield* Fiber.join(opening)
          yield* Effect.gen(function* () {
            const store = yield* EventStore
            yield* server.kill
            const appending = yield* Effect.forkChild(store.append(stream, [{ type: "A", data: 1 }], 0), {
              startImmediately: true
            })
            const reading = yield* Effect.forkChild(store.readArray(stream), { startImmediately: true })
            yield* server.start
            assert.strictEqual((yield* Fiber.join(appending)).version, 1)
            yield* Fiber.join(reading)
          }).pipe(Effect.provideContext(context))
        }),
        (line) => {
          if (line.includes("Waiting for Redis: the server cannot be reached")) Deferred.doneUnsafe(waits, Effect.void)
        }
      )
    })
  )

  it.live("wait: not for ever", () =>
    Effect.gen(function* () {
      const server = yield* Servers.redis()
      yield* server.kill
      const error = yield* Effect.flip(built({ url: server.url, waitAtMost: "200 millis" }))
      assert.deepStrictEqual(reasonOf(error), ["StoreUnavailable", true])
    })
  )

  it.live("wait: what died in flight is written once, through cuts and kills", () =>
    Effect.gen(function* () {
      const server = yield* Servers.redis()
      const proxy = yield* TcpProxy.make(server.port)
      const options: Redis.Options = { url: `redis://127.0.0.1:${proxy.port}`, ...timeouts }
      yield* Effect.gen(function* () {
        const store = yield* EventStore
        const persistence = yield* Persistence
        let written = 0
        const writing = yield* Effect.forkChild(
          Effect.repeat(
            Effect.suspend(() => {
              const n = written++
              const put = persistence.putAll([{ collection: "c", id: "n", body: { n }, expected: n }])
              return Effect.all([store.append(stream, [{ type: "E", data: n }], n), put])
            }),
            { times: 299, while: ([, won]) => won }
          )
        )
        const progress = Effect.suspend(() => {
          const goal = Math.min(written + 5, 300)
          return Effect.repeat(Effect.sleep("2 millis"), { until: () => written >= goal })
        })
        for (let round = 0; round < 5; round++) {
          yield* progress
          assert.isAbove(yield* proxy.cut, 0)
          yield* progress
          assert.isAbove(yield* proxy.swallow, 0)
          yield* Effect.sleep("5 millis")
          assert.isAbove(yield* proxy.cut, 0)
          yield* proxy.forward
          yield* progress
          yield* server.kill
          yield* server.start
        }
        const [, won] = yield* Fiber.join(writing)
        assert.isTrue(won)
        const events = yield* store.readArray(stream)
        assert.deepStrictEqual(
          events.map(({ data, version }) => [data, version]),
          Array.from({ length: 300 }, (_, n) => [n, n + 1])
        )
        assert.deepStrictEqual(yield* persistence.get("c", "n"), { id: "n", version: 300, body: { n: 299 } })
      }).pipe(Effect.provide(Redis.stores(options)), Effect.provide(Logger.layer([])))
    })
  )
})

describe("a server that refuses", () => {
  it.live("a full one, a replica, and one that wants a password say so, and nothing is half written", () =>
    Effect.gen(function* () {
      const { url } = yield* Servers.redis()
      const admin = yield* IoRedis.make({ url })
      yield* Effect.gen(function* () {
        const store = yield* EventStore
        const persistence = yield* Persistence
        const append = store.append(stream, [{ type: "A", data: 1 }], 0)
        const put = persistence.putAll([{ collection: "c", id: "a", body: {} }])
        const refused = (retryable: boolean, why: RegExp) =>
          Effect.gen(function* () {
            const error = yield* Effect.flip(Effect.catchTag(append, "VersionConflict", Effect.die))
            assert.deepStrictEqual(reasonOf(error), ["StoreUnavailable", retryable])
            assert.match(error.message, why)
            assert.strictEqual((yield* Effect.flip(put)).retryable, retryable)
          })
        yield* admin.send("CONFIG", "SET", "maxmemory", "1")
        yield* refused(true, /has reached its maxmemory/)
        yield* admin.send("CONFIG", "SET", "maxmemory", "0")
        yield* admin.send("REPLICAOF", "127.0.0.1", "1")
        yield* refused(true, /is a replica and takes no writes/)
        yield* admin.send("REPLICAOF", "NO", "ONE")
        yield* admin.send("ACL", "SETUSER", "default", "resetkeys", "~other*")
        yield* refused(false, /may not run this command or touch these keys/)
        yield* admin.send("ACL", "SETUSER", "default", "allkeys")
        yield* Effect.retry(store.head, { times: 50, schedule: Schedule.spaced("20 millis") })
        assert.strictEqual(yield* store.head, 0)
        assert.isTrue(yield* put)
        assert.strictEqual((yield* append).position, 1)
        assert.strictEqual((yield* persistence.get("c", "a"))?.version, 1)
      }).pipe(Effect.provide(Redis.stores({ url, whenDown: "fail", ...timeouts })))
    })
  )

  it("each refusal of Redis has a sentence, and is known to pass or not", () => {
    const means = (message: string) => {
      const { kind, retryable } = meaningOf(new RedisError({ cause: new Error(message) }))
      return `${kind} ${retryable ? "passes" : "stays"}`
    }
    for (const code of ["LOADING", "BUSY", "READONLY", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "OOM", "MISCONF"]) {
      assert.strictEqual(means(`${code} some text`), "Unavailable passes", code)
    }
    for (const code of ["NOAUTH", "WRONGPASS", "NOPERM", "ERR"]) {
      assert.strictEqual(means(`${code} some text`), "Unavailable stays", code)
    }
    assert.strictEqual(means("WRONGTYPE Operation against a key"), "Corrupt stays")
    for (const loss of [
      "connect ECONNREFUSED 127.0.0.1:1",
      "the connection was lost",
      "ERR max number of clients reached"
    ]) {
      assert.strictEqual(means(loss), "Unavailable passes", loss)
    }
    assert.strictEqual(means("ERR wrong number of arguments for a connection"), "Unavailable stays")
  })
})

describe("a server that forgets", () => {
  const risks = (settings: Readonly<Record<string, string>>) =>
    RedisDurability.risksOf(new Map(Object.entries(settings))).map((risk) => risk.split(" ", 1)[0])

  it("the settings under which acknowledged writes may be lost are known", () => {
    const safe = { appendonly: "yes", appendfsync: "always", "maxmemory-policy": "noeviction" }
    assert.deepStrictEqual(risks(safe), [])
    assert.deepStrictEqual(risks({ ...safe, "maxmemory-policy": "volatile-lru" }), [])
    assert.deepStrictEqual(risks({ ...safe, appendonly: "no" }), ["appendonly"])
    assert.deepStrictEqual(risks({ ...safe, appendfsync: "everysec" }), ["appendfsync"])
    assert.deepStrictEqual(risks({ ...safe, appendfsync: "no" }), ["appendfsync"])
    assert.deepStrictEqual(risks({ ...safe, "maxmemory-policy": "allkeys-lru" }), ["maxmemory-policy"])
  })

  it.live("warn: once, in the log; require: not opened; ignore: not asked", () =>
    Effect.gen(function* () {
      const { url } = yield* Servers.redis({ settings: { appendfsync: "everysec" } })
      const safe = yield* Servers.redis()
      const warnings = (options: Redis.Options) =>
        Effect.map(logged(built(options)), (lines) => lines.filter((line) => line.includes("may lose")))
      assert.lengthOf(yield* warnings({ url }), 1)
      assert.lengthOf(yield* warnings({ url, durability: "ignore" }), 0)
      assert.lengthOf(yield* warnings({ url: safe.url }), 0)
      yield* built({ url: safe.url, durability: "require" })
      const error = yield* Effect.flip(built({ url, durability: "require" }))
      assert.deepStrictEqual(reasonOf(error), ["StoreUnavailable", false])
      assert.match(error.message, /appendfsync is everysec/)
    })
  )

  it.live("a server that does not tell is not trusted", () =>
    Effect.gen(function* () {
      const { url } = yield* Servers.redis()
      const admin = yield* IoRedis.make({ url })
      yield* admin.send("ACL", "SETUSER", "default", "-config")
      const error = yield* Effect.flip(built({ url, durability: "require" }))
      assert.match(error.message, /does not tell its settings/)
      assert.match((yield* logged(built({ url }))).join(), /does not tell its settings/)
    })
  )
})

it.live("keys of a newer version are not touched", () =>
  Effect.gen(function* () {
    const { url } = yield* Servers.redis()
    yield* built({ url })
    const admin = yield* IoRedis.make({ url })
    yield* admin.send("SET", "{tutti}:format", "2")
    const error = yield* Effect.flip(built({ url }))
    assert.deepStrictEqual(reasonOf(error), ["StoreCorrupt"])
    assert.match(error.message, /written by a newer version of Tutti/)
  })
)

it.live("layerConfig: the place comes from the configuration", () =>
  Effect.gen(function* () {
    const { url } = yield* Servers.redis()
    const config = (entries: object) =>
      Layer.provide(Redis.layerConfig(), ConfigProvider.layer(ConfigProvider.fromUnknown(entries)))
    const append = EventStore.use((store) => store.append(stream, [{ type: "A", data: 1 }], 0))
    yield* Effect.provide(append, config({ TUTTI_REDIS_URL: url, TUTTI_REDIS_PREFIX: "mine" }))
    const admin = yield* IoRedis.make({ url })
    assert.strictEqual(yield* admin.send("XLEN", "{mine}:log"), 1)
    assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.provide(append, config({})))))
  })
)

it.live("a run goes on in the next deployment, and nothing recorded is done again", () =>
  Effect.gen(function* () {
    const options = yield* temporaryPrefix("redis-cluster")
    const done: Array<string> = []
    const step = (name: string) =>
      Step.run(name, { output: Schema.String, run: () => Effect.sync(() => (done.push(name), name)) })
    const Approval = Signal.make("approval", { by: Schema.String })
    const Release = Orchestration.make("Release", {
      input: {},
      output: Schema.String,
      run: () =>
        Effect.gen(function* () {
          yield* step("build")
          const { by } = yield* Signal.await(Approval)
          return `${yield* step("ship")} ${by}`
        })
    })
    const deployment = () => Layer.fresh(Release.layer.pipe(Layer.provideMerge(Redis.layer(options))))
    yield* Effect.gen(function* () {
      yield* Release.start({}, { key: "one" })
      yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => done.length === 1 })
    }).pipe(Effect.provide(deployment()))
    const output = yield* Effect.gen(function* () {
      const handle = yield* Release.start({}, { key: "one" })
      yield* handle.signal(Approval, { by: "ann" })
      return yield* handle.await
    }).pipe(Effect.provide(deployment()))
    assert.strictEqual(output, "ship ann")
    assert.deepStrictEqual(done, ["build", "ship"])
  })
)
