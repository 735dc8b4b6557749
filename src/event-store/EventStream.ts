/**
 * Typed streams of your own domain events, in the same log and envelope as everything else.
 *
 * **Example** (A category of streams)
 *
 * ```ts
 * class Placed extends Schema.TaggedClass<Placed>()("OrderPlaced", { total: Schema.Number }) {}
 * class Paid extends Schema.TaggedClass<Paid>()("OrderPaid", {}) {}
 * const Orders = EventStream.make("order", { events: Schema.Union([Placed, Paid]) })
 *
 * yield* Orders.append("7", [new Placed({ total: 12 })], { expected: "NoStream" })
 * ```
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { EventMeta, ExpectedVersion, Position, StreamId } from "./Envelope.ts"
import * as EventCodec from "./EventCodec.ts"
import { EventStore } from "./EventStore.ts"
import type { Appended, ReadOptions } from "./EventStoreDriver.ts"
import type { EventStoreError, VersionConflict } from "./EventStoreError.ts"

/**
 * All streams of one kind, such as all orders. Stream `7` of category `order` is named `order/7` in the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventStream<A extends { readonly _tag: string }> {
  readonly category: string
  readonly codec: EventCodec.EventCodec<A>
  readonly streamId: (id: string) => StreamId
  /** Appends all events or none. Order of calls to one stream is order of commits. */
  readonly append: (
    id: string,
    events: ReadonlyArray<A>,
    options: { readonly expected: ExpectedVersion; readonly meta?: Partial<EventMeta> }
  ) => Effect.Effect<Appended, VersionConflict | EventStoreError, EventStore>
  /** The events of one stream, upcast to their current shape. */
  readonly read: (
    id: string,
    options?: ReadOptions
  ) => Stream.Stream<EventCodec.TypedEvent<A>, EventStoreError, EventStore>
  /** The events of the whole category: catches up, then stays live. */
  readonly subscribe: (options?: {
    readonly after?: Position | "end"
  }) => Stream.Stream<EventCodec.TypedEvent<A>, EventStoreError, EventStore>
}

/**
 * Defines a category of typed streams.
 *
 * **Errors**
 *
 * Reading fails with `StoreCorrupt`, naming stream, version and path, at an event that does not decode.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <S extends EventCodec.EventSchema>(
  category: string,
  options: {
    readonly events: S
    readonly upcasters?: EventCodec.Upcasters<S["Type"]["_tag"]>
    readonly formerNames?: EventCodec.FormerNames<S["Type"]["_tag"]>
  }
): EventStream<S["Type"]> => {
  if (category === "" || category.includes("/")) throw new Error(`a category is a name without "/", got "${category}"`)
  const codec = EventCodec.make(options.events, options.upcasters, options.formerNames)
  const streamPrefix = `${category}/`
  const streamId = (id: string) => `${streamPrefix}${id}` as StreamId
  return {
    category,
    codec,
    streamId,
    append: (id, events, { expected, meta }) =>
      EventStore.use((store) =>
        store.append(
          streamId(id),
          events.map((event) => ({ ...codec.encode(event), ...(meta && { meta }) })),
          expected
        )
      ),
    read: (id, read) =>
      Stream.unwrap(
        EventStore.useSync((store) =>
          store
            .read(streamId(id), read)
            .pipe(Stream.mapArrayEffect((page) => Effect.map(EventCodec.decodeAll(codec, page), asNonEmpty)))
        )
      ),
    subscribe: (from) =>
      Stream.unwrap(
        EventStore.useSync((store) =>
          store
            .subscribe({ ...from, streamPrefix, types: codec.types })
            .pipe(Stream.mapArrayEffect((page) => Effect.map(EventCodec.decodeAll(codec, page), asNonEmpty)))
        )
      )
  }
}

/** A page of a stream is never empty, and decoding keeps its length. */
const asNonEmpty = <A>(events: Array<A>) => events as [A, ...Array<A>]
