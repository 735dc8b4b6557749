/**
 * The log in PostgreSQL.
 *
 * Tables (in one schema, `tutti_` so that they can share it with yours):
 *
 * - `tutti_streams(id, name, deleted)`: names of streams, each stored once.
 * - `tutti_events(position, stream, version, dedup, type, id, body)`: one row an event. `body` is JSON
 *   `{ schemaVersion, data, meta }`; `dedup` marks events appended without an exact expectation, so that only they pay for
 *   an index of ids.
 *
 * How an append is fenced: a batch is one call of `tutti_append` (of `tutti_append_next`, if it is one event for each of
 * several streams behind an exact version, and of `tutti_append_one`, if it is one such event), so one round trip and one
 * transaction. It takes an advisory lock until its commit is visible, and only then reads the head of the log and the
 * versions of its streams. So nobody writes meanwhile, positions are gapless and become visible in their order, and conflicts
 * are found before anything is inserted. `UNIQUE (stream, version)` stands behind it.
 *
 * How other processes hear of it: `NOTIFY` in the same transaction, on a channel of the schema, if anybody else listens
 * (`PostgresAudience.ts`). A process whose connection
 * was lost listens again and looks at once; and it looks every `pollInterval` in any case.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import { Postgres, type PostgresError, type PostgresValue } from "../persistence/Postgres.ts"
import * as PostgresDocuments from "../persistence/PostgresDocuments.ts"
import { toText } from "../persistence/PostgresText.ts"
import { type AppendRequest, EventStoreDriver, tombstoneType } from "./EventStoreDriver.ts"
import { EventStoreError, StoreCorrupt, StoreUnavailable, VersionConflict } from "./EventStoreError.ts"
import type { Message } from "./PostgresAudience.ts"
import { Batch, numberOf } from "./PostgresBatch.ts"
import { nextEventsOf } from "./PostgresNextEvents.ts"
import * as PostgresReader from "./PostgresReader.ts"
import * as PostgresTables from "./PostgresTables.ts"
import { PostgresWriter } from "./PostgresWriter.ts"

/**
 * How the driver watches for other processes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How often to look for appends that no notification told of, while somebody subscribes. Default 5 seconds. */
  readonly pollInterval?: Duration.Input
}

/**
 * Makes a driver on the database in the context, and its tables.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDriver = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<EventStoreDriver["Service"], EventStoreError, Postgres> {
  const postgres = yield* Postgres
  const { channel, patiently, schema } = postgres
  // An append carries documents, so their table lies here as well.
  yield* postgres
    .migrate(PostgresDocuments.component, PostgresDocuments.migrations(schema))
    .pipe(
      Effect.andThen(postgres.migrate("event store", PostgresTables.migrations(schema, channel))),
      Effect.mapError(storeError)
    )
  const attempt = (operation: string, { parameters, sql }: PostgresReader.Query) =>
    Effect.mapError(patiently(postgres.run(operation, sql, parameters)), storeError)
  const head = Effect.map(attempt("read the head of the log", PostgresReader.head(schema)), ([row]) => Number(row![0]))
  const pollInterval = Duration.fromInputUnsafe(options.pollInterval ?? "5 seconds")
  const writer = new PostgresWriter(yield* Random.nextInt, 3 * Duration.toMillis(pollInterval))

  return EventStoreDriver.of({
    documents: true,
    parallelAppends: 2,
    append: append(postgres, writer),
    read: (stream, read) =>
      Effect.flatMap(attempt("read a stream", PostgresReader.range(schema, stream, read)), (rows) =>
        PostgresReader.eventsOf(stream, rows)
      ),
    readAll: (read) =>
      Effect.flatMap(attempt("read the log", PostgresReader.page(schema, read)), PostgresReader.eventsOfLog),
    version: (stream) =>
      Effect.flatMap(attempt("read a version", PostgresReader.version(schema, stream)), (rows) =>
        PostgresReader.versionOf(stream, rows)
      ),
    head,
    truncateBefore: (stream, version) =>
      Effect.flatMap(
        attempt("truncate a stream", { sql: truncate(schema), parameters: [toText(stream), version] }),
        (rows) => PostgresReader.notDeleted(stream, rows)
      ),
    delete: (stream, expected) =>
      Effect.flatMap(
        attempt("delete a stream", {
          sql: `SELECT ${schema}.tutti_delete($1, $2::bigint, $3)`,
          parameters: [toText(stream), numberOf(expected), tombstoneType]
        }),
        ([row]) => {
          const actual = row![0]
          return actual === null
            ? Effect.void
            : Effect.fail(new VersionConflict({ stream, expected, actual: Number(actual) }))
        }
      ),
    onForeignAppend: onForeignAppend(postgres, writer, pollInterval)
  })
})

/**
 * A driver on the database in the context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDriver = (options?: Options): Layer.Layer<EventStoreDriver, EventStoreError, Postgres> =>
  Layer.effect(EventStoreDriver, makeDriver(options))

/**
 * What a failure of PostgreSQL means to the log.
 *
 * @category errors
 * @since 0.1.0
 */
export const storeError = (error: PostgresError): EventStoreError => {
  const { cause, detail, isRetryable, operation } = error
  return new EventStoreError({
    reason: error.isCorruption
      ? new StoreCorrupt({ operation, detail, cause })
      : new StoreUnavailable({ operation, detail, retryable: isRetryable, cause })
  })
}

const append = (postgres: Postgres["Service"], writer: PostgresWriter): EventStoreDriver["Service"]["append"] => {
  const one = `SELECT ${postgres.schema}.tutti_append_one($1, $2, $3::bigint, $4, $5, $6)`
  const next = `SELECT ${postgres.schema}.tutti_append_next($1, $2, $3, $4, $5, $6)`
  const batched = `SELECT head, versions, answers FROM ${postgres.schema}.tutti_append(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::bigint)`
  const answerTo = (sql: string, parameters: ReadonlyArray<PostgresValue>) => {
    const once = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      postgres.run("append events", sql, [writer.signature(now), ...parameters])
    )
    return writer.watching(postgres.patiently(Effect.onError(once, () => writer.rename))).pipe(
      // The fault of one request: the others of its batch shall not suffer for it.
      Effect.catchIf((error) => error.kind === "Invalid", Effect.die),
      Effect.mapBoth({ onSuccess: ([row]) => row!, onFailure: storeError })
    )
  }
  const appendBatch = Effect.fnUntraced(function* (requests: ReadonlyArray<AppendRequest>) {
    const batch = new Batch(requests)
    return batch.outcomes(yield* answerTo(batched, batch.parameters(yield* Clock.currentTimeMillis)))
  })
  return (requests) => {
    if (requests.length === 0) return Effect.succeed([])
    const nextEvents = nextEventsOf(requests)
    if (nextEvents === undefined) return appendBatch(requests)
    return Effect.flatMap(answerTo(requests.length === 1 ? one : next, nextEvents.parameters), ([first]) =>
      // A batch tells why not: they may be there already.
      first === null ? appendBatch(requests) : Effect.succeed(nextEvents.outcomes(Number(first)))
    )
  }
}

/** After a lost connection: not more often than this. */
const beforeListeningAgain = Duration.seconds(1)

const onForeignAppend = (
  postgres: Postgres["Service"],
  writer: PostgresWriter,
  pollInterval: Duration.Duration
): EventStoreDriver["Service"]["onForeignAppend"] =>
  Effect.fnUntraced(function* (wake) {
    const clock = yield* Clock.Clock
    // One word is like another: of those that cannot be said at once, few are kept.
    const words = yield* Queue.dropping<Message>(8)
    const speak = (message: Message) => void Queue.offerUnsafe(words, message)
    yield* writer.listening({ wake, speak })
    const say = (message: Message) => {
      const payload = writer.audience.payload(message)
      // Unsaid, others find out by looking.
      return Effect.ignore(postgres.run("speak to listeners", "SELECT pg_notify($1, $2)", [postgres.channel, payload]))
    }
    const listen = postgres
      .listen((payload) => {
        const now = clock.currentTimeMillisUnsafe()
        if (payload === undefined) {
          writer.audience.begins(now)
          speak("asks")
        } else if (writer.audience.hear(payload, now) === "asks") speak("answers")
        if (payload === undefined || !writer.isOwn(payload)) wake()
      })
      .pipe(
        Effect.ensuring(Effect.sync(() => writer.audience.ends())),
        Effect.catch((error) => Effect.logWarning("Could not listen for foreign appends", error)),
        Effect.andThen(Effect.sleep(beforeListeningAgain))
      )
    const poll = Effect.sleep(pollInterval).pipe(Effect.andThen(Effect.sync(wake)), Effect.andThen(say("answers")))
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(words), say)))
    yield* Effect.forkScoped(Effect.forever(listen))
    yield* Effect.forkScoped(Effect.forever(poll))
  })

const truncate = (schema: string) => `
  WITH found AS (
    SELECT s.id, s.deleted, (SELECT max(e.version) FROM ${schema}.tutti_events e WHERE e.stream = s.id) AS newest
    FROM ${schema}.tutti_streams s WHERE s.name = $1
  ), forgotten AS (
    DELETE FROM ${schema}.tutti_events e USING found
    WHERE e.stream = found.id AND NOT found.deleted AND e.version < least($2::bigint, found.newest)
  )
  SELECT deleted FROM found`
