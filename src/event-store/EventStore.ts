/**
 * Append-only event streams with optimistic concurrency: the one log.
 *
 * `EventStore` is what programs use. It gives events their ids and times,
 * commits concurrent appends in groups, pages reads and feeds subscribers; an
 * `EventStoreDriver` stores. So every backend shares one implementation of
 * everything above storage.
 *
 * The invariants E1 to E15 are stated and checked by
 * `testing/conformance/EventStoreConformance.ts`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AppendQueue from "./AppendQueue.ts"
import type {
  EncodedEvent,
  EventMeta,
  ExpectedVersion,
  NewEvent,
  Position,
  StoredEvent,
  StreamId,
  StreamVersion
} from "./Envelope.ts"
import * as EventId from "./EventId.ts"
import type { Put } from "../persistence/Persistence.ts"
import {
  type Appended,
  type AppendRequest,
  EventStoreDriver,
  type ReadOptions,
  tombstoneType
} from "./EventStoreDriver.ts"
import {
  type DocumentConflict,
  DocumentsUnsupported,
  type EventStoreError,
  type VersionConflict
} from "./EventStoreError.ts"
import * as LiveFeed from "./LiveFeed.ts"
import type { SubscribeOptions } from "./LiveFeed.ts"

export type { SubscribeOptions } from "./LiveFeed.ts"

/** Says, when an append takes its place in the queue, which version its writer believes the stream to have. */
type Expect = (events: ReadonlyArray<EncodedEvent>) => ExpectedVersion

/**
 * The log.
 *
 * @category services
 * @since 0.1.0
 */
export class EventStore extends Context.Service<
  EventStore,
  {
    /**
     * Appends all events or none. Succeeds only once they are durable. Order of
     * calls to one stream is order of commits. An interrupted append that still waits in the
     * queue is withdrawn; one already on its way is written all the same.
     * A function as `expected` is called when the append takes its place in the
     * queue, with the events as they will be stored: for a writer that counts the
     * versions of its stream itself.
     */
    readonly append: (
      stream: StreamId,
      events: ReadonlyArray<NewEvent>,
      expected: ExpectedVersion | Expect
    ) => Effect.Effect<Appended, VersionConflict | EventStoreError>
    /**
     * Queues an append and returns as soon as it is admitted; the inner effect
     * waits until it is durable. For writers that pipeline: any number of calls
     * without awaiting, with back-pressure, in one fiber; those to one stream in order.
     */
    readonly submit: (
      stream: StreamId,
      events: ReadonlyArray<NewEvent>,
      expected: ExpectedVersion | Expect
    ) => Effect.Effect<Effect.Effect<Appended, VersionConflict | EventStoreError>>
    /**
     * Appends events and puts documents of `Persistence` in one commit: all of it, or nothing. A duplicate puts no
     * documents: they were put with the first. Fails with `DocumentConflict` if the `expected` of a document does not
     * hold, and with `DocumentsUnsupported` unless `documents`.
     */
    readonly appendWith: (
      stream: StreamId,
      events: ReadonlyArray<NewEvent>,
      options: { readonly expected: ExpectedVersion; readonly documents: ReadonlyArray<Put> }
    ) => Effect.Effect<Appended, VersionConflict | DocumentConflict | DocumentsUnsupported | EventStoreError>
    /** Whether `appendWith` can put documents: they lie in the same store as the events. */
    readonly documents: boolean
    /** Events of one stream, in pages. */
    readonly read: (stream: StreamId, options?: ReadOptions) => Stream.Stream<StoredEvent, EventStoreError>
    /** Events of one stream, at once: for streams known to be short. */
    readonly readArray: (
      stream: StreamId,
      options?: ReadOptions
    ) => Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError>
    /** The whole log up to now, in position order. Deleted streams are left out. */
    readonly readAll: (options?: {
      readonly after?: Position
      readonly max?: number
      readonly types?: ReadonlyArray<string>
      readonly streamPrefix?: string
    }) => Stream.Stream<StoredEvent, EventStoreError>
    /** Catches up, then stays live: no gap, no duplicate, in order. Slow subscribers lose nothing and stall nobody. */
    readonly subscribe: (options?: SubscribeOptions) => Stream.Stream<StoredEvent, EventStoreError>
    readonly version: (stream: StreamId) => Effect.Effect<StreamVersion, EventStoreError>
    readonly exists: (stream: StreamId) => Effect.Effect<boolean, EventStoreError>
    readonly head: Effect.Effect<Position, EventStoreError>
    /** Forgets events older than `version`; the newest event always stays. */
    readonly truncateBefore: (stream: StreamId, version: StreamVersion) => Effect.Effect<void, EventStoreError>
    /**
     * Forgets the stream and bars its name for ever. Default expectation: `"Any"`.
     * Does not wait for appends that are still queued: they will find the stream deleted.
     */
    readonly delete: (
      stream: StreamId,
      expected?: ExpectedVersion
    ) => Effect.Effect<void, VersionConflict | EventStoreError>
  }
>()("tutti/event-store/EventStore") {}

/**
 * How the store batches and pages.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends AppendQueue.Options {
  /** Events per page of a read. Default 500. */
  readonly pageSize?: number
  /** Events a live subscriber may leave undelivered before it falls back to reading the store. Default 4096. */
  readonly subscriberBuffer?: number
}

/**
 * Makes an `EventStore` over the driver in the context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<EventStore["Service"], never, EventStoreDriver | Scope.Scope> {
  const driver = yield* EventStoreDriver
  const pageSize = options.pageSize ?? 500
  const feed = yield* LiveFeed.make({ driver, pageSize, buffer: options.subscriberBuffer ?? 4096 })
  const queue = yield* AppendQueue.make({
    ...options,
    write: driver.append,
    parallel: driver.parallelAppends,
    committed: feed.publish
  })
  const request = requests()

  return EventStore.of({
    append: (stream, events, expected) =>
      Effect.withFiber(({ context }) => queue.append(() => request(context, stream, events, expected))),
    submit: (stream, events, expected) =>
      Effect.withFiber(({ context }) => queue.submit(() => request(context, stream, events, expected))),
    appendWith: (stream, events, { documents, expected }) =>
      driver.documents
        ? Effect.withFiber(({ context }) =>
            queue.append((): AppendRequest => ({ ...request(context, stream, events, expected), documents }))
          )
        : Effect.fail(new DocumentsUnsupported({ subject: `An append to "${stream}" with documents` })),
    documents: driver.documents,
    read: readPages(driver, pageSize),
    readArray: (stream, read) => driver.read(stream, read ?? {}),
    readAll: ({ after = 0, max = Infinity, ...filter } = {}) =>
      Stream.paginate(
        { after, left: max },
        Effect.fnUntraced(function* ({ after, left }) {
          if (left <= 0) return [[], Option.none()]
          const size = Math.min(left, pageSize)
          const page = yield* driver.readAll({ after, max: size, ...filter })
          const last = page.at(-1)
          const more = last !== undefined && page.length === size
          return [page, more ? Option.some({ after: last.position, left: left - size }) : Option.none()]
        })
      ),
    subscribe: feed.subscribe,
    version: driver.version,
    exists: (stream) => Effect.map(driver.version(stream), (version) => version > 0),
    head: driver.head,
    truncateBefore: driver.truncateBefore,
    delete: (stream, expected) => driver.delete(stream, expected ?? "Any")
  })
})

/**
 * The event store of a driver, with options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<EventStore, never, EventStoreDriver> =>
  Layer.effect(EventStore, make(options))

/**
 * The event store of a driver. Closing it writes what is queued, then refuses.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<EventStore, never, EventStoreDriver> = layerWith({})

/** Completes events with ids and times, from the services of the fiber that appends. */
const requests = () => {
  const nextId = EventId.make()
  return (
    context: Context.Context<never>,
    stream: StreamId,
    events: ReadonlyArray<NewEvent>,
    expected: ExpectedVersion | Expect
  ): Omit<AppendRequest, "documents"> => {
    if (events.length === 0) throw new Error(`an append to "${stream}" needs at least one event`)
    const now = Context.get(context, Clock.Clock).currentTimeMillisUnsafe()
    const random = Context.get(context, Random.Random)
    const complete = (event: NewEvent): EncodedEvent => {
      if (event.type === tombstoneType) throw new Error(`the event type "${tombstoneType}" is reserved`)
      return {
        id: event.id ?? nextId(now, random),
        type: event.type,
        schemaVersion: event.schemaVersion ?? 1,
        data: event.data,
        meta: stamped(event.meta, now)
      }
    }
    const encoded = events.map(complete)
    return { stream, expected: typeof expected === "function" ? expected(encoded) : expected, events: encoded }
  }
}

const stamped = (meta: Partial<EventMeta> | undefined, now: number): EventMeta =>
  hasTime(meta) ? meta : { ...meta, timestamp: now }

const hasTime = (meta: Partial<EventMeta> | undefined): meta is EventMeta => meta?.timestamp !== undefined

const readPages =
  (driver: EventStoreDriver["Service"], pageSize: number): EventStore["Service"]["read"] =>
  (stream, options = {}) =>
    Stream.paginate(
      options,
      Effect.fnUntraced(function* (options) {
        const left = options.max ?? Infinity
        if (left <= 0) return [[], Option.none()]
        const size = Math.min(left, pageSize)
        const page = yield* driver.read(stream, { ...options, max: size })
        const last = page.at(-1)
        if (last === undefined || page.length < size) return [page, Option.none()]
        const rest = options.direction === "backwards" ? { to: last.version - 1 } : { from: last.version + 1 }
        return [page, Option.some({ ...options, ...rest, max: left - size })]
      })
    )
