/**
 * Read models: what a projection makes of events, and nothing of how it is kept up to date.
 *
 * A projection is a fold, one for each document. `ProjectionRunner` keeps the documents up to date from the log,
 * `InlineProjection` in the very commit of the events, and `ProjectionQuery` reads them.
 *
 * **Example** (One document for each order, and one for each customer)
 *
 * ```ts
 * const OrderView = Projection.perStream("orders", {
 *   stream: Orders,
 *   view: Schema.Struct({ total: Schema.Int, paid: Schema.Boolean }),
 *   evolve: (view = { total: 0, paid: false }, event) => …
 * })
 * const Customers = Projection.make("customers", { from: [Orders], key: (event) => event.customer, view, evolve })
 * ```
 */
import type * as Schema from "effect/Schema"
import type { EventMeta, StreamVersion } from "../event-store/Envelope.ts"
import type { EventCodec } from "../event-store/EventCodec.ts"

/**
 * Where an event stands. What is known of it before it is stored, too, so that inline projections see the same.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventPlace {
  /** Name of the stream in the log, such as `order/7`. */
  readonly stream: string
  /** The last part of that name, such as `7`. */
  readonly id: string
  readonly version: StreamVersion
  readonly meta: EventMeta
}

/**
 * The events of one category: every `EventStream` is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source<Event extends { readonly _tag: string }> {
  readonly category: string
  readonly codec: Pick<EventCodec<Event>, "types" | "decode">
}

/** The events of a source. */
export type EventOf<S> = S extends Source<infer Event> ? Event : never

/**
 * The definition of a read model.
 *
 * @category models
 * @since 0.1.0
 */
export interface Projection<View, Event extends { readonly _tag: string }> {
  readonly name: string
  /** Raise it when documents mean something else: they are then built anew, while the old ones serve. */
  readonly version: number
  readonly from: ReadonlyArray<Source<Event>>
  // `any`: the encoded form is never looked at, and its variance would reject every concrete schema.
  readonly view: Schema.ConstraintCodec<View, any, never, never>
  /** Ids of the documents that an event is about. */
  readonly keys: (event: Event, place: EventPlace) => ReadonlyArray<string>
  /** The document after the event; `undefined` if there is none (any more). Pure. */
  readonly evolve: (view: View | undefined, event: Event, place: EventPlace) => View | undefined
  /** Fields that queries are quick by. */
  readonly index: ReadonlyArray<keyof View & string>
  /** Whether each document is of one stream alone, and knows which of its events it has seen. */
  readonly isPerStream: boolean
}

/**
 * A projection with one document for each stream, whose id is that of the stream. It can be kept inline.
 *
 * @category models
 * @since 0.1.0
 */
export interface PerStream<View, Event extends { readonly _tag: string }> extends Projection<View, Event> {
  readonly isPerStream: true
}

/** How documents follow from events. */
interface Rules<View, Event extends { readonly _tag: string }> {
  /** Default 1. */
  readonly version?: number
  // `any`: as above.
  readonly view: Schema.ConstraintCodec<View, any, never, never>
  readonly evolve: (view: View | undefined, event: Event, place: EventPlace) => View | undefined
  /** Top-level fields that `find` is to be quick by. Default: none. */
  readonly index?: ReadonlyArray<keyof View & string>
}

/**
 * Defines a projection whose documents are found by a key of each event, or by several.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const From extends ReadonlyArray<Source<{ readonly _tag: string }>>, View>(
  name: string,
  options: Rules<View, EventOf<From[number]>> & {
    readonly from: From
    /** The documents that an event is about. None: it is of no interest. */
    readonly key: (event: EventOf<From[number]>, place: EventPlace) => string | ReadonlyArray<string>
  }
): Projection<View, EventOf<From[number]>> => {
  const { evolve, from, index = [], key, version = 1, view } = options
  return {
    name: checked(name),
    version,
    from: from as ReadonlyArray<Source<any>>,
    view,
    evolve,
    keys: (event, place) => {
      const found = key(event, place)
      return typeof found === "string" ? [found] : found
    },
    index,
    isPerStream: false
  }
}

/**
 * Defines a projection with one document for each stream of a category.
 *
 * @category constructors
 * @since 0.1.0
 */
export const perStream = <Event extends { readonly _tag: string }, View>(
  name: string,
  options: Rules<View, Event> & { readonly stream: Source<Event> }
): PerStream<View, Event> => {
  const { evolve, index = [], stream, version = 1, view } = options
  return {
    name: checked(name),
    version,
    from: [stream],
    view,
    evolve,
    keys: (_, { id }) => [id],
    index,
    isPerStream: true
  }
}

const checked = (name: string): string => {
  if (name === "" || /[@/]/.test(name)) throw new Error(`a projection has a name without "@" and "/", got "${name}"`)
  return name
}

/**
 * Which events of the log a projection is made of.
 *
 * @category getters
 * @since 0.1.0
 */
export const filterOf = <View, Event extends { readonly _tag: string }>({
  from
}: Projection<View, Event>): { readonly types: ReadonlyArray<string>; readonly streamPrefix?: string } => ({
  types: [...new Set(from.flatMap(({ codec }) => codec.types))],
  ...(from.length === 1 && { streamPrefix: `${from[0]!.category}/` })
})
