/**
 * Takes events, and documents if they are wanted, out of a backend: as text that any other backend can import.
 *
 * **Details** What the log holds when the export begins; later events wait for the next one, which goes on `after` its
 * head. Not in it: names of deleted streams, and of documents their version and when they expire.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Persistence, type PersistenceError } from "../persistence/Persistence.ts"
import type { Position, StoredEvent } from "./Envelope.ts"
import { EventStore } from "./EventStore.ts"
import type { EventStoreError } from "./EventStoreError.ts"
import * as LogLine from "./LogLine.ts"

/**
 * What to export.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Events after this position only: the head of an export before. Default 0. */
  readonly after?: Position
  /** Streams whose names start so only. */
  readonly streamPrefix?: string
  /** Collections of documents. Default: none. */
  readonly documents?: ReadonlyArray<string>
}

/**
 * The export, line by line. The shape of a line is described in `LogLine.ts`.
 *
 * @category running
 * @since 0.1.0
 */
export const lines = (
  options: Options = {}
): Stream.Stream<string, EventStoreError | PersistenceError, EventStore | Persistence> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const store = yield* EventStore
      const persistence = yield* Persistence
      const head = yield* store.head
      const writer = new LogLine.Writer()
      const { after = 0, documents = [], streamPrefix } = options
      const events = store.readAll({ after, ...(streamPrefix !== undefined && { streamPrefix }) }).pipe(
        Stream.takeWhile(({ position }) => position <= head),
        Stream.map((event) => writer.event(event))
      )
      const collection = (name: string) =>
        Stream.map(documentsOf(persistence, name), ({ body, id }) => writer.document({ collection: name, id, body }))
      return Stream.suspend(() => Stream.make(writer.head({ after }))).pipe(
        Stream.concat(events),
        Stream.concat(Stream.flatMap(Stream.fromIterable(documents), collection)),
        Stream.concat(Stream.suspend(() => Stream.make(writer.end(head))))
      )
    })
  )

/** At once, not in pages: documents that come or go meanwhile would shift them. */
const documentsOf = (persistence: Persistence["Service"], collection: string) =>
  Stream.fromIterableEffect(persistence.query(collection, { limit: Number.MAX_SAFE_INTEGER }))

/**
 * Some events as an export of their own, which ends with the last of them.
 *
 * @category running
 * @since 0.1.0
 */
export const linesOf = <E, R>(events: Stream.Stream<StoredEvent, E, R>): Stream.Stream<string, E, R> =>
  Stream.suspend(() => {
    const writer = new LogLine.Writer()
    let head: Position = 0
    return Stream.make(writer.head({ after: 0 })).pipe(
      Stream.concat(
        Stream.map(events, (event) => {
          head = Math.max(head, event.position)
          return writer.event(event)
        })
      ),
      Stream.concat(Stream.suspend(() => Stream.make(writer.end(head))))
    )
  })
