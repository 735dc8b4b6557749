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
export const versionField = "$version"
export const deletedField = "$deleted"

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
  /** Nothing if the event is of a stream that the projection is not made of. */
  readonly decodeEvent: (stored: StoredEvent) => Effect.Effect<ProjectedEvent<Event> | undefined, ProjectionFailed>
  readonly keys: (projected: ProjectedEvent<Event>) => Effect.Effect<ReadonlyArray<string>, ProjectionFailed>
  /** The view of a document. Fails if the schema of the view cannot read it. */
  readonly read: (document: Document | undefined) => Effect.Effect<ViewState<View>, Schema.SchemaError>
  /** What a query asks besides: no marks of what is gone. */
  readonly where: { readonly [field: string]: null }
  readonly apply: (
    state: ViewState<View>,
    projected: ProjectedEvent<Event>
  ) => Effect.Effect<ViewState<View>, ProjectionFailed>
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
  const decode = Schema.decodeUnknownEffect(codec)
  const sources = new Map<string, Source<Event>>(projection.from.map((source) => [source.category, source]))

  const guarded = <A>(at: Omit<ProjectedEvent<unknown>, "event">, body: () => A) =>
    Effect.try({ try: body, catch: (cause) => failedAt(projection.name, at, cause) })

  const stateOf = ({ body, version }: Document): Effect.Effect<ViewState<View>, Schema.SchemaError> => {
    const { [deletedField]: deleted, [versionField]: seen, ...view } = body
    const state = { stored: version, seen: typeof seen === "number" ? seen : 0 }
    if (deleted === true) return Effect.succeed({ ...state, view: undefined })
    return Effect.map(decode(view), (view) => ({ ...state, view }))
  }
  const put = (collection: string, id: string, { seen, stored, view }: ViewState<View>): Put => {
    const at = { collection, id, expected: stored }
    const mark = isPerStream ? { [versionField]: seen } : {}
    if (view !== undefined) return { ...at, body: { ...(encode(view) as Schema.JsonObject), ...mark } }
    // A document that has expired when it is written is removed, together with the other puts of the commit.
    return isPerStream ? { ...at, body: { ...mark, [deletedField]: true } } : { ...at, body: {}, expiresAt: 0 }
  }

  return {
    decodeEvent: (stored) => {
      const place = placeOf(stored.stream, stored.version, stored.meta)
      const source = sources.get(stored.stream.slice(0, stored.stream.indexOf("/")))
      if (source === undefined || !source.codec.types.includes(stored.type)) return Effect.succeed(undefined)
      const decoded = source.codec.decode(stored)
      return Result.isSuccess(decoded)
        ? Effect.succeed({ event: decoded.success, type: stored.type, place })
        : Effect.fail(failedAt(projection.name, { place, type: stored.type }, decoded.failure))
    },
    keys: (projected) => guarded(projected, () => projection.keys(projected.event, projected.place)),
    read: (document) => (document === undefined ? Effect.succeed(absent) : stateOf(document)),
    where: isPerStream ? { [deletedField]: null } : {},
    apply: (state, projected) =>
      guarded(projected, () => ({
        view: projection.evolve(state.view, projected.event, projected.place),
        stored: state.stored,
        seen: isPerStream ? projected.place.version : 0
      })),
    puts: (collection, views, projected) =>
      guarded(projected, () => views.map(([id, state]) => put(collection, id, state)))
  }
}

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
