import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Embedded from "../../src/backends/Embedded.ts"
import * as NodeSqlite from "../../src/backends/NodeSqlite.ts"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore, layer as eventStore } from "../../src/event-store/EventStore.ts"
import * as SqliteEventStore from "../../src/event-store/SqliteEventStore.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import { Sqlite } from "../../src/persistence/Sqlite.ts"
import * as SqlitePersistence from "../../src/persistence/SqlitePersistence.ts"
import * as SqliteWorkQueue from "../../src/queues/SqliteWorkQueue.ts"
import * as WorkQueue from "../../src/queues/WorkQueue.ts"
import { temporaryFile } from "../backends.ts"

const stream = "s" as StreamId
const event = (type: string) => ({ type, data: {} })

/** Opens, uses and closes the stores of a file. */
const using = <A, E>(
  filename: string,
  program: Effect.Effect<A, E, EventStore | Persistence>,
  options: Omit<Embedded.Options, "filename"> = {}
) => Effect.provide(program, Embedded.stores({ filename, ...options }), { local: true })

const append = (type: string, expected: number) =>
  EventStore.use((store) => store.append(stream, [event(type)], expected))

const types = EventStore.use((store) => Effect.map(store.readArray(stream), (events) => events.map(({ type }) => type)))

const openingFails = (filename: string) => Effect.flip(using(filename, Effect.void))

/** As `Embedded.stores`, with their connection in reach. */
const connected = (filename: string) =>
  Layer.mergeAll(
    eventStore.pipe(Layer.provideMerge(SqliteEventStore.layerDriver())),
    Layer.effect(Persistence, SqlitePersistence.make),
    SqliteWorkQueue.layer()
  ).pipe(Layer.provideMerge(NodeSqlite.layer({ filename })))

describe("Embedded", () => {
  it.effect("creates missing directories, and finds everything on reopening", () =>
    Effect.gen(function* () {
      const filename = join(dirname(yield* temporaryFile), "some", "where", "tutti.db")
      yield* using(
        filename,
        Effect.all([
          append("A", 0),
          Persistence.use((documents) => documents.putAll([{ collection: "c", id: "d", body: { n: 1 } }]))
        ])
      )
      assert.isTrue(existsSync(filename))
      yield* using(filename, append("B", 1))
      assert.deepStrictEqual(yield* using(filename, types), ["A", "B"])
      const document = yield* using(
        filename,
        Persistence.use((documents) => documents.get("c", "d"))
      )
      assert.deepStrictEqual(document, { id: "d", version: 1, body: { n: 1 } })
    })
  )

  it.effect("shares a file with tables of others", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const foreign = new DatabaseSync(filename)
      foreign.exec("CREATE TABLE events (mine TEXT); PRAGMA user_version = 9")
      foreign.close()
      yield* using(filename, append("A", 0))
    })
  )

  it.effect("a file that is no database is StoreCorrupt, naming the file", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      writeFileSync(filename, "not a database, ".repeat(500))
      const error = yield* openingFails(filename)
      assert.strictEqual(error.reason._tag, "StoreCorrupt")
      assert.include(error.message, `"${filename}" is not a SQLite database`)
    })
  )

  it.effect("a directory is StoreUnavailable, naming the file", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      mkdirSync(filename)
      const error = yield* openingFails(filename)
      assert.strictEqual(error.reason._tag, "StoreUnavailable")
      assert.include(error.message, filename)
      const below = join(filename, "..", "file")
      writeFileSync(below, "")
      const blocked = yield* openingFails(join(below, "tutti.db"))
      assert.include(blocked.message, "tutti.db")
    })
  )

  it.effect("tables of a newer version are refused, naming both versions", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* using(filename, Effect.void)
      const database = new DatabaseSync(filename)
      database.exec("UPDATE tutti_schema SET version = 99 WHERE component = 'event store'")
      database.close()
      const error = yield* openingFails(filename)
      assert.strictEqual(error.reason._tag, "StoreCorrupt")
      assert.include(error.message, "newer version of Tutti")
      assert.include(error.message, "99")
    })
  )

  it.effect("a damaged event is StoreCorrupt, naming stream and version", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* using(filename, append("A", 0))
      const database = new DatabaseSync(filename)
      database.exec("UPDATE tutti_events SET body = '{torn'")
      database.close()
      const error = yield* Effect.flip(using(filename, types))
      assert.include(error.message, `event 1 of stream "s"`)
    })
  )

  it.effect("waits while another process holds the lock, and says so if that is too long", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* using(
        filename,
        Effect.gen(function* () {
          const other = new DatabaseSync(filename)
          other.exec("BEGIN IMMEDIATE")
          const patient = yield* Effect.forkChild(append("A", 0), { startImmediately: true })
          yield* TestClock.adjust("100 millis")
          other.exec("COMMIT")
          yield* TestClock.adjust("100 millis")
          assert.strictEqual((yield* Fiber.join(patient)).version, 1)

          other.exec("BEGIN IMMEDIATE")
          const impatient = yield* Effect.forkChild(Effect.flip(append("B", 1)), { startImmediately: true })
          yield* TestClock.adjust("1 second")
          const error = yield* Fiber.join(impatient)
          other.exec("COMMIT")
          other.close()
          assert.isTrue(
            error._tag === "EventStoreError" && error.reason._tag === "StoreUnavailable" && error.reason.retryable
          )
        }),
        { lockTimeout: "300 millis" }
      )
    })
  )

  // The limit of pages gives what a full disk gives, SQLITE_FULL, to whoever runs the tests.
  it.effect("on a full disk an append, a put and an offer are whole or not at all, and go on once there is room", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const bulk = "x".repeat(50_000)
      // There is room for the first of them.
      const inBulk = ["A", "B"].map((type) => ({ type, data: { bulk: type === "A" ? "" : bulk } }))
      const puts = ["a", "b"].map((id) => ({ collection: "c", id, body: { bulk: id === "a" ? "" : bulk } }))
      yield* Effect.gen(function* () {
        const store = yield* EventStore
        const documents = yield* Persistence
        const queue = yield* WorkQueue.make("q", { item: Schema.String })
        const sqlite = yield* Sqlite
        const limit = (pages: number) =>
          sqlite.attempt("set a limit", () => sqlite.prepare(`PRAGMA max_page_count = ${pages}`).all())
        const append = store.append(stream, inBulk, 1)
        yield* store.append(stream, [event("First")], 0)
        // A limit below the size is taken as the size.
        yield* limit(1)

        const unavailable = yield* Effect.flip(append)
        assert(unavailable._tag === "EventStoreError" && unavailable.reason._tag === "StoreUnavailable")
        assert.strictEqual((unavailable.reason.cause as { errcode: number }).errcode, 13)
        const notPut = yield* Effect.flip(documents.putAll(puts))
        const notOffered = yield* Effect.flip(queue.offer(bulk))
        for (const { message } of [unavailable, notPut, notOffered]) {
          assert.include(message, `the disk that holds "${filename}" is full`)
        }
        assert.deepStrictEqual(yield* types, ["First"])
        assert.deepStrictEqual(yield* documents.query("c"), [])
        assert.strictEqual((yield* queue.stats).queued, 0)

        yield* limit(1_000_000)
        assert.strictEqual((yield* append).version, 3)
        assert.isTrue(yield* documents.putAll(puts))
        yield* queue.offer(bulk)
        assert.deepStrictEqual(yield* types, ["First", "A", "B"])
        assert.strictEqual((yield* queue.stats).queued, 1)
      }).pipe(Effect.scoped, Effect.provide(connected(filename)))
      assert.deepStrictEqual(yield* using(filename, types), ["First", "A", "B"])
    })
  )

  it.effect("appends of another process fence, and wake subscribers at the next poll", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* using(
        filename,
        Effect.gen(function* () {
          const store = yield* EventStore
          yield* append("A", 0)
          const collected = yield* Effect.forkChild(store.subscribe().pipe(Stream.take(5), Stream.runCollect), {
            startImmediately: true
          })
          yield* Effect.yieldNow
          yield* using(filename, Effect.all([append("B", 1), append("C", 2)]))
          yield* using(
            filename,
            EventStore.use((other) => other.truncateBefore(stream, 3))
          )
          // Version 2 is free again in the table, but not in truth.
          assert.strictEqual((yield* Effect.flip(append("x", 1)))._tag, "VersionConflict")
          yield* append("D", 3)
          yield* using(filename, append("E", 4))
          yield* using(filename, append("F", 5))
          yield* TestClock.adjust("200 millis")
          const events = yield* Fiber.join(collected)
          assert.deepStrictEqual(
            events.map(({ type }) => type),
            ["A", "C", "D", "E", "F"]
          )
        })
      )
    })
  )

  it.effect("a request that is no JSON harms only itself", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      yield* using(
        filename,
        Effect.gen(function* () {
          const store = yield* EventStore
          const bad = { type: "Bad", data: 1n as never }
          const exits = yield* Effect.all(
            [event("A"), bad, event("B")].map((one, index) =>
              Effect.exit(store.append(`s${index}` as StreamId, [one], 0))
            ),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            exits.map(({ _tag }) => _tag),
            ["Success", "Failure", "Success"]
          )
          assert.strictEqual(yield* store.version("s1" as StreamId), 0)
          assert.strictEqual((yield* store.append("s1" as StreamId, [event("C")], 0)).version, 1)
        })
      )
    })
  )

  it.effect("remembering few streams changes nothing", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const layer = Embedded.stores({ filename, rememberedStreams: 2 })
      yield* Effect.provide(
        Effect.gen(function* () {
          const store = yield* EventStore
          const streams = Array.from({ length: 5 }, (_, index) => `s${index}` as StreamId)
          yield* Effect.forEach([0, 1, 2], (version) =>
            Effect.forEach(streams, (name) => store.append(name, [event("A")], version), { concurrency: "unbounded" })
          )
          const versions = yield* Effect.forEach(streams, store.version)
          assert.deepStrictEqual(versions, [3, 3, 3, 3, 3])
        }),
        layer
      )
    })
  )
})
