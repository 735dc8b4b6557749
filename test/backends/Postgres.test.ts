import { assert, describe, it } from "@effect/vitest"
import {
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Redacted,
  References,
  Schedule,
  Schema
} from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { inspect } from "node:util"
import * as Postgres from "../../src/backends/Postgres.ts"
import * as PostgresClient from "../../src/backends/PostgresClient.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import type { EventStoreError } from "../../src/event-store/EventStoreError.ts"
import { Orchestration } from "../../src/index.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import { Postgres as Database } from "../../src/persistence/Postgres.ts"
import * as PostgresEventStore from "../../src/event-store/PostgresEventStore.ts"
import { temporarySchema } from "../postgres.ts"
import * as Servers from "../servers/Servers.ts"

const stream = "s" as StreamId

const append = (type: string) => EventStore.use((store) => store.append(stream, [{ type, data: {} }], "Any"))

const types = EventStore.use((store) => Effect.map(store.readArray(stream), (events) => events.map(({ type }) => type)))

/** The stores of a process of its own. */
const open = (options: Postgres.Options) => Layer.build(Layer.fresh(Postgres.stores(options)))

const optionsOf = (server: { readonly url: string }): Postgres.Options => ({ url: Redacted.make(server.url) })

const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  Effect.repeat(effect, { until: holds, schedule: Schedule.spaced("10 millis") }).pipe(Effect.timeout("20 seconds"))

/** What is logged goes into a list, for a test to wait for. */
const listening = Effect.sync(() => {
  const messages: Array<string> = []
  const logger = Logger.make(({ message }) => void messages.push(String(message)))
  const heard = (text: string) =>
    eventually(
      Effect.sync(() => messages.join("\n")),
      (all) => all.includes(text)
    )
  return { heard, layer: Logger.layer([logger]) }
})

const silent = Effect.provideService(References.MinimumLogLevel, "None")

const reasonOf = (error: EventStoreError) => error.reason

describe("tables", () => {
  it.live("are made once by eight processes that start together", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const processes = yield* Effect.all(
        Array.from({ length: 8 }, () => open(options)),
        { concurrency: "unbounded" }
      )
      yield* Effect.forEach(processes, (context) => Effect.provideContext(append("E"), context), {
        concurrency: "unbounded"
      })
      const seen = yield* Effect.forEach(processes, (context) => Effect.provideContext(types, context))
      assert.deepStrictEqual(
        seen.map(({ length }) => length),
        Array.from({ length: 8 }, () => 8)
      )
    })
  )

  it.live("of a newer version are refused, and left alone", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      yield* open(options)
      const { sql } = yield* client(options)
      yield* sql.unsafe(`UPDATE ${options.schema}.tutti_schema SET version = 99 WHERE component = 'event store'`)
      const { message, reason } = yield* Effect.flip(open(options))
      assert.strictEqual(reason._tag, "StoreCorrupt")
      assert.match(message, /newer version of Tutti \(the event store has schema version 99, this program knows 3\)\.$/)
      yield* sql.unsafe(`UPDATE ${options.schema}.tutti_schema SET version = 3 WHERE component = 'event store'`)
      yield* open(options)
    })
  )

  it.live("are made in the default schema, beside tables of others, by an ordinary role", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres()
      const { sql } = yield* client(optionsOf(server))
      yield* sql`CREATE TABLE events (mine text)`
      yield* sql`CREATE ROLE guest LOGIN`
      // Whoever owns the tables makes them; others may use them and make nothing.
      yield* open(optionsOf(server))
      yield* sql`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest`
      const guest = yield* open({ ...optionsOf(server), username: "guest" })
      yield* Effect.provideContext(append("E"), guest)
      assert.deepStrictEqual(yield* Effect.provideContext(types, guest), ["E"])
    })
  )
})

const client = (options: Postgres.Options) =>
  Effect.map(Layer.build(Layer.fresh(PostgresClient.layer(options))), (context) => ({
    sql: Context.get(context, SqlClient.SqlClient),
    database: Context.get(context, Database)
  }))

describe("a server that is down", () => {
  it.live("makes operations fail at once, typed and retryable, and is used again when it is back", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres()
      const stores = yield* open({ ...optionsOf(server), whenDown: "fail" })
      yield* Effect.gen(function* () {
        yield* append("before")
        yield* server.kill
        const failed = yield* Effect.flip(append("while it is down"))
        assert.include({ ...reasonOf(failed as EventStoreError) }, { _tag: "StoreUnavailable", retryable: true })
        const documents = yield* Persistence
        const error = yield* Effect.flip(documents.putAll([{ collection: "c", id: "i", body: {} }]))
        assert.include({ ...error }, { _tag: "PersistenceError", retryable: true })
        const cold = yield* Effect.flip(open({ ...optionsOf(server), whenDown: "fail" }))
        assert.include({ ...cold.reason }, { _tag: "StoreUnavailable", retryable: true })
        yield* server.start
        yield* append("after")
        assert.deepStrictEqual(yield* types, ["before", "after"])
      }).pipe(Effect.provideContext(stores))
    })
  )

  it.live("makes operations wait, and nothing is lost or written twice", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres()
      const log = yield* listening
      yield* Effect.gen(function* () {
        const stores = yield* open(optionsOf(server))
        const { sql } = yield* client(optionsOf(server))
        yield* Effect.provideContext(append("before"), stores)
        const inFlight = yield* heldBack(sql, Effect.provideContext(append("in flight"), stores))
        yield* server.kill
        const waiting = yield* Effect.forkChild(Effect.provideContext(append("while it is down"), stores))
        // A process that starts meanwhile waits, too.
        const starting = yield* Effect.forkChild(open(optionsOf(server)))
        yield* log.heard("Waiting until it is back.")
        yield* server.start
        yield* Effect.all([Fiber.join(inFlight), Fiber.join(waiting), Fiber.join(starting)])
        yield* log.heard("PostgreSQL is back")
        assert.deepStrictEqual(yield* Effect.provideContext(types, stores), ["before", "in flight", "while it is down"])
      }).pipe(Effect.provide(log.layer))
    })
  )

  it.live("and frozen has so long to answer as the option says", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres()
      const stores = yield* open({ ...optionsOf(server), whenDown: "fail", timeout: "300 millis" })
      yield* Effect.gen(function* () {
        yield* append("before")
        yield* server.freeze
        const { message } = yield* Effect.flip(append("while it is frozen")).pipe(Effect.timeout("20 seconds"))
        yield* server.thaw
        assert.match(message, /did not answer in time \(no answer within 300ms\); trying again may help\.$/)
        yield* eventually(Effect.exit(append("after")), Exit.isSuccess)
        const stored = yield* types
        // What was under way when it froze is written, or not: but as a whole, and once.
        assert.deepStrictEqual(
          stored.filter((type) => type !== "while it is frozen"),
          ["before", "after"]
        )
        assert.isAtMost(stored.length, 3)
      }).pipe(Effect.provideContext(stores))
    })
  )

  it.live("in the middle of a transaction of the client is a typed error", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const { sql } = yield* client(options)
      const dying = sql`SELECT pg_terminate_backend(pg_backend_pid())`
      const error = yield* Effect.flip(sql.withTransaction(dying))
      assert.isTrue(SqlError.isSqlError(error) && error.isRetryable)
    })
  )
})

/** An append that the server has taken and cannot finish. */
const heldBack = Effect.fnUntraced(function* <A, E>(sql: SqlClient.SqlClient, effect: Effect.Effect<A, E>) {
  const locked = yield* Deferred.make<void>()
  const hold = sql`SELECT pg_advisory_xact_lock(hashtextextended('tutti/public/append', 0))`.pipe(
    Effect.andThen(Deferred.succeed(locked, undefined)),
    Effect.andThen(Effect.never),
    sql.withTransaction
  )
  // Ends before the pool that it has a connection of.
  yield* Effect.forkScoped(Effect.exit(hold))
  yield* Deferred.await(locked)
  const fiber = yield* Effect.forkChild(effect)
  const waits = sql<{ count: bigint }>`SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'`
  yield* eventually(waits, ([row]) => row!.count > 0n)
  return fiber
})

describe("what the server answers", () => {
  const cases: ReadonlyArray<readonly [code: string, reason: string, retryable: boolean]> = [
    ["08006", "StoreUnavailable", true],
    ["25006", "StoreUnavailable", true],
    ["28P01", "StoreUnavailable", false],
    ["3D000", "StoreUnavailable", false],
    ["40001", "StoreUnavailable", true],
    ["40P01", "StoreUnavailable", true],
    ["42501", "StoreUnavailable", false],
    ["42P01", "StoreUnavailable", false],
    ["53100", "StoreUnavailable", true],
    ["53300", "StoreUnavailable", true],
    ["55P03", "StoreUnavailable", true],
    ["57014", "StoreUnavailable", true],
    ["57P01", "StoreUnavailable", true],
    ["57P03", "StoreUnavailable", true],
    ["XX000", "StoreUnavailable", false],
    ["XX001", "StoreCorrupt", false]
  ]

  it.live("is a typed error, whatever it is", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      yield* open(options)
      const { database, sql } = yield* client(options)
      yield* sql.unsafe(`CREATE FUNCTION ${options.schema}.fails(code text) RETURNS int LANGUAGE plpgsql
        AS $$ BEGIN RAISE 'no' USING ERRCODE = code; END $$`)
      for (const [code, tag, retryable] of cases) {
        const error = yield* Effect.flip(database.run("work", `SELECT ${options.schema}.fails($1)`, [code]))
        const { reason } = PostgresEventStore.storeError(error)
        const found = [reason._tag, reason._tag === "StoreUnavailable" && reason.retryable]
        assert.deepStrictEqual(found, [tag, retryable], code)
      }
    })
  )

  it.live("to who may not come in is final, and no secret is in the text", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres()
      const url = new URL(server.url)
      url.password = "hunter2secret"
      const secret = (text: string) => ({ url: Redacted.make(text), whenDown: "wait" as const })
      const attempts: ReadonlyArray<readonly [Postgres.Options, RegExp]> = [
        [secret(url.href.replace("tutti", "nobody")), /refused access \(role "nobody" does not exist\)/],
        [secret(url.href.replace(/postgres$/, "nowhere")), /refused access \(database "nowhere" does not exist\)/],
        [secret("postgres://tutti:hunter2secret@:x/"), /the URL is not one/],
        [secret(url.href.replace("postgres:", "mysql:")), /the URL begins with "mysql:" instead of "postgres:"/],
        [{ password: Redacted.make("hunter2secret") }, /there is no user name/]
      ]
      for (const [options, expected] of attempts) {
        const error = yield* Effect.flip(open(options))
        assert.match(error.message, expected)
        assert.include({ ...error.reason }, { _tag: "StoreUnavailable", retryable: false })
        const text = [
          inspect(error, { depth: 20, showHidden: true }),
          JSON.stringify(error),
          String(error.stack)
        ].join()
        assert.notInclude(text, "hunter2secret")
      }
    })
  )
})

describe("the deployment", () => {
  it.live("is configured by the environment, and runs a program", () =>
    Effect.gen(function* () {
      const { schema, url } = yield* temporarySchema
      const environment = ConfigProvider.layer(
        ConfigProvider.fromUnknown({ TUTTI_POSTGRES_URL: Redacted.value(url), TUTTI_POSTGRES_SCHEMA: schema })
      )
      const Greet = Orchestration.make("Greet", {
        input: { name: Schema.String },
        output: Schema.String,
        run: ({ name }) => Effect.succeed(`Hello, ${name}`)
      })
      const greeting = yield* Effect.gen(function* () {
        const run = yield* Greet.start({ name: "Ada" })
        return yield* run.await
      }).pipe(Effect.provide(Greet.layer.pipe(Layer.provideMerge(Postgres.layerConfig()), Layer.provide(environment))))
      assert.strictEqual(greeting, "Hello, Ada")
      const { sql } = yield* client({ url, schema })
      const [count] = yield* sql.unsafe<{ count: bigint }>(`SELECT count(*) FROM ${schema}.tutti_events`)
      assert.isAtLeast(Number(count!.count), 2)
    }).pipe(silent)
  )
})
