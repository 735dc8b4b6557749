/**
 * The documents of one generation of a projection: how a view lies in the store, and what an event makes of it.
 *
 * A document is the encoded view. One that is of a single stream also says in `$version` which of its events it has
 * seen last, and stays as a mere mark (`$deleted`) when its view is gone; others are removed.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { EventMeta, StoredEvent, StreamVersion } from "../event-store/Envelope.ts"
import { EventStoreError } from "../event-store/EventStoreError.ts"
import type { Document, Put } from "../persistence/Persistence.ts"
import type { EventPlace, Projection, Source } from "./Projection.ts"
import { ProjectionFailed } from "./ProjectionError.ts"

/** Top-level fields of a document that are not of its view. */
const versionField = "$version"
const deletedField = "$deleted"

/** A view and what is known of its document. */
export interface ViewState<View> {
  readonly view: View | undefined
  /** Version of the document. 0: there is none. */
  readonly stored: number
  /** Version of the last event it has seen, if it is of one stream. */
  readonly seen: StreamVersion
}

/** An event of a projection, decoded. */
export interface ProjectedEvent<Event> {
  readonly event: Event
  readonly type: string
  readonly place: EventPlace
}

/** Turns views into documents, and events into views. */
export interface ViewDocuments<View, Event> {
  /** Those that the projection is made of. */
  readonly decode: (page: ReadonlyArray<StoredEvent>) => Effect.Effect<Array<ProjectedEvent<Event>>, ProjectionFailed>
  /** Does something with each event. The first for which it throws is one that the projection cannot take. */
  readonly each: (
    events: ReadonlyArray<ProjectedEvent<Event>>,
    body: (projected: ProjectedEvent<Event>, index: number) => void
  ) => Effect.Effect<void, ProjectionFailed>
  /** The view of a document. Fails if the schema of the view cannot read it. */
  readonly read: (document: Document | undefined) => Effect.Effect<ViewState<View>, Schema.SchemaError>
  /** What a query asks besides: no marks of what is gone. */
  readonly where: { readonly [field: string]: null }
  /** The view after an event. Inside `each`. */
  readonly apply: (state: ViewState<View>, projected: ProjectedEvent<Event>) => ViewState<View>
  /** Puts views if their documents are still the ones that were read. The event is the last that they have seen. */
  readonly puts: (
    collection: string,
    views: ReadonlyArray<readonly [id: string, state: ViewState<View>]>,
    projected: ProjectedEvent<Event>
  ) => Effect.Effect<ReadonlyArray<Put>, ProjectionFailed>
}

/** A view of which there is no document. */
export const absent: ViewState<never> = { view: undefined, stored: 0, seen: 0 }

/** Makes the documents of a projection. */
export const make = <View, Event extends { readonly _tag: string }>(
  projection: Projection<View, Event>
): ViewDocuments<View, Event> => {
  const { isPerStream } = projection
  const codec = Schema.toCodecJson(projection.view)
  const encode = Schema.encodeSync(codec)
  const decodeView = Schema.decodeUnknownEffect(codec)
  const decoders = decodersOf(projection.from)
  const fail = (at: Omit<ProjectedEvent<unknown>, "event">, cause: unknown) =>
    Effect.fail(failedAt(projection.name, at, cause))

  const stateOf = ({ body, version }: Document): Effect.Effect<ViewState<View>, Schema.SchemaError> => {
    const { [deletedField]: deleted, [versionField]: seen, ...view } = body
    const state = { stored: version, seen: typeof seen === "number" ? seen : 0 }
    if (deleted === true) return Effect.succeed({ ...state, view: undefined })
    return Effect.map(decodeView(view), (view) => ({ ...state, view }))
  }
  const put = (collection: string, id: string, { seen, stored, view }: ViewState<View>): Put => {
    const at = { collection, id, expected: stored }
    const mark = isPerStream ? { [versionField]: seen } : {}
    if (view !== undefined) return { ...at, body: { ...(encode(view) as Schema.JsonObject), ...mark } }
    // A document that has expired when it is written is removed, together with the other puts of the commit.
    return isPerStream ? { ...at, body: { ...mark, [deletedField]: true } } : { ...at, body: {}, expiresAt: 0 }
  }

  return {
    decode: (page) =>
      Effect.suspend(() => {
        const events: Array<ProjectedEvent<Event>> = []
        for (const stored of page) {
          const { meta, stream, type, version } = stored
          const decoded = decoders.get(stream.slice(0, stream.indexOf("/")))?.get(type)?.(stored)
          if (decoded === undefined) continue
          const at = { type, place: placeOf(stream, version, meta) }
          if (Result.isFailure(decoded)) return fail(at, decoded.failure)
          events.push({ ...at, event: decoded.success })
        }
        return Effect.succeed(events)
      }),
    each: (events, body) => each(projection.name, events, body),
    read: (document) => (document === undefined ? Effect.succeed(absent) : stateOf(document)),
    where: isPerStream ? { [deletedField]: null } : {},
    apply: (state, { event, place }) => ({
      view: projection.evolve(state.view, event, place),
      stored: state.stored,
      seen: isPerStream ? place.version : 0
    }),
    puts: (collection, views, projected) =>
      Effect.try({
        try: () => views.map(([id, state]) => put(collection, id, state)),
        catch: (cause) => failedAt(projection.name, projected, cause)
      })
  }
}

const each = <Event>(
  name: string,
  events: ReadonlyArray<ProjectedEvent<Event>>,
  body: (projected: ProjectedEvent<Event>, index: number) => void
): Effect.Effect<void, ProjectionFailed> =>
  Effect.suspend(() => {
    for (let index = 0; index < events.length; index++) {
      try {
        body(events[index]!, index)
      } catch (cause) {
        return Effect.fail(failedAt(name, events[index]!, cause))
      }
    }
    return Effect.void
  })

/** How to decode an event, by its category and its type. */
const decodersOf = <Event extends { readonly _tag: string }>(sources: ReadonlyArray<Source<Event>>) =>
  new Map(
    sources.map(({ category, codec }) => [category, new Map(codec.types.map((type) => [type, codec.decode]))] as const)
  )

/** Where an event stands, by its stream's name. */
export const placeOf = (stream: string, version: StreamVersion, meta: EventMeta): EventPlace => ({
  stream,
  id: stream.slice(stream.indexOf("/") + 1),
  version,
  meta
})

/** Names the event that a projection cannot take. */
export const failedAt = (
  projection: string,
  { place, type }: Omit<ProjectedEvent<unknown>, "event">,
  cause: unknown
): ProjectionFailed =>
  new ProjectionFailed({
    projection,
    stream: place.stream,
    version: place.version,
    type,
    detail: detailOf(cause),
    cause
  })

const detailOf = (cause: unknown): string => {
  if (cause instanceof EventStoreError) return "it does not decode"
  return cause instanceof Error ? cause.message : String(cause)
}
