/** Items from offer to done on each driver, beside the least that the same store can do for as many in batches. */
import { DatabaseSync } from "node:sqlite"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Deferred, Effect, Exit, Layer, ManagedRuntime, Queue, Redacted, Schema, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { WorkQueue } from "tutti"
import * as IoRedis from "../src/backends/IoRedis.ts"
import * as NodeSqlite from "../src/backends/NodeSqlite.ts"
import * as PostgresClient from "../src/backends/PostgresClient.ts"
import { Redis } from "../src/persistence/RedisClient.ts"
import * as MemoryWorkQueue from "../src/queues/MemoryWorkQueue.ts"
import * as PostgresWorkQueue from "../src/queues/PostgresWorkQueue.ts"
import * as RedisWorkQueue from "../src/queues/RedisWorkQueue.ts"
import * as SqliteWorkQueue from "../src/queues/SqliteWorkQueue.ts"
import * as Servers from "../test/servers/Servers.ts"
import { compare, perSecond, printMachine } from "./harness.ts"

const producers = 256
const workers = 256
const batch = 64
const body = JSON.stringify({ to: "ada@example.org", text: "x".repeat(80) })

const batches = (total: number) => Array.from({ length: total / batch }, (_, index) => index)
const ids = (at: number) => Array.from({ length: batch }, (_, index) => `${at}-${index}`)

let round = 0

/** Offers everything with many producers and waits until all handlers have run and all outcomes are recorded. */
const throughQueue = (total: number) =>
  Effect.gen(function* () {
    const queue = yield* WorkQueue.make(`bench-${round++}`, {
      item: Schema.Struct({ to: Schema.String, text: Schema.String })
    })
    const item = JSON.parse(body) as { to: string; text: string }
    const all = yield* Deferred.make<void>()
    let left = total
    const pool = Scope.makeUnsafe()
    yield* queue
      .run(() => (--left === 0 ? Effect.asVoid(Deferred.succeed(all, undefined)) : Effect.void), {
        concurrency: workers
      })
      .pipe(Effect.provideService(Scope.Scope, pool))
    yield* Effect.forEach(Array.from({ length: total }), () => queue.offer(item), {
      concurrency: producers,
      discard: true
    })
    yield* Deferred.await(all)
    yield* Scope.close(pool, Exit.void)
  }).pipe(Effect.scoped)

const measure = <R>(total: number, layer: Layer.Layer<R, unknown>, work: Effect.Effect<unknown, unknown, R>) => {
  const runtime = ManagedRuntime.make(layer)
  return {
    run: async () => {
      // Connections are open before the clock starts.
      await runtime.runPromise(Effect.void)
      return perSecond(total, () => runtime.runPromise(work))
    },
    stop: () => runtime.dispose()
  }
}

const effectQueue = (total: number) =>
  Effect.gen(function* () {
    const queue = yield* Queue.bounded<string>(10_000)
    const take = Effect.forever(Queue.take(queue))
    for (let index = 0; index < workers; index++) yield* Effect.forkScoped(take)
    yield* Effect.forEach(Array.from({ length: total }), () => Queue.offer(queue, body), {
      concurrency: producers,
      discard: true
    })
    while ((yield* Queue.size(queue)) > 0) yield* Effect.yieldNow
  }).pipe(Effect.scoped)

/** Three commits a batch: offered, claimed, done. */
const rawSqlite = (database: DatabaseSync, total: number) =>
  Effect.sync(() => {
    database.exec("CREATE TABLE IF NOT EXISTS items (id TEXT PRIMARY KEY, state INTEGER, body TEXT)")
    const insert = database.prepare("INSERT INTO items VALUES (?, 0, ?)")
    const claim = database.prepare("UPDATE items SET state = 1 WHERE id = ?")
    const remove = database.prepare("DELETE FROM items WHERE id = ?")
    for (const at of batches(total)) {
      for (const run of [
        (id: string) => insert.run(id, body),
        (id: string) => claim.run(id),
        (id: string) => remove.run(id)
      ]) {
        database.exec("BEGIN IMMEDIATE")
        for (const id of ids(at)) run(id)
        database.exec("COMMIT")
      }
    }
  })

const rawRedis = (total: number) =>
  Effect.gen(function* () {
    const redis = yield* Redis
    const key = `raw-${round++}`
    yield* redis.send("XGROUP", "CREATE", key, "workers", "0", "MKSTREAM")
    yield* Effect.forEach(
      batches(total),
      () =>
        Effect.gen(function* () {
          yield* Effect.forEach(Array.from({ length: batch }), () => redis.send("XADD", key, "*", "b", body), {
            concurrency: "unbounded",
            discard: true
          })
          const [, entries] = yield* redis.send<readonly [string, Array<[string, unknown]>]>(
            ...(["XREADGROUP", "GROUP", "workers", "one", "COUNT", `${batch}`, "STREAMS", key, ">"] as const)
          )
          yield* redis.send("XACK", key, "workers", ...entries.map(([id]) => id))
        }),
      { concurrency: producers / batch, discard: true }
    )
  })

const rawPostgres = (total: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql.unsafe("CREATE TABLE IF NOT EXISTS raw_items (id text PRIMARY KEY, state int, body text)")
    const run = (statement: string, at: number, ...rest: ReadonlyArray<string>) =>
      sql.unsafe(statement, [ids(at), ...rest]).raw
    yield* Effect.forEach(
      batches(total),
      (at) =>
        Effect.gen(function* () {
          yield* run("INSERT INTO raw_items SELECT id, 0, $2 FROM unnest($1::text[]) n(id)", at, body)
          yield* run(
            `UPDATE raw_items SET state = 1 WHERE id IN (SELECT id FROM raw_items WHERE id = ANY ($1::text[]) FOR UPDATE SKIP LOCKED)`,
            at
          )
          yield* run("DELETE FROM raw_items WHERE id = ANY ($1::text[])", at)
        }),
      { concurrency: producers / batch, discard: true }
    )
  })

printMachine()
const scope = Scope.makeUnsafe()
const provided = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.runPromise(Effect.provideService(effect, Scope.Scope, scope))
const [postgres, redis] = await provided(
  Effect.all([
    Servers.postgres({ fsync: true }),
    Servers.redis({ settings: { appendonly: "yes", appendfsync: "everysec" } })
  ])
)
const directory = mkdtempSync(join(tmpdir(), "tutti-bench-"))
const database = new DatabaseSync(join(directory, "raw.db"))
database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=full")

const onRedis = IoRedis.layer({ url: redis.url })
const onPostgres = PostgresClient.layer({ url: Redacted.make(postgres.url) })
const onSqlite = NodeSqlite.layer({ filename: join(directory, "tutti.db") })

const memoryItems = 64 * 500
const storedItems = 64 * 100
const pairs = [
  {
    store: "memory",
    limit: "Effect Queue",
    raw: measure(memoryItems, Layer.empty, effectQueue(memoryItems)),
    ours: measure(memoryItems, MemoryWorkQueue.layer, throughQueue(memoryItems))
  },
  {
    store: "SQLite",
    limit: "insert, update, delete",
    raw: measure(storedItems, Layer.empty, rawSqlite(database, storedItems)),
    ours: measure(storedItems, SqliteWorkQueue.layer().pipe(Layer.provide(onSqlite)), throughQueue(storedItems))
  },
  {
    store: "Redis",
    limit: "XADD, XREADGROUP, XACK",
    raw: measure(storedItems, onRedis, rawRedis(storedItems)),
    ours: measure(storedItems, RedisWorkQueue.layer().pipe(Layer.provide(onRedis)), throughQueue(storedItems))
  },
  {
    store: "PostgreSQL",
    limit: "insert, SKIP LOCKED, delete",
    raw: measure(storedItems, onPostgres, rawPostgres(storedItems)),
    ours: measure(storedItems, PostgresWorkQueue.layer.pipe(Layer.provide(onPostgres)), throughQueue(storedItems))
  }
]

await compare(
  "Work queue, from offer to done",
  {
    unit: "items/s",
    rounds: 3,
    notes: [
      `${producers} producers, ${workers} workers; raw in batches of ${batch}`,
      "SQLite synchronous=full, Redis appendfsync=everysec, PostgreSQL fsync=on",
      "raw has no priorities, keys, bounds, attempts, leases, outcomes or duplicates"
    ]
  },
  pairs.flatMap(({ limit, ours, raw, store }) => [
    { name: `${store}: ${limit}`, run: raw.run },
    { name: `${store}: WorkQueue`, run: ours.run, reference: `${store}: ${limit}` }
  ])
)

for (const { ours, raw } of pairs) {
  await raw.stop()
  await ours.stop()
}
database.close()
rmSync(directory, { recursive: true })
await Effect.runPromise(Scope.close(scope, Exit.void))
