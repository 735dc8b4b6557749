/** What is particular to the log in PostgreSQL. What it has in common with the others is in the conformance suite. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Exit, Fiber, Layer, Redacted, References, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type * as Backend from "../../src/backends/Postgres.ts"
import * as PostgresClient from "../../src/backends/PostgresClient.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { type AppendOutcome, type AppendRequest, EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import * as EventStore from "../../src/event-store/EventStore.ts"
import * as MemoryEventStore from "../../src/event-store/MemoryEventStore.ts"
import * as PostgresEventStore from "../../src/event-store/PostgresEventStore.ts"
import * as MemoryPersistence from "../../src/persistence/MemoryPersistence.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import * as PostgresTables from "../../src/event-store/PostgresTables.ts"
import * as PostgresDocuments from "../../src/persistence/PostgresDocuments.ts"
import * as PostgresPersistence from "../../src/persistence/PostgresPersistence.ts"
import { Postgres } from "../../src/persistence/Postgres.ts"
import { temporarySchema } from "../postgres.ts"
import * as TcpProxy from "../proxy/TcpProxy.ts"
import * as Servers from "../servers/Servers.ts"

const stream = "s" as StreamId

const request = (
  stream: string,
  expected: AppendRequest["expected"],
  ...ids: ReadonlyArray<string>
): AppendRequest => ({
  stream: stream as StreamId,
  expected,
  events: ids.map((id) => ({ id, type: id, schemaVersion: 1, data: { id }, meta: { timestamp: 1 } }))
})

/** A process of its own, as far as the database can tell. */
const open = (options: Backend.Options) =>
  Effect.map(
    Layer.build(
      Layer.fresh(PostgresEventStore.layerDriver(options).pipe(Layer.provideMerge(PostgresClient.layer(options))))
    ),
    (context) => ({
      driver: Context.get(context, EventStoreDriver),
      sql: Context.get(context, SqlClient.SqlClient),
      postgres: Context.get(context, Postgres)
    })
  )

/** Asks the real server again and again, for it tells nobody. */
const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  Effect.repeat(effect, { until: holds, schedule: Schedule.spaced("10 millis") }).pipe(Effect.timeout("20 seconds"))

/**
 * One log as the late commit sees it: `append` is one transaction, and the statement alone when it is inside another.
 */
interface Log {
  readonly append: (sql: SqlClient.SqlClient, name: string) => Effect.Effect<unknown, unknown>
  /** Position and name of what a reader sees after a position. */
  readonly readAfter: (
    position: number
  ) => Effect.Effect<ReadonlyArray<readonly [position: number, name: string]>, unknown>
}

/**
 * A begins to append, and B appends meanwhile. A subscriber reads, A commits, and the subscriber goes on after the last
 * position it saw. Answers with what it saw in all.
 */
const lateCommit = Effect.fnUntraced(function* (options: Backend.Options, makeLog: (one: Opened) => Log) {
  const [a, b] = [yield* open(options), yield* open(options)]
  const log = makeLog(a)
  const [appended, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const slow = Effect.andThen(log.append(a.sql, "A"), Deferred.succeed(appended, undefined)).pipe(
    Effect.andThen(Deferred.await(go)),
    a.sql.withTransaction
  )
  const late = yield* Effect.forkChild(slow)
  yield* Deferred.await(appended)
  const early = yield* Effect.forkChild(log.append(b.sql, "B"))
  const waiting = a.sql<{ count: bigint }>`SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'advisory' AND query LIKE ${`%${options.schema}%`}`
  yield* eventually(waiting, ([row]) => row!.count > 0n || early.pollUnsafe() !== undefined)

  const first = yield* log.readAfter(0)
  yield* Deferred.succeed(go, undefined)
  yield* Effect.all([Fiber.join(late), Fiber.join(early)])
  const rest = yield* log.readAfter(first.at(-1)?.[0] ?? 0)
  return [...first, ...rest].map(([, name]) => name)
})

type Opened = Effect.Success<ReturnType<typeof open>>

describe("a commit that comes late", () => {
  it.live("a plain serial column makes a subscriber miss it", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const table = `${options.schema}.naive`
      const { sql } = yield* open(options)
      yield* sql.unsafe(`CREATE TABLE ${table} (position bigserial PRIMARY KEY, name text)`)
      const seen = yield* lateCommit(options, (reader) => ({
        append: (sql, name) => sql.unsafe(`INSERT INTO ${table} (name) VALUES ($1)`, [name]),
        readAfter: (position) =>
          Effect.map(
            reader.sql.unsafe<{ position: bigint; name: string }>(
              `SELECT position, name FROM ${table} WHERE position > $1 ORDER BY position`,
              [position]
            ),
            (rows) => rows.map(({ name, position }) => [Number(position), name])
          )
      }))
      assert.deepStrictEqual(seen, ["B"])
    })
  )

  it.live("the log makes it wait its turn, and a subscriber misses nothing", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const other = yield* open(options)
      const seen = yield* lateCommit(options, ({ driver, sql }) => ({
        append: (client, name) => (client === sql ? driver : other.driver).append([request(name, "Any", name)]),
        readAfter: (position) =>
          Effect.map(driver.readAll({ after: position, max: 10 }), (events) =>
            events.map(({ position, type }) => [position, type])
          )
      }))
      assert.deepStrictEqual(seen, ["A", "B"])
    })
  )

  it.live("of many processes that append at once, a subscriber that only goes forward sees all, in order", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const writers = yield* Effect.all(Array.from({ length: 4 }, () => open(options)))
      const { driver } = yield* open(options)
      const write = Effect.forEach(
        writers,
        ({ driver }, writer) =>
          Effect.forEach(Array.from({ length: 25 }), (_, version) =>
            driver.append([request(`w${writer}`, version, `${writer}/${version}`)])
          ),
        { concurrency: "unbounded" }
      )
      const seen: Array<number> = []
      const follow = Effect.gen(function* () {
        const page = yield* driver.readAll({ after: seen.at(-1) ?? 0, max: 7 })
        seen.push(...page.map(({ position }) => position))
      })
      yield* Effect.all([write, eventually(follow, () => seen.length >= 100)], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        seen,
        Array.from({ length: 100 }, (_, index) => index + 1)
      )
    })
  )
})

/** Few names and ids, so that requests collide in every way, and many that fit, so that not all do. */
const Request = Schema.Struct({
  stream: Schema.Literals(["a", "b"]),
  expected: Schema.Literals(["fits", "fits, too", "Any", "StreamExists", "NoStream", 1, 3]),
  ids: Schema.UniqueArray(Schema.Literals(["p", "q", "r", "s", "t"])).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(3)
  ),
  /** Which set of documents it carries; mostly none. */
  documents: Schema.Literals([0, 1, 2, 3, 4, 5, 6, 7])
})
const documentSets = [[{ id: "x" }], [{ id: "x", expected: 1 }], [{ id: "x" }, { id: "y", expected: 0 }]]
const Step = Schema.Union([
  Schema.Array(Request).check(Schema.isMinLength(1), Schema.isMaxLength(2)),
  Schema.Array(Request).check(Schema.isMinLength(2), Schema.isMaxLength(4)),
  Schema.Struct({ next: Schema.Literals(["p", "q", "r"]), off: Schema.Literals([0, 0, 0, -1, 1]) }),
  Schema.Struct({ again: Schema.Literals([0, 1, 2]), first: Schema.Literals([0, 1]) }),
  Schema.Struct({ truncate: Schema.Literals(["a", "b"]), version: Schema.Literals([1, 2, 3]) }),
  Schema.Struct({ delete: Schema.Literals(["b"]) })
])
const Steps = Schema.Array(Step).check(Schema.isMinLength(2), Schema.isMaxLength(8))

const stores = Layer.unwrap(
  Effect.map(temporarySchema, (options) =>
    Layer.mergeAll(PostgresEventStore.layerDriver(), Layer.effect(Persistence, PostgresPersistence.make)).pipe(
      Layer.provideMerge(PostgresClient.layer(options))
    )
  )
)

layer(stores)("the same as in memory", (it) => {
  it.effect.prop(
    "whatever is asked, in batches that fit and batches that do not",
    { steps: Steps },
    ({ steps }) =>
      Effect.gen(function* () {
        const { schema } = yield* Postgres
        const { unsafe } = yield* SqlClient.SqlClient
        yield* Effect.forEach(["events", "streams", "documents"], (table) =>
          unsafe(`DELETE FROM ${schema}.tutti_${table}`)
        )
        const state = MemoryPersistence.makeState()
        const model = {
          driver: MemoryEventStore.makeDriver(MemoryEventStore.makeState(), state),
          documents: MemoryPersistence.make(state)
        }
        const real = { driver: yield* EventStoreDriver, documents: yield* Persistence }
        const batches: Array<ReadonlyArray<AppendRequest>> = []
        for (const step of steps) {
          const operation = yield* operationOf(model.driver, batches, step)
          const [expected, actual] = yield* Effect.all([operation(model.driver), operation(real.driver)])
          assert.deepStrictEqual(actual, expected)
        }
        const [expected, actual] = yield* Effect.all([contents(model), contents(real)])
        assert.deepStrictEqual(actual, expected)
      }),
    { arbitrary: { runs: Number(process.env["RUNS"] ?? 200) } }
  )
})

type Driver = EventStoreDriver["Service"]

/** What a step comes to: what fits depends on what is there, and what is done again on what was done. */
const operationOf = Effect.fnUntraced(function* (
  model: Driver,
  batches: Array<ReadonlyArray<AppendRequest>>,
  step: typeof Step.Type
) {
  const outcome = Effect.match({ onSuccess: (value) => value as unknown, onFailure: (error: Error) => error.message })
  if ("truncate" in step) {
    return (driver: Driver) => outcome(driver.truncateBefore(step.truncate as StreamId, step.version))
  }
  if ("delete" in step) return (driver: Driver) => outcome(driver.delete(step.delete as StreamId, "Any"))
  const batch =
    "again" in step
      ? (batches.at(-1 - step.again) ?? []).slice(step.first)
      : "next" in step
        ? yield* nextOf(model, step)
        : yield* batchOf(model, step)
  if (!("again" in step)) batches.push(batch)
  return (driver: Driver) => outcome(Effect.map(driver.append(batch), (outcomes) => outcomes.map(plain)))
})

/** One event for each stream, behind the version it is at, or beside it for one of them. */
const nextOf = (model: Driver, { next, off }: { readonly next: string; readonly off: number }) =>
  Effect.forEach(["a", "b"], (stream) =>
    Effect.orElseSucceed(model.version(stream as StreamId), () => 0).pipe(
      Effect.map((version) => request(stream, Math.max(0, version + (stream === "a" ? 0 : off)), `${next}/${stream}`))
    )
  )

const batchOf = Effect.fnUntraced(function* (model: Driver, requests: ReadonlyArray<typeof Request.Type>) {
  const versions = new Map<string, number>()
  const batch: Array<AppendRequest> = []
  for (const { documents, expected, ids, stream } of requests) {
    const version = versions.get(stream) ?? (yield* Effect.orElseSucceed(model.version(stream as StreamId), () => 0))
    versions.set(stream, version + ids.length)
    const puts = documentSets[documents]?.map((put) => ({ collection: "c", body: { by: ids.join() }, ...put }))
    batch.push({
      ...request(stream, expected === "fits" || expected === "fits, too" ? version : expected, ...ids),
      ...(puts === undefined ? {} : { documents: puts })
    })
  }
  return batch
})

/** A request with two documents that do not hold may name either. */
const plain = (outcome: AppendOutcome) =>
  "_tag" in outcome && outcome._tag === "DocumentConflict" ? outcome._tag : { ...outcome }

const contents = ({ documents, driver }: Pick<Opened, "driver"> & { readonly documents: Documents }) =>
  Effect.all([driver.readAll({ max: 1000 }), driver.head, documents.query("c")])

type Documents = Persistence["Service"]

describe("appends of other processes", () => {
  /** Counts the wake-ups, once the first listening has begun. */
  const counting = Effect.fnUntraced(function* (driver: EventStoreDriver["Service"]) {
    let wakes = 0
    // A lost connection is a warning; here it is the point.
    yield* Effect.provideService(
      driver.onForeignAppend(() => void wakes++),
      References.MinimumLogLevel,
      "None"
    )
    const woken = (atLeast: number) =>
      eventually(
        Effect.sync(() => wakes),
        (count) => count >= atLeast
      )
    yield* woken(1)
    return { woken, count: () => wakes }
  })

  it.live("are heard, and one's own are not", () =>
    Effect.gen(function* () {
      const options = { ...(yield* temporarySchema), pollInterval: "1 day" as const }
      const [here, there] = [yield* open(options), yield* open(options)]
      const heard = yield* counting(here.driver)
      yield* here.driver.append([request("s", "Any", "mine")])
      yield* there.driver.append([request("s", "Any", "theirs")])
      yield* heard.woken(2)
      assert.strictEqual(heard.count(), 2)
      // One event behind an exact version is appended by a function of its own.
      yield* here.driver.append([request("s", 2, "mine again")])
      yield* there.driver.append([request("s", 3, "theirs again")])
      yield* heard.woken(3)
      assert.strictEqual(heard.count(), 3)
      // So are events of several streams.
      yield* here.driver.append([request("s", 4, "mine"), request("t", 0, "mine")])
      yield* there.driver.append([request("s", 5, "theirs"), request("t", 1, "theirs")])
      yield* heard.woken(4)
      assert.strictEqual(heard.count(), 4)
    })
  )

  /** An append of the driver at a time when everybody has long since answered. */
  const later = (driver: EventStoreDriver["Service"], request: AppendRequest) =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() + 60_000
      const shifted: Clock.Clock = Object.assign(Object.create(clock), {
        currentTimeMillisUnsafe,
        currentTimeMillis: Effect.sync(currentTimeMillisUnsafe)
      })
      return yield* Effect.provideService(driver.append([request]), Clock.Clock, shifted)
    })

  it.live("are not announced as long as nobody else listens", () =>
    Effect.gen(function* () {
      const options = { ...(yield* temporarySchema), pollInterval: "1 second" as const }
      const [here, there] = [yield* open(options), yield* open(options)]
      const heard: Array<string> = []
      yield* Effect.forkScoped(
        Effect.ignore(there.postgres.listen((payload) => void heard.push(payload === undefined ? "begin" : payload)))
      )
      yield* eventually(
        Effect.sync(() => heard.length),
        (count) => count === 1
      )
      yield* counting(here.driver)
      yield* later(here.driver, request("s", "Any", "in silence"))
      yield* later(here.driver, request("s", 1, "in silence, too"))
      yield* there.driver.append([request("s", "Any", "announced")])
      const appends = yield* eventually(
        Effect.sync(() => heard.filter((payload) => !/^(begin|\?.*|!.*)$/.test(payload))),
        (payloads) => payloads.length > 0
      )
      // In the order of commits: what came before would have been heard before.
      assert.lengthOf(appends, 1)
      assert.lengthOf(yield* here.driver.readAll({ after: 0, max: 9 }), 3)
    })
  )

  it.live("a listener says every so often that it is there", () =>
    Effect.gen(function* () {
      const options = { ...(yield* temporarySchema), pollInterval: "20 millis" as const }
      const [here, there] = [yield* open(options), yield* open(options)]
      const heard: Array<string> = []
      yield* Effect.forkScoped(Effect.ignore(there.postgres.listen((payload) => void heard.push(payload ?? ""))))
      yield* counting(here.driver)
      yield* eventually(
        Effect.sync(() => heard.filter((payload) => payload.startsWith("!")).length),
        (count) => count >= 3
      )
    })
  )

  it.live("are announced to who begins to listen later, and what he may have missed as well", () =>
    Effect.gen(function* () {
      const options = { ...(yield* temporarySchema), pollInterval: "1 day" as const }
      const [here, there] = [yield* open(options), yield* open(options)]
      yield* counting(here.driver)
      yield* later(here.driver, request("s", "Any", "in silence"))
      const heard = yield* counting(there.driver)
      // He asks, and the answer makes him look again.
      yield* heard.woken(2)
      yield* later(here.driver, request("s", 1, "announced"))
      yield* heard.woken(3)
      yield* later(here.driver, request("s", "Any", "announced, too"))
      yield* heard.woken(4)
    })
  )

  it.live("are heard again after the connection was terminated, and looked for at once", () =>
    Effect.gen(function* () {
      const options = { ...(yield* temporarySchema), pollInterval: "1 day" as const }
      const [here, there] = [yield* open({ ...options, applicationName: options.schema }), yield* open(options)]
      const heard = yield* counting(here.driver)
      const killed = yield* there.sql<{ ok: boolean }>`SELECT pg_terminate_backend(pid) AS ok
        FROM pg_stat_activity WHERE application_name = ${options.schema} AND query LIKE 'LISTEN %'`
      assert.deepStrictEqual(killed, [{ ok: true }])
      // Nobody hears of this one: it is found because the driver looks when it listens again.
      yield* there.driver.append([request("s", "Any", "unheard")])
      yield* heard.woken(2)
      yield* there.driver.append([request("s", "Any", "heard")])
      yield* heard.woken(3)
    })
  )

  it.live("are found without any notification", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const here = yield* open({ ...options, pollInterval: "20 millis" })
      const heard = yield* counting(here.driver)
      yield* heard.woken(4)
    })
  )

  it.live("a subscription hears what its own process wrote and never heard of", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres()
      const proxy = yield* TcpProxy.make(server.port)
      const through = (port: number) => ({ url: Redacted.make(`postgres://tutti@127.0.0.1:${port}/postgres`) })
      const { driver } = yield* open({ ...through(proxy.port), whenDown: "fail", pollInterval: "1 day" })
      const heard = yield* counting(driver)
      const direct = yield* open(through(server.port))
      // Holds the append back, so that its connection is lost while it is under way.
      const [locked, held] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const key = `${direct.postgres.channel}/append`
      const lock = direct.sql`SELECT pg_advisory_xact_lock(hashtextextended(${key}, 0))`.pipe(
        Effect.andThen(Deferred.succeed(locked, undefined)),
        Effect.andThen(Deferred.await(held))
      )
      const holder = yield* Effect.forkChild(direct.sql.withTransaction(lock))
      yield* Deferred.await(locked)
      const waits = direct.sql<{ count: bigint }>`SELECT count(*) FROM pg_stat_activity
        WHERE wait_event = 'advisory'`
      const lost = yield* Effect.forkChild(Effect.exit(driver.append([request("s", "Any", "lost")])))
      yield* eventually(waits, ([row]) => row!.count > 0n)
      yield* proxy.cut
      assert.isTrue(Exit.isFailure(yield* Fiber.join(lost)))
      yield* heard.woken(2)
      yield* Deferred.succeed(held, undefined)
      yield* Fiber.join(holder)
      // The server had taken it: it is written, and this process must hear of it.
      yield* eventually(direct.driver.head, (head) => head === 1)
      yield* heard.woken(3)
    })
  )
})

describe("the next events of several streams", () => {
  const next = (version: number) => ["a", "b", "c"].map((name) => request(name, version, `${name}/${version}`))

  it.live("are appended by a function of their own, in their order", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const { driver, postgres, sql } = yield* open(options)
      const drop = `DROP FUNCTION ${postgres.schema}.tutti_append, ${postgres.schema}.tutti_append_one`
      yield* sql.unsafe(drop)
      yield* driver.append(next(0))
      const outcomes = yield* driver.append([...next(1), request("d", 0, "d/0")])
      assert.deepStrictEqual(
        outcomes.map((outcome) => ({ ...outcome })),
        [2, 2, 2, 1].map((version, index) => ({ version, position: 4 + index, duplicate: false }))
      )
      const events = yield* driver.readAll({ max: 9 })
      assert.deepStrictEqual(
        events.map(({ id, position, stream, version }) => [position, stream, version, id]),
        ["a/0", "b/0", "c/0", "a/1", "b/1", "c/1", "d/0"].map((id, index) => [index + 1, id[0], Number(id[2]) + 1, id])
      )
    })
  )

  it.live("are none of them appended by it if one does not fit: each is answered for itself", () =>
    Effect.gen(function* () {
      const { driver } = yield* open(yield* temporarySchema)
      yield* driver.append(next(0))
      yield* driver.append([request("b", 1, "taken")])
      const outcomes = yield* driver.append([...next(1), request("gone", 3, "gone/3")])
      assert.deepStrictEqual(
        outcomes.map((outcome) => ("_tag" in outcome ? [outcome._tag] : [outcome.version, outcome.position])),
        [[2, 5], ["VersionConflict"], [2, 6], ["VersionConflict"]]
      )
      assert.strictEqual(yield* driver.head, 6)
    })
  )

  it.live("are of several streams: two for one are a conflict", () =>
    Effect.gen(function* () {
      const { driver } = yield* open(yield* temporarySchema)
      yield* driver.append(next(0))
      const outcomes = yield* driver.append([request("a", 1, "first"), request("a", 1, "second"), request("b", 1, "b")])
      assert.deepStrictEqual(
        outcomes.map((outcome) => ("_tag" in outcome ? [outcome._tag] : [outcome.version, outcome.position])),
        [[2, 4], ["VersionConflict"], [2, 5]]
      )
    })
  )

  it.live("whose answer was lost are known when they are appended again", () =>
    Effect.gen(function* () {
      const { driver } = yield* open(yield* temporarySchema)
      yield* driver.append(next(0))
      const outcomes = yield* driver.append(next(0))
      assert.deepStrictEqual(
        outcomes.map((outcome) => ({ ...outcome })),
        [1, 2, 3].map((position) => ({ version: 1, position, duplicate: true }))
      )
      assert.strictEqual(yield* driver.head, 3)
    })
  )

  it.live("do not follow a version that was truncated", () =>
    Effect.gen(function* () {
      const { driver } = yield* open(yield* temporarySchema)
      yield* driver.append([request("a", 0, "1", "2", "3")])
      yield* driver.truncateBefore("a" as StreamId, 3)
      const outcomes = yield* driver.append([request("a", 2, "late"), request("b", 0, "b")])
      assert.deepStrictEqual(
        outcomes.map((outcome) => ("_tag" in outcome ? outcome._tag : outcome.version)),
        ["VersionConflict", 1]
      )
    })
  )
})

describe("a database of an earlier version", () => {
  it.live("is brought up to date, and who still writes as before goes on", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const earlier = yield* Effect.map(Layer.build(PostgresClient.layer(options)), Context.get(Postgres))
      const { channel, schema } = earlier
      const before = PostgresTables.migrations(schema, channel).slice(0, 2)
      yield* earlier.migrate(PostgresDocuments.component, PostgresDocuments.migrations(schema))
      yield* earlier.migrate("event store", before)
      const appendAsBefore = (version: number) =>
        earlier.run("append", `SELECT ${schema}.tutti_append_one($1, $2, $3::bigint, $4, $5, $6)`, [
          "",
          "s",
          version,
          "E",
          `before/${version}`,
          '{"schemaVersion":1,"data":1,"meta":{"timestamp":1}}'
        ])
      yield* appendAsBefore(0)
      const isThere = Effect.map(
        earlier.run(
          "look",
          "SELECT count(*) FROM pg_proc WHERE proname = 'tutti_append_next' AND pronamespace = $1::regnamespace",
          [schema]
        ),
        ([row]) => row![0] === 1n
      )
      assert.isFalse(yield* isThere)
      const { driver } = yield* open(options)
      assert.isTrue(yield* isThere)
      yield* driver.append([request("s", 1, "now/1"), request("t", 0, "now/0")])
      yield* appendAsBefore(2)
      const events = yield* driver.readAll({ max: 9 })
      assert.deepStrictEqual(
        events.map(({ id }) => id),
        ["before/0", "now/1", "now/0", "before/2"]
      )
    })
  )
})

describe("a batch", () => {
  it.live("with one request that cannot be stored harms only that one", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const { driver } = yield* open(options)
      const store = yield* EventStore.make().pipe(Effect.provideService(EventStoreDriver, driver))
      // An index entry has at most 2704 bytes, after compression.
      const long = Array.from({ length: 5000 }, (_, index) => String.fromCodePoint(0x4e00 + ((index * 7919) % 20_000)))
      const append = (name: string) => Effect.exit(store.append(name as StreamId, [{ type: "E", data: 1 }], 0))
      const exits = yield* Effect.all([append("a"), append(long.join("")), append("b")], { concurrency: "unbounded" })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, true])
    })
  )

  it.live("needs the isolation level that its fence relies on", () =>
    Effect.gen(function* () {
      const options = yield* temporarySchema
      const { driver, sql } = yield* open(options)
      const error = yield* driver
        .append([request("s", 0, "a")])
        .pipe(
          sql.withTransaction,
          Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ"),
          Effect.flip
        )
      assert.include(error.message, 'appends need the isolation level "read committed"')
      assert.strictEqual(yield* driver.version(stream), 0)
    })
  )
})
