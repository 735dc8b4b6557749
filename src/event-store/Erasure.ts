/**
 * Erases what is known of one person.
 *
 * A log that only grows cannot be rewritten. So the streams of the person are deleted as a whole, from the archive, too;
 * documents are deleted or redacted; and what is left elsewhere is reported. A record of it stays in the log.
 *
 * Invariants (checked by `test/event-store/Erasure.test.ts`):
 *
 *   Z1. Afterwards no event of the streams can be read, in the log or in the archive, nor a document as it was.
 *   Z2. An erasure that was stopped anywhere, and made again, ends as if it had not been stopped. It is recorded only
 *       once it is complete.
 *   Z3. Events of other streams that mention the person are named, not passed over.
 *
 * **Gotchas**
 *
 * - The names of deleted streams stay: give no stream the name of a person.
 * - Backups, exported files, and pages that the database has not overwritten yet still hold everything.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Document, Persistence, type PersistenceError, type Query } from "../persistence/Persistence.ts"
import * as Archive from "./ArchiveDocuments.ts"
import { companionsOf } from "./Companions.ts"
import type { StoredEvent, StreamId, StreamVersion } from "./Envelope.ts"
import { EventStore } from "./EventStore.ts"
import type { EventStoreError, VersionConflict } from "./EventStoreError.ts"
import * as EventStream from "./EventStream.ts"

/**
 * Somebody's data was erased.
 *
 * @category models
 * @since 0.1.0
 */
export const SubjectErased = Schema.TaggedStruct("SubjectErased", {
  /** Names the request, not the person. */
  reference: Schema.String,
  streams: Schema.Int,
  documents: Schema.Int,
  /** Events elsewhere that mention the person and could not be erased. */
  left: Schema.Int
})

/**
 * The stream of all records: `erasure/all`.
 *
 * @category models
 * @since 0.1.0
 */
export const Erasures = EventStream.make("erasure", { events: SubjectErased })

/**
 * What is known of a person.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  /** Names the request, such as a ticket. It stays in the log, so it must not name the person. */
  readonly reference: string
  /** With a run goes its inbox. */
  readonly streams: ReadonlyArray<StreamId>
  readonly documents?: ReadonlyArray<Documents>
  /** Whether an event mentions the person: asked of every event that is left in the log. Left out: nothing is reported. */
  readonly mentions?: (event: StoredEvent) => boolean
}

/**
 * Documents of a person: read models, snapshots, dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Documents {
  readonly collection: string
  readonly where: NonNullable<Query["where"]>
  /** What stays. Left out: the documents are deleted. */
  readonly redact?: (body: Schema.JsonObject) => Schema.JsonObject
}

/**
 * What was done, and what could not be.
 *
 * @category models
 * @since 0.1.0
 */
export interface Erased {
  readonly documents: number
  readonly left: ReadonlyArray<{ readonly stream: StreamId; readonly version: StreamVersion }>
}

/**
 * Erases a person's data. To be made again if it fails or is stopped (Z2).
 *
 * @category running
 * @since 0.1.0
 */
export const erase = Effect.fnUntraced(function* (
  subject: Subject
): Effect.fn.Return<Erased, VersionConflict | EventStoreError | PersistenceError, EventStore | Persistence> {
  const store = yield* EventStore
  const persistence = yield* Persistence
  const { mentions, reference, streams } = subject
  for (const stream of streams.flatMap((stream) => [...companionsOf(stream), stream])) {
    yield* store.delete(stream)
    yield* Archive.forget(stream)
  }
  let documents = 0
  for (const group of subject.documents ?? []) documents += yield* eraseDocuments(persistence, group)
  const left =
    mentions === undefined
      ? []
      : yield* store.readAll().pipe(
          Stream.filter(mentions),
          Stream.map(({ stream, version }) => ({ stream, version })),
          Stream.runCollect
        )
  const record = SubjectErased.make({ reference, streams: streams.length, documents, left: left.length })
  yield* Erasures.append("all", [record], { expected: "Any" })
  return { documents, left }
})

const eraseDocuments = (persistence: Persistence["Service"], { collection, redact, where }: Documents) =>
  Effect.gen(function* () {
    const found = yield* persistence.query(collection, { where, limit: Number.MAX_SAFE_INTEGER })
    for (const document of found) {
      yield* redact === undefined
        ? persistence.delete(collection, document.id)
        : redactOne(persistence, { collection, document, redact })
    }
    return found.length
  })

/** A document that is changed meanwhile is redacted as it is by then. */
const redactOne = (
  persistence: Persistence["Service"],
  options: {
    readonly collection: string
    readonly document: Document
    readonly redact: NonNullable<Documents["redact"]>
  }
) =>
  Effect.gen(function* () {
    const { collection, redact } = options
    let document: Document | undefined = options.document
    while (document !== undefined) {
      const { body, id, version }: Document = document
      if (yield* persistence.putAll([{ collection, id, body: redact(body), expected: version }])) return
      document = yield* persistence.get(collection, id)
    }
  })
