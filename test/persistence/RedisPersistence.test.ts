/** What only the Redis document store has to keep; the rest is in `Persistence.conformance.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { TestClock } from "effect/testing"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import * as RedisEventStore from "../../src/event-store/RedisEventStore.ts"
import { Persistence, type Query } from "../../src/persistence/Persistence.ts"
import { Redis, RedisError } from "../../src/persistence/RedisClient.ts"
import { RedisDocuments } from "../../src/persistence/RedisDocuments.ts"
import * as RedisPersistence from "../../src/persistence/RedisPersistence.ts"
import { RedisQuery } from "../../src/persistence/RedisQuery.ts"
import { request, tags } from "../../src/testing/conformance/EventStoreFixtures.ts"
import { temporaryPrefix } from "../redis.ts"

const setUp = Effect.gen(function* () {
  const options = yield* temporaryPrefix("redis")
  const admin = yield* IoRedis.make(options)
  /** As another process would: one that knows of no index until it is told. */
  const process = (redis: Redis["Service"] = admin) =>
    Effect.map(
      Layer.build(Layer.fresh(RedisPersistence.layer(options)).pipe(Layer.provide(Layer.succeed(Redis, redis)))),
      (context) => Effect.provide(Persistence, context)
    ).pipe(Effect.flatten)
  const keys = Effect.map(admin.send<ReadonlyArray<string>>("KEYS", `${options.prefix}*`), (found) =>
    found.map((key) => key.slice(options.prefix.length)).toSorted()
  )
  return { options, admin, process, keys }
})

const idsOf = (persistence: Persistence["Service"], query: Query) =>
  Effect.map(persistence.query("runs", query), (found) => found.map(({ id }) => id))

const run = (id: string, status: string | null, n = 0) => ({ collection: "runs", id, body: { status, n } })

/** Counts the documents that scripts and commands have read from the collection. */
const counting = (redis: Redis["Service"]) => {
  const reads = { pages: 0 }
  const counted: Redis["Service"] = {
    ...redis,
    eval: (script) => {
      if (script.lua.includes("HMGET")) reads.pages++
      return redis.eval(script)
    }
  }
  return { counted, reads }
}

it.effect("a query answers with however many documents there are", () =>
  Effect.gen(function* () {
    const count = 150_000
    let sent = 0
    /** Answers pages of 200 documents, as the script does. */
    const page = Effect.sync(() =>
      Array.from({ length: Math.min(200, count - sent) }, () => String(sent++)).flatMap((id) => [
        id,
        id,
        "1  0 t\n\n{}"
      ])
    )
    const redis = { send: () => Effect.succeed([]), eval: () => () => page }
    const documents = new RedisDocuments(redis as never, "{tutti}")
    const query = new RedisQuery(redis as never, documents)
    assert.lengthOf(yield* query.select("runs", { limit: Number.MAX_SAFE_INTEGER }, 0), count)
  })
)

describe("indexes", () => {
  it.effect("narrow a query down, whether documents were put before or after", () =>
    Effect.gen(function* () {
      const { admin, process } = yield* setUp
      const { counted, reads } = counting(admin)
      const one = yield* process(counted)
      const many = (from: number) => Array.from({ length: 1000 }, (_, n) => run(`r${from + n}`, "completed"))
      yield* one.putAll([...many(10_000), run("a", "running"), run("b", null)])
      yield* one.index!("runs", ["status"])
      yield* one.putAll([...many(20_000), run("c", "running")])
      reads.pages = 0
      assert.deepStrictEqual(yield* idsOf(one, { where: { status: "running" } }), ["a", "c"])
      assert.deepStrictEqual(yield* idsOf(one, { where: { status: null } }), ["b"])
      assert.strictEqual(reads.pages, 2)
      const both = { status: ["running", null, "running"], n: 0 }
      assert.deepStrictEqual(yield* idsOf(one, { where: both }), ["a", "b", "c"])
      assert.deepStrictEqual(yield* idsOf(one, { where: both, orderBy: "n", descending: true }), ["c", "b", "a"])
      assert.deepStrictEqual(yield* idsOf(one, { where: both, limit: 1, offset: 1 }), ["b"])
      const last = { where: { status: "completed" }, descending: true, limit: 1 }
      assert.deepStrictEqual(yield* idsOf(one, last), ["r20999"])
    })
  )

  it.effect("are kept by processes that did not declare them", () =>
    Effect.gen(function* () {
      const { admin, options, process } = yield* setUp
      const other = yield* process()
      yield* other.putAll([run("a", "running"), run("b", "running")])
      const one = yield* process()
      yield* one.index!("runs", ["status"])
      yield* other.putAll([run("a", "completed"), run("c", "running")])
      yield* other.delete("runs", "b")
      assert.deepStrictEqual(yield* idsOf(one, { where: { status: "running" } }), ["c"])
      assert.deepStrictEqual(yield* idsOf(one, { where: { status: "completed" } }), ["a"])
      const layer = RedisEventStore.layerDriver(options).pipe(Layer.provide(Layer.succeed(Redis, admin)))
      const driver = yield* Effect.flatten(
        Effect.map(Layer.build(layer), (context) => Effect.provide(EventStoreDriver, context))
      )
      const documents = [run("d", "running"), run("c", "failed")]
      const outcomes = yield* driver.append([{ ...request("orders" as StreamId, 0, "x"), documents }])
      assert.deepStrictEqual(tags(outcomes), ["Appended"])
      assert.deepStrictEqual(yield* idsOf(one, { where: { status: "running" } }), ["d"])
      assert.deepStrictEqual(yield* idsOf(one, { where: { status: "failed" } }), ["c"])
    })
  )

  it.effect("leave nothing behind", () =>
    Effect.gen(function* () {
      const { keys, process } = yield* setUp
      const one = yield* process()
      yield* one.index!("runs", ["status", 'odd "\t\n\u0000', "n"])
      yield* one.putAll([run("a", "\u0000\t\n"), { ...run("b", "x".repeat(1000)), expiresAt: 5 }])
      assert.deepStrictEqual(yield* idsOf(one, { where: { status: "\u0000\t\n" } }), ["a"])
      assert.deepStrictEqual(yield* idsOf(one, { where: { status: "x".repeat(1000) } }), ["b"])
      assert.deepStrictEqual(yield* idsOf(one, { where: { status: "x".repeat(999) } }), [])
      yield* one.delete("runs", "a")
      yield* one.delete("runs", "b")
      assert.deepStrictEqual(yield* keys, [":indexes:runs"])
    })
  )
})

describe("expiry", () => {
  it.effect("documents are removed by the clock of the process, not by that of Redis", () =>
    Effect.gen(function* () {
      const { keys, process } = yield* setUp
      const one = yield* process()
      yield* one.putAll([
        { ...run("a", "running"), expiresAt: 1000 },
        { ...run("b", "running"), expiresAt: 5000 }
      ])
      yield* TestClock.setTime(999)
      yield* one.purge!
      assert.deepStrictEqual(yield* idsOf(one, {}), ["a", "b"])
      yield* TestClock.setTime(1000)
      assert.deepStrictEqual(yield* idsOf(one, {}), ["b"])
      // The name of what has expired is free before it is removed.
      assert.isTrue(yield* one.putAll([{ ...run("a", "again"), expected: 0, expiresAt: 2000 }]))
      assert.strictEqual((yield* one.get("runs", "a"))?.version, 1)
      // A put that does not expire any more.
      yield* one.putAll([run("b", "running")])
      yield* TestClock.setTime(9000)
      yield* one.purge!
      assert.deepStrictEqual(yield* idsOf(one, {}), ["b"])
      yield* one.delete("runs", "b")
      assert.deepStrictEqual(yield* keys, [])
    })
  )
})

describe("unknown outcomes", () => {
  it.live("a put that was written, but not answered, is known again", () =>
    Effect.gen(function* () {
      const { admin, process } = yield* setUp
      let losses = 0
      const lossy: Redis["Service"] = {
        ...admin,
        eval: (script) => {
          const call = admin.eval(script)
          return (...parameters) =>
            Effect.flatMap(call(...parameters), (answer) =>
              script.lua.includes("isStale(put)") && losses++ % 2 === 0
                ? Effect.fail(new RedisError({ cause: new Error("the connection was lost") }))
                : Effect.succeed(answer)
            )
        }
      }
      const one = yield* process(lossy)
      assert.isTrue(yield* one.putAll([{ ...run("a", "running"), expected: 0 }]))
      assert.isTrue(yield* one.putAll([run("a", "completed"), run("b", "running")]))
      assert.strictEqual(losses, 4)
      assert.strictEqual((yield* one.get("runs", "a"))?.version, 2)
      assert.isFalse(yield* one.putAll([{ ...run("a", "running"), expected: 1 }]))
    }).pipe(Effect.provide(Logger.layer([])))
  )
})

it.effect("a record that is not ours is a typed error", () =>
  Effect.gen(function* () {
    const { admin, options, process } = yield* setUp
    const one = yield* process()
    yield* one.putAll([run("a", "running")])
    yield* admin.send("HSET", `${options.prefix}:documents:runs`, "a", "not ours")
    assert.match((yield* Effect.flip(one.get("runs", "a"))).message, /record of document "a" is not readable/)
    assert.isFalse((yield* Effect.flip(one.query("runs"))).retryable)
  })
)
