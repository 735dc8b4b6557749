/**
 * Puts the documents of projections in the very commit of the events they are made of.
 *
 * Who reads them after an append sees it, and a crash leaves both or neither. Only for projections with one document for
 * each stream: then appends to different streams never wait for each other's documents.
 *
 * The projection must be run, too: `ProjectionRunner` builds the documents of what was there before, and completes what
 * writers that knew nothing of the projection have left out. A document says which of its events it has seen, so none
 * takes effect twice.
 *
 * Invariants (checked by `test/cqrs/InlineProjection.test.ts`):
 *
 *   V7. An append and its documents are one commit.
 *   V8. Inline documents are those that the runner would make.
 *
 * **Gotchas**
 *
 * Costs two reads of documents before each append, and a conflict with another writer of the same stream may show as
 * `DocumentConflict`. While the first documents of a version are built, nothing is put: its runner comes after.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { EventMeta, StreamVersion } from "../event-store/Envelope.ts"
import { EventStore } from "../event-store/EventStore.ts"
import { type DocumentConflict, DocumentsUnsupported } from "../event-store/EventStoreError.ts"
import type { EventStream } from "../event-store/EventStream.ts"
import { Persistence, type PersistenceError } from "../persistence/Persistence.ts"
import type { Append } from "./CommandHandler.ts"
import type { PerStream } from "./Projection.ts"
import * as ProjectionCatalogue from "./ProjectionCatalogue.ts"
import type { ProjectionFailed } from "./ProjectionError.ts"
import * as ViewDocuments from "./ViewDocuments.ts"

/** What goes wrong besides an append's own failures. */
type InlineFailure = DocumentConflict | ProjectionFailed | PersistenceError

/** Events of one stream on their way into the log. */
interface Writing<Event> {
  readonly id: string
  readonly expected: StreamVersion
  readonly events: ReadonlyArray<Event>
  readonly meta: EventMeta
}

/**
 * Makes an append that keeps projections up to date, for `CommandHandler.make` or for direct use.
 *
 * **Errors**
 *
 * `DocumentsUnsupported` at once, if the backend keeps documents and events apart. An append fails with
 * `ProjectionFailed`, and writes nothing, if a projection cannot take one of its events.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <Event extends { readonly _tag: string }>(
  stream: EventStream<Event>,
  // `any`: each projection has views of its own, which nobody looks at here.
  projections: ReadonlyArray<PerStream<any, Event>>
): Effect.fn.Return<Append<Event, InlineFailure>, DocumentsUnsupported, EventStore | Persistence> {
  const store = yield* EventStore
  const services = yield* Effect.context<EventStore | Persistence>()
  const names = projections.map(({ name }) => `"${name}"`).join(", ")
  if (!store.documents) return yield* new DocumentsUnsupported({ subject: `Inline projection ${names}` })
  const inline = projections.map((projection) => inlineOf(stream, projection))

  return Effect.fnUntraced(function* (id, events, { expected, meta }) {
    // Given here, for a projection sees the same time as whoever reads the event later.
    const stamped: EventMeta = { timestamp: yield* Clock.currentTimeMillis, ...meta }
    const writing = { id, expected, events, meta: stamped }
    const documents = yield* Effect.provideContext(
      Effect.forEach(inline, (puts) => puts(writing), { concurrency: "unbounded" }),
      services
    )
    return yield* store
      .appendWith(
        stream.streamId(id),
        events.map((event) => ({ ...stream.codec.encode(event), meta: stamped })),
        { expected, documents: documents.flat() }
      )
      .pipe(Effect.catchTag("DocumentsUnsupported", Effect.die))
  })
})

const inlineOf = <View, Event extends { readonly _tag: string }>(
  stream: EventStream<Event>,
  projection: PerStream<View, Event>
) => {
  const { name, version } = projection
  const types = new Set<string>(projection.from.flatMap(({ codec }) => codec.types))
  if (projection.from[0]?.category !== stream.category) {
    throw new Error(`projection "${name}" is not made of "${stream.category}", and so cannot be inline there`)
  }
  const documents = ViewDocuments.make(projection)
  type State = ViewDocuments.ViewState<View>
  const apply = (from: State, events: ReadonlyArray<ViewDocuments.ProjectedEvent<Event>>) =>
    Effect.suspend(() => {
      let state = from
      const all = documents.each(events, (projected) => {
        state = documents.apply(state, projected)
      })
      return Effect.map(all, () => state)
    })

  /** The view right before the append, whoever has written what is missing in it. */
  const before = Effect.fnUntraced(function* (collection: string, { expected, id }: Writing<Event>, at: AtEvent) {
    const document = yield* Persistence.use((persistence) => persistence.get(collection, id))
    const found = yield* Effect.mapError(documents.read(document), (cause) => ViewDocuments.failedAt(name, at, cause))
    if (found.seen === expected) return found
    // One that is ahead is of another history, or the append is about to meet a conflict.
    const known: State = found.seen < expected ? found : { ...ViewDocuments.absent, stored: found.stored }
    const missing = yield* EventStore.use((store) =>
      store.readArray(stream.streamId(id), { from: known.seen + 1, to: expected })
    )
    return yield* apply(known, yield* documents.decode(missing))
  })

  return Effect.fnUntraced(function* (writing: Writing<Event>) {
    const { events, expected, id, meta } = writing
    const generation = (yield* ProjectionCatalogue.pointer(name)).serving[version]
    if (generation === undefined) return []
    const collection = ProjectionCatalogue.collectionOf({ name, version, generation })
    const written = events.map((event, index) => ({
      event,
      type: event._tag,
      place: ViewDocuments.placeOf(stream.streamId(id), expected + index + 1, meta)
    }))
    const last = written.at(-1)!
    const view = yield* before(collection, writing, last)
    const after = yield* apply(
      view,
      written.filter(({ type }) => types.has(type))
    )
    return yield* documents.puts(collection, [[id, { ...after, seen: last.place.version }]], last)
  })
}

/** The event that is named if something fails. */
type AtEvent = Omit<ViewDocuments.ProjectedEvent<unknown>, "event">
