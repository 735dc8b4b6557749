/**
 * The log in SQLite.
 *
 * Tables (`tutti_` so that they can share a file with yours):
 *
 * - `tutti_streams(id, name, deleted)`: names of streams, each stored once.
 * - `tutti_events(position, stream, version, type, dedup, body)`: one row an
 *   event. `body` is JSON `{ id, schemaVersion, data, meta }`; `dedup` is the id
 *   of events appended without an exact expectation, so that only they pay for
 *   a second index.
 *
 * How an append is fenced: a batch is one `BEGIN IMMEDIATE` transaction, so no
 * other connection writes meanwhile, and the versions of recent streams are
 * remembered for as long as `data_version` shows that no other connection has
 * written at all. So there is no read per append, and conflicts are found
 * before anything is inserted. `UNIQUE (stream, version)` stands behind it. A
 * single event is a single statement, fenced by the position of the newest one.
 *
 * Documents that an append carries are put in the same transaction, into the
 * table of `persistence/SqlitePersistence.ts`.
 *
 * **Gotchas**
 *
 * Foreign appends (by another process on the same file) are noticed by a cheap
 * poll, and only while somebody subscribes.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SqliteError } from "../persistence/Sqlite.ts"
import { Sqlite } from "../persistence/Sqlite.ts"
import * as SqlitePersistence from "../persistence/SqlitePersistence.ts"
import { EventStoreDriver } from "./EventStoreDriver.ts"
import { EventStoreError, StoreCorrupt, StoreUnavailable, StreamDeleted } from "./EventStoreError.ts"
import * as SqliteReader from "./SqliteReader.ts"
import { SqliteWriter } from "./SqliteWriter.ts"

/**
 * How the driver watches for other processes, and how much it remembers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How often to look for appends of other processes, while somebody subscribes. Default 200 milliseconds. */
  readonly pollInterval?: Duration.Input
  /** Of how many streams the version is remembered. Default 50,000. */
  readonly rememberedStreams?: number
}

const migrations = [
  `CREATE TABLE tutti_streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, deleted INTEGER NOT NULL DEFAULT 0);
   CREATE TABLE tutti_events (
     position INTEGER PRIMARY KEY,
     stream INTEGER NOT NULL,
     version INTEGER NOT NULL,
     type TEXT NOT NULL,
     dedup TEXT,
     body TEXT NOT NULL,
     UNIQUE (stream, version)
   );
   CREATE UNIQUE INDEX tutti_events_dedup ON tutti_events (stream, dedup) WHERE dedup IS NOT NULL`
]

/**
 * Makes a driver on the database in the context, and its tables.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDriver = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<EventStoreDriver["Service"], EventStoreError, Sqlite> {
  const sqlite = yield* Sqlite
  yield* Effect.mapError(sqlite.migrate("event store", migrations), storeError)
  yield* Effect.mapError(SqlitePersistence.prepare(sqlite), storeError)
  const attempt = <A>(operation: string, body: () => A): Effect.Effect<A, EventStoreError> =>
    Effect.mapError(sqlite.attempt(operation, body), storeError)
  const writer = new SqliteWriter(sqlite, options.rememberedStreams ?? 50_000)
  const reader = SqliteReader.make(sqlite)
  const pollInterval = Duration.fromInputUnsafe(options.pollInterval ?? "200 millis")

  return EventStoreDriver.of({
    documents: true,
    append: (requests) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => attempt("append events", () => writer.append(requests, now))),
    read: (stream, read) =>
      attempt("read a stream", () => reader.read(stream, read)).pipe(
        Effect.flatMap(notDeleted),
        Effect.flatMap(SqliteReader.decode)
      ),
    readAll: (read) =>
      Effect.flatMap(
        attempt("read the log", () => reader.readAll(read)),
        SqliteReader.decode
      ),
    version: (stream) =>
      Effect.flatMap(
        attempt("read a version", () => reader.version(stream)),
        notDeleted
      ),
    head: attempt("read the head of the log", reader.head),
    truncateBefore: (stream, version) =>
      Effect.flatMap(
        attempt("truncate a stream", () => writer.truncateBefore(stream, version)),
        notDeleted
      ),
    delete: (stream, expected) =>
      Effect.flatMap(
        attempt("delete a stream", () => writer.remove(stream, expected)),
        (conflict) => (conflict === undefined ? Effect.void : Effect.fail(conflict))
      ),
    onForeignAppend: Effect.fnUntraced(function* (wake) {
      const dataVersion = attempt("watch for foreign appends", sqlite.dataVersion)
      let last = yield* dataVersion
      const poll = Effect.gen(function* () {
        yield* Effect.sleep(pollInterval)
        const current = yield* dataVersion
        if (current !== last) wake()
        last = current
      }).pipe(
        Effect.catchCause((cause) =>
          // Rather wake in vain than miss an append.
          Effect.andThen(Effect.logWarning("Could not look for foreign appends", cause), Effect.sync(wake))
        )
      )
      yield* Effect.forkScoped(Effect.forever(poll))
    })
  })
})

/**
 * A driver on the database in the context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDriver = (options?: Options): Layer.Layer<EventStoreDriver, EventStoreError, Sqlite> =>
  Layer.effect(EventStoreDriver, makeDriver(options))

/**
 * What a failure of SQLite means to the log.
 *
 * @category errors
 * @since 0.1.0
 */
export const storeError = (error: SqliteError): EventStoreError => {
  const { cause, detail, kind, operation } = error
  return new EventStoreError({
    reason: error.isCorruption
      ? new StoreCorrupt({ operation, detail, cause })
      : new StoreUnavailable({ operation, detail, retryable: kind === "Busy", cause })
  })
}

const notDeleted = <A>(result: A | StreamDeleted): Effect.Effect<A, EventStoreError> =>
  result instanceof StreamDeleted ? Effect.fail(new EventStoreError({ reason: result })) : Effect.succeed(result)
