/**
 * Why an event is in the log: the chain of what caused it, and what it caused in turn.
 *
 * The log has no index by event id, so looking for one reads it from the beginning, as far as `maxScanned`. A question
 * costs two such scans, and another one for each cause that is neither in the stream of its consequence nor in its
 * correlation.
 *
 * Invariants (checked by `test/event-store/Causation.test.ts`):
 *
 *   Y1. Causes are the whole chain, the nearest first; it ends where nothing is named, or what is named is not in the log.
 *   Y2. Consequences are everything that names the event, or a consequence of it, as its cause.
 *   Y3. Bounds end the search, and the answer says so.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Position, StoredEvent, StreamId, StreamVersion } from "./Envelope.ts"
import { EventStore } from "./EventStore.ts"
import type { EventStoreError } from "./EventStoreError.ts"

/**
 * There is no event of this id in the log, or none as far as it was read.
 *
 * @category errors
 * @since 0.1.0
 */
export class EventNotFound extends Schema.TaggedError<EventNotFound>()("EventNotFound", {
  id: Schema.String,
  scanned: Schema.Int
}) {
  override get message(): string {
    return `There is no event "${this.id}" among the ${this.scanned} events of the log that were read.`
  }
}

/**
 * How an event names its cause.
 *
 * @category models
 * @since 0.1.0
 */
export type Reference = { readonly id: string } | { readonly stream: StreamId; readonly version: StreamVersion }

/**
 * Where to look, and how far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What directly caused an event. Default: its `meta.causationId`. */
  readonly causeOf?: (event: StoredEvent) => Reference | undefined
  /** At most so many causes, and so many consequences. Default 1000. */
  readonly maxEvents?: number
  /** At most so many events are read by one scan of the log. Default 1,000,000. */
  readonly maxScanned?: number
}

/**
 * An event that was caused by another, and what it caused itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consequence {
  readonly event: StoredEvent
  readonly consequences: ReadonlyArray<Consequence>
}

/**
 * The answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Why {
  readonly event: StoredEvent
  /** The nearest first. */
  readonly causes: ReadonlyArray<StoredEvent>
  /** What the first cause names as its own and is not in the log: a command, or an event that was forgotten. */
  readonly outside?: Reference
  /** In the order of the log. */
  readonly consequences: ReadonlyArray<Consequence>
  /** `false`: a bound ended the search before the log did (Y3). */
  readonly complete: boolean
}

/**
 * Why an event is in the log, and what came of it.
 *
 * @category running
 * @since 0.1.0
 */
export const why = Effect.fnUntraced(function* (
  id: string,
  options: Options = {}
): Effect.fn.Return<Why, EventNotFound | EventStoreError, EventStore> {
  const search = new Search(yield* EventStore, options)
  const event = yield* search.find(id)
  if (event === undefined) return yield* new EventNotFound({ id, scanned: search.scanned })
  const consequences = yield* search.consequences(event)
  const { causes, outside } = yield* search.causes(event)
  return { event, causes, ...(outside && { outside }), consequences, complete: search.complete }
})

const byCausationId = ({ meta }: StoredEvent): Reference | undefined =>
  meta.causationId === undefined ? undefined : { id: meta.causationId }

const placeOf = (stream: StreamId, version: StreamVersion): string => `${version} ${stream}`

interface Node extends Consequence {
  readonly consequences: Array<Node>
}

class Search {
  complete = true
  scanned = 0
  private readonly store: EventStore["Service"]
  private readonly causeOf: (event: StoredEvent) => Reference | undefined
  private readonly maxEvents: number
  private readonly maxScanned: number
  /** Events of the same correlation, by id: where causes most likely are. */
  private readonly near = new Map<string, StoredEvent>()
  constructor(store: EventStore["Service"], options: Options) {
    this.store = store
    this.causeOf = options.causeOf ?? byCausationId
    this.maxEvents = options.maxEvents ?? 1000
    this.maxScanned = options.maxScanned ?? 1_000_000
  }

  /** The event of this id, if it lies at or before a position. */
  find(id: string, last: Position = Infinity): Effect.Effect<StoredEvent | undefined, EventStoreError> {
    let found: StoredEvent | undefined
    return Effect.map(
      this.scan((event) => {
        if (event.position > last) return false
        if (event.id === id) found = event
        return found === undefined
      }),
      () => found
    )
  }

  consequences(root: StoredEvent): Effect.Effect<ReadonlyArray<Consequence>, EventStoreError> {
    const node: Node = { event: root, consequences: [] }
    const byId = new Map([[root.id, node]])
    const byPlace = new Map([[placeOf(root.stream, root.version), node]])
    const visit = (event: StoredEvent): boolean => {
      const { correlationId } = event.meta
      const isNear = correlationId !== undefined && correlationId === root.meta.correlationId
      if (isNear && this.near.size < this.maxEvents) this.near.set(event.id, event)
      // Y2: a cause lies before its consequences, so one pass finds them all.
      if (event.position <= root.position) return true
      const reference = this.causeOf(event)
      if (reference === undefined) return true
      const cause =
        "id" in reference ? byId.get(reference.id) : byPlace.get(placeOf(reference.stream, reference.version))
      if (cause === undefined) return true
      if (byId.size > this.maxEvents) return (this.complete = false)
      const consequence: Node = { event, consequences: [] }
      cause.consequences.push(consequence)
      byId.set(event.id, consequence)
      byPlace.set(placeOf(event.stream, event.version), consequence)
      return true
    }
    return Effect.map(this.scan(visit), () => node.consequences)
  }

  causes(event: StoredEvent): Effect.Effect<Pick<Why, "causes" | "outside">, EventStoreError> {
    return Effect.gen({ self: this }, function* () {
      const causes: Array<StoredEvent> = []
      const seen = new Set([event.id])
      let reference = this.causeOf(event)
      while (reference !== undefined) {
        if (causes.length === this.maxEvents) {
          this.complete = false
          return { causes }
        }
        const cause: StoredEvent | undefined = yield* this.resolve(reference, causes.at(-1) ?? event)
        // An event that names itself, or its own consequence, names no cause.
        if (cause === undefined || seen.has(cause.id)) return { causes, outside: reference }
        seen.add(cause.id)
        causes.push(cause)
        reference = this.causeOf(cause)
      }
      return { causes }
    })
  }

  private resolve(reference: Reference, consequence: StoredEvent) {
    if (!("id" in reference)) return this.at(reference.stream, reference.version)
    const near = this.near.get(reference.id)
    if (near !== undefined) return Effect.succeed(near)
    return Effect.flatMap(this.inStream(reference.id, consequence), (found) =>
      found === undefined ? this.find(reference.id, consequence.position) : Effect.succeed(found)
    )
  }

  private at(stream: StreamId, version: StreamVersion) {
    return Effect.map(this.kept(stream, { from: version, to: version }), ([event]) => event)
  }

  /** Among the events just before a consequence in its own stream. */
  private inStream(id: string, { stream, version }: StoredEvent) {
    const range = { from: Math.max(1, version - 100), to: version }
    return Effect.map(this.kept(stream, range), (events) => events.find((event) => event.id === id))
  }

  /** A stream that was deleted keeps nothing. */
  private kept(stream: StreamId, range: { readonly from: StreamVersion; readonly to: StreamVersion }) {
    return Effect.catchIf(
      this.store.readArray(stream, range),
      ({ reason }) => reason._tag === "StreamDeleted",
      () => Effect.succeed<ReadonlyArray<StoredEvent>>([])
    )
  }

  /** Shows the log to `visit`, until that answers `false`. */
  private scan(visit: (event: StoredEvent) => boolean): Effect.Effect<void, EventStoreError> {
    let scanned = 0
    const one = (event: StoredEvent): boolean => {
      if (scanned === this.maxScanned) return (this.complete = false)
      scanned++
      return visit(event)
    }
    return this.store.readAll().pipe(
      Stream.runForEachWhile((event) => Effect.sync(() => one(event))),
      Effect.tap(() => Effect.sync(() => (this.scanned = Math.max(this.scanned, scanned))))
    )
  }
}
