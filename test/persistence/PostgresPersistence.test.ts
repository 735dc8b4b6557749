/** What is particular to documents in PostgreSQL. What they have in common with others is in the conformance suite. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Redacted, References, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as PostgresClient from "../../src/backends/PostgresClient.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import * as PostgresPersistence from "../../src/persistence/PostgresPersistence.ts"
import { temporarySchema } from "../postgres.ts"
import * as TcpProxy from "../proxy/TcpProxy.ts"
import * as Servers from "../servers/Servers.ts"

const open = (options: PostgresClient.Options) =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        Layer.effect(Persistence, PostgresPersistence.make).pipe(Layer.provideMerge(PostgresClient.layer(options)))
      )
    ),
    (context) => ({
      documents: Context.get(context, Persistence),
      sql: Context.get(context, SqlClient.SqlClient)
    })
  )

const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  Effect.repeat(effect, { until: holds, schedule: Schedule.spaced("10 millis") }).pipe(Effect.timeout("20 seconds"))

describe("a put whose answer was lost", () => {
  for (const expected of [1, undefined]) {
    it.live(`is known again, ${expected === undefined ? "unconditional" : "conditional"}`, () =>
      Effect.gen(function* () {
        const server = yield* Servers.postgres()
        const proxy = yield* TcpProxy.make(server.port)
        const at = (port: number) => open({ url: Redacted.make(`postgres://tutti@127.0.0.1:${port}/postgres`) })
        const [far, near] = [yield* at(proxy.port), yield* at(server.port)]
        const put = (n: number, expected: number | undefined) =>
          far.documents.putAll([{ collection: "c", id: "i", body: { n }, ...(expected && { expected }) }])
        yield* put(1, 0)

        const release = yield* hold(near.sql, "tutti_documents")
        const written = yield* Effect.forkChild(put(2, expected))
        yield* waits(near.sql, "public")
        yield* proxy.swallow
        yield* release
        yield* eventually(near.documents.get("c", "i"), (found) => found?.version === 2)
        yield* proxy.cut
        yield* proxy.forward

        assert.isTrue(yield* Fiber.join(written))
        assert.deepStrictEqual(yield* near.documents.get("c", "i"), { id: "i", version: 2, body: { n: 2 } })
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
    )
  }
})

/** Holds the rows of documents, as another transaction does, until it is told to let go. */
const hold = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, rows: string) {
  const [held, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const lock = sql
    .unsafe(`SELECT 1 FROM ${rows} FOR UPDATE`)
    .pipe(
      Effect.andThen(Deferred.succeed(held, undefined)),
      Effect.andThen(Deferred.await(release)),
      sql.withTransaction
    )
  yield* Effect.forkScoped(lock)
  yield* Deferred.await(held)
  return Deferred.succeed(release, undefined)
})

/** Until a statement that names the table waits for a row. */
const waits = (sql: SqlClient.SqlClient, schema: string) =>
  eventually(
    sql.unsafe<{ count: bigint }>(
      `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%${schema}%'`
    ),
    ([row]) => row!.count > 0n
  )

describe("puts of several documents", () => {
  it.live("take them in the order of their names, so that two never wait for one another", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const { documents, sql } = yield* open(options)
      const table = `${options.schema}.tutti_documents`
      const put = documents.putAll(["b", "a"].map((id) => ({ collection: "c", id, body: {} })))
      yield* put
      const release = yield* hold(sql, `${table} WHERE id = 'a'`)
      const waiting = yield* Effect.forkChild(put)
      yield* waits(sql, options.schema)
      const free = yield* sql.unsafe(`SELECT id FROM ${table} WHERE id = 'b' FOR UPDATE SKIP LOCKED`)
      assert.deepStrictEqual(free, [{ id: "b" }])
      yield* release
      assert.isTrue(yield* Fiber.join(waiting))
    })
  )
})

describe("expired documents", () => {
  it.live("are cleared away by writes, some at a time, and all by a purge", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const { documents, sql } = yield* open(options)
      const put = (from: number, count: number, expiresAt: number) =>
        documents.putAll(
          Array.from({ length: count }, (_, index) => ({ collection: "c", id: `${from + index}`, body: {}, expiresAt }))
        )
      const rows = Effect.map(
        sql.unsafe<{ count: bigint }>(`SELECT count(*) FROM ${options.schema}.tutti_documents`),
        ([row]) => Number(row!.count)
      )
      yield* put(0, 250, 1)
      assert.strictEqual(yield* rows, 250)
      yield* put(1000, 1, Number.MAX_SAFE_INTEGER)
      assert.strictEqual(yield* rows, 151)
      yield* documents.purge!
      assert.strictEqual(yield* rows, 1)
    })
  )
})

describe("a query by fields", () => {
  it.live("uses the index", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const { documents, sql } = yield* open(options)
      const used = Effect.map(
        sql.unsafe<{ scans: bigint }>(
          `SELECT pg_stat_force_next_flush(), idx_scan AS scans FROM pg_stat_user_indexes
           WHERE schemaname = $1 AND indexrelname = 'tutti_documents_body'`,
          [options.schema]
        ),
        ([row]) => Number(row!.scans)
      )
      yield* sql.unsafe(`INSERT INTO ${options.schema}.tutti_documents
        SELECT 'c', n::text, 1, NULL, 0, jsonb_build_object('n', n) FROM generate_series(1, 20000) n`)
      yield* sql.unsafe(`ANALYZE ${options.schema}.tutti_documents`)
      const found = yield* documents.query("c", { where: { n: [5, 7] } })
      assert.deepStrictEqual(
        found.map(({ id }) => id),
        ["5", "7"]
      )
      yield* eventually(used, (scans) => scans > 0)
    })
  )
})
