/**
 * Live events for whoever in this process wants to hear them.
 *
 * The bus is fed by the log, after the log has acknowledged: what is heard has
 * been remembered. It carries events in batches over one bounded `PubSub`, and
 * a listener that falls behind never slows a run down.
 *
 * **When to use**
 *
 * For what may start anew with the process: live views, metrics, hooks. A
 * reaction that must not miss an event across restarts is a `Subscriber`.
 *
 * Invariants (checked by `test/events/EventBus.test.ts`):
 *
 *   B1. An event is heard only after it is durable, and in the order of the log.
 *   B2. A run never waits for a listener, nor hears of a listener's failure.
 *   B3. Memory is bounded: the bus keeps `capacity` events for all listeners together.
 *   B4. A listener that fell behind loses nothing (`"catch-up"`) or loses the oldest and counts them (`"drop-oldest"`).
 *   B5. A handler that fails is logged, counted and tried again by its schedule; then it skips the batch, counted, and goes on.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as RcRef from "effect/RcRef"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { StoredEvent } from "../event-store/Envelope.ts"
import * as EventCodec from "../event-store/EventCodec.ts"
import { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import * as Listener from "./Listener.ts"
import { patience } from "./Patience.ts"

/**
 * A running subscription.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscription {
  readonly name: string
  readonly stats: Effect.Effect<Listener.Stats>
  /** Ends it before its scope closes. */
  readonly unsubscribe: Effect.Effect<void>
}

/**
 * The bus as seen by those who hear events of type `A`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listening<A> {
  /** Runs the handler in the background for as long as the scope lives. */
  readonly subscribe: <E, R>(
    options: Listener.Options<A, E, R>
  ) => Effect.Effect<Subscription, EventStoreError, Scope.Scope | R>
  /** Waits for the first event that passes. */
  readonly once: (filter?: Listener.Filter) => Effect.Effect<A, EventStoreError>
}

/**
 * Live events of this process and, through the log, of all that share it.
 *
 * @category services
 * @since 0.1.0
 */
export class EventBus extends Context.Service<
  EventBus,
  Listening<StoredEvent> & {
    /** The bus, restricted to and decoded with one schema of tagged events. Make it once, not per listener. */
    readonly typed: <S extends EventCodec.EventSchema>(
      schema: S,
      upcasters?: EventCodec.Upcasters<S["Type"]["_tag"]>
    ) => Listening<EventCodec.TypedEvent<S["Type"]>>
    readonly listenerCount: Effect.Effect<number>
    /** Ends all subscriptions. */
    readonly removeAll: Effect.Effect<void>
  }
>()("tutti/events/EventBus") {}

/**
 * How much the bus keeps.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Events kept for listeners that lag, for all of them together. Default 16,384. */
  readonly capacity?: number
}

/** The events of the log, numbered, for all listeners of the process. */
interface Hub {
  readonly store: EventStore["Service"]
  readonly events: PubSub.PubSub<Listener.Heard>
  /** How many events were published so far. */
  readonly published: () => number
  /** Reads the log while at least one scope holds it. */
  readonly pump: RcRef.RcRef<unknown, EventStoreError>
}

const makeHub = Effect.fnUntraced(function* (
  store: EventStore["Service"],
  capacity: number
): Effect.fn.Return<Hub, never, Scope.Scope> {
  const events = yield* PubSub.sliding<Listener.Heard>(capacity)
  let published = 0
  const publish = (page: ReadonlyArray<StoredEvent>) =>
    Effect.suspend(() =>
      PubSub.publishAll(
        events,
        page.map((event) => ({ number: published++, event }))
      )
    )

  const pump = yield* RcRef.make({
    acquire: Effect.gen(function* () {
      let after = yield* store.head
      const follow = Effect.suspend(() =>
        Stream.runForEachArray(store.subscribe({ after }), (page) => {
          after = page.at(-1)!.position
          return publish(page)
        })
      )
      yield* follow.pipe(
        Effect.tapError((error) => Effect.logError("The event bus cannot read the log", error)),
        Effect.retry(patience),
        Effect.forkScoped
      )
    })
  })
  return { store, events, published: () => published, pump }
})

/** Starts a listener that ends with `scope`. */
const start = Effect.fnUntraced(function* <A, E, R>(
  { events, published, pump, store }: Hub,
  decode: Decode<A>,
  options: Listener.Options<A, E, R>
): Effect.fn.Return<Effect.Effect<Listener.Stats>, EventStoreError, Scope.Scope | R> {
  const stats = Listener.makeStats()
  const subscription = yield* PubSub.subscribe(events)
  const firstNumber = published()
  yield* RcRef.get(pump)
  const position = options.after ?? (yield* store.head)
  yield* Effect.forkScoped(Listener.run(options, { store, subscription, decode, stats, start: position, firstNumber }))
  return Effect.sync(() => ({ ...stats }))
})

type Decode<A> = (event: StoredEvent) => Result.Result<A, EventStoreError>

/**
 * Makes a bus over the log in the context. It reads nothing while nobody subscribes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<EventBus["Service"], never, EventStore | Scope.Scope> {
  const busScope = yield* Effect.scope
  const hub = yield* makeHub(yield* EventStore, options.capacity ?? 16_384)
  const subscriptions = new Set<Subscription>()

  const subscribe = Effect.fnUntraced(function* <A, E, R>(
    decode: Decode<A>,
    options: Listener.Options<A, E, R>
  ): Effect.fn.Return<Subscription, EventStoreError, Scope.Scope | R> {
    const scope = yield* Scope.fork(busScope)
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const stats = yield* start(hub, decode, options).pipe(Effect.provideService(Scope.Scope, scope))
    const subscription = { name: options.name, stats, unsubscribe: Scope.close(scope, Exit.void) }
    subscriptions.add(subscription)
    yield* Scope.addFinalizer(
      scope,
      Effect.sync(() => subscriptions.delete(subscription))
    )
    return subscription
  })

  const listening = <A>(decode: Decode<A>, types?: ReadonlyArray<string>): Listening<A> => ({
    subscribe: (options) => subscribe(decode, restrict(options, types)),
    once: (filter = {}) =>
      Effect.scoped(
        Effect.gen(function* () {
          const first = yield* Deferred.make<A>()
          const handler = (event: A) => Deferred.succeed(first, event)
          yield* subscribe(decode, { ...restrict(filter, types), name: "once", handler })
          return yield* Deferred.await(first)
        })
      )
  })

  return EventBus.of({
    ...listening(Result.succeed),
    typed: (schema, upcasters) => {
      const codec = EventCodec.make(schema, upcasters)
      return listening((stored) => Result.map(codec.decode(stored), (event) => ({ event, stored })), codec.types)
    },
    listenerCount: Effect.sync(() => subscriptions.size),
    removeAll: Effect.suspend(() =>
      Effect.forEach([...subscriptions], ({ unsubscribe }) => unsubscribe, { discard: true })
    )
  })
})

/** Of the types that are asked for, those there are. */
const restrict = <F extends Listener.Filter>(filter: F, types: ReadonlyArray<string> | undefined): F =>
  types === undefined ? filter : { ...filter, types: filter.types?.filter((type) => types.includes(type)) ?? types }

/**
 * The event bus of a log.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<EventBus, never, EventStore> = Layer.effect(EventBus, make())

/**
 * The event bus of a log, with options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<EventBus, never, EventStore> =>
  Layer.effect(EventBus, make(options))
