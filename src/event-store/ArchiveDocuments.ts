/**
 * An archive of streams in the document store.
 *
 * Collections: `archive`, a page of events a document, named by stream and the version of its first event; and
 * `archive/streams`, a document for each stream with the version it was archived up to.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { index, Persistence, type PersistenceError, type Put } from "../persistence/Persistence.ts"
import type { StoredEvent, StreamId } from "./Envelope.ts"
import type { EventStoreError } from "./EventStoreError.ts"

const pages = "archive"
const streams = "archive/streams"
const eventsPerPage = 200

/**
 * A sink for `Archive.sweep` that keeps streams as documents.
 *
 * @category constructors
 * @since 0.1.0
 */
export const documents = (
  stream: StreamId,
  events: Stream.Stream<StoredEvent, EventStoreError>
): Effect.Effect<void, EventStoreError | PersistenceError, Persistence> =>
  Effect.gen(function* () {
    const persistence = yield* Persistence
    yield* index(pages, ["stream"])
    let version = 0
    yield* events.pipe(
      Stream.grouped(eventsPerPage),
      Stream.runForEach((page) => {
        version = page.at(-1)!.version
        return persistence.putAll([pageOf(stream, page)])
      })
    )
    const archivedAt = yield* Clock.currentTimeMillis
    yield* persistence.putAll([{ collection: streams, id: stream, body: { version, archivedAt } }])
  })

/** The same page again is the same document, so that it is never kept twice. */
const pageOf = (stream: StreamId, events: ReadonlyArray<StoredEvent>): Put => {
  const from = events[0]!.version
  // Events are plain JSON; an interface has no index signature, which is all that the cast is for.
  return {
    collection: pages,
    id: `${from} ${stream}`,
    body: { stream, from, events: events as unknown as Schema.Json }
  }
}

/**
 * The events of an archived stream, oldest first. None if it was never archived.
 *
 * @category running
 * @since 0.1.0
 */
export const read = (stream: StreamId): Stream.Stream<StoredEvent, PersistenceError, Persistence> =>
  Stream.unwrap(
    Persistence.useSync((persistence) => {
      let version = 0
      return Stream.paginate(0, (offset) =>
        Effect.map(persistence.query(pages, { where: { stream }, orderBy: "from", limit: 1, offset }), ([page]) =>
          page === undefined ? [[], Option.none<number>()] : [eventsOf(page.body), Option.some(offset + 1)]
        )
      ).pipe(
        Stream.filter((event) => {
          // A stream that kept its last event, and went on, has it in two pages.
          const isNew = event.version > version
          version = Math.max(version, event.version)
          return isNew
        })
      )
    })
  )

const eventsOf = (body: Schema.JsonObject) => body["events"] as unknown as ReadonlyArray<StoredEvent>

/**
 * Removes a stream from the archive.
 *
 * @category running
 * @since 0.1.0
 */
export const forget = (stream: StreamId): Effect.Effect<void, PersistenceError, Persistence> =>
  Persistence.use((persistence) =>
    Effect.gen(function* () {
      const found = yield* persistence.query(pages, { where: { stream }, limit: Number.MAX_SAFE_INTEGER })
      for (const { id } of found) yield* persistence.delete(pages, id)
      yield* persistence.delete(streams, stream)
    })
  )
