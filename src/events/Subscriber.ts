/**
 * Durable subscribers: named readers of the log, with a stored checkpoint, shared by as many processes as there are.
 *
 * **When to use**
 *
 * For what must not miss an event: mails, integrations, read models. For live views that may start anew with the
 * process, listen to the `EventBus`.
 *
 * **Example** (A mail for each order)
 *
 * ```ts
 * const Mailer = Subscriber.make("mailer", {
 *   events: Orders,
 *   handler: ({ event, stored }) => sendMail(event, { idempotencyKey: stored.id }),
 *   retry: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 5 })),
 *   onPoison: "park-stream"
 * })
 * const layer = Subscriber.layer(Mailer).pipe(Layer.provideMerge(Embedded.layer({ filename: "app.db" })))
 * ```
 *
 * Invariants (checked by `testing/conformance/SubscriberConformance.ts`):
 *
 *   S1.  Every event after the start is handled, or becomes a dead letter; none is skipped, around any crash.
 *   S2.  Events of one stream are handled in their order, one after the other.
 *   S3.  An event whose handling was stored is never handled again: checkpoints know ids beyond their position.
 *   S4.  A partition has one owner: who was replaced cannot store a checkpoint, nor what belongs to it.
 *   S5.  What a handler `write`s has its effect exactly once, with the checkpoint or not at all.
 *   S6.  A failing event is tried by its schedule, then it is a dead letter, with its cause. It holds up no other stream.
 *   S7.  A redrive keeps the order of a stream; a parked stream goes on when its dead letters are settled, not before.
 *   S8.  The partitions of a member that is gone are taken over; one that cannot renew its lease begins nothing new.
 *   S9.  A partition changes hands without a gap and without two handlers at once, if both members live.
 *   S10. Closing finishes what is in hand, stores the checkpoint and gives the partitions back.
 *   S11. Memory is bounded: at most `buffer` events wait or are in hand, beside a page of the log; it is read no faster.
 *   S12. A paused subscriber begins nothing, and goes on where it stopped.
 *
 * **Gotchas**
 *
 * - At-least-once: after a crash, events that were handled and not stored are handled again. Use the event's id as
 *   idempotency key, or `write`.
 * - Members compare the time with each other's leases: keep their clocks closer than a lease. A handler that is still in
 *   hand when its member has lost the lease is not stopped (S4 refuses its checkpoint).
 * - The number of partitions is fixed by the first member, and bounds how many members can share the work.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Position, StoredEvent } from "../event-store/Envelope.ts"
import type { EventCodec, TypedEvent } from "../event-store/EventCodec.ts"
import { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import * as Lease from "../persistence/Lease.ts"
import { Persistence, type PersistenceError } from "../persistence/Persistence.ts"
import * as ConsumerGroup from "./ConsumerGroup.ts"
import * as Handler from "./Handler.ts"
import { Member, type Settings } from "./Member.ts"
import type { Wanted } from "./Reader.ts"
import type { Lane } from "./Share.ts"

export { type Delivery, type Failure, HandlerDied, PutsRefused } from "./Handler.ts"
export { DeadLetter } from "./DeadLetter.ts"
export { deadLetterCount, deadLetters, discard, type Lag, lag, pause, redrive, resume } from "./SubscriberAdmin.ts"

/**
 * What a subscriber hears and does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, E, R> {
  /** What happens to events. In order per stream, streams side by side. */
  readonly handler: Handler.Handler<A, E, R>
  /** Where it begins when it is started for the first time: after this position. Default `"start"`. */
  readonly start?: Position | "start" | "end"
  /** Keep only these event types. */
  readonly types?: ReadonlyArray<string>
  /** Keep only streams whose name starts so. */
  readonly streamPrefix?: string
  /** Keep only events that pass. Must not throw, and must not change its mind. */
  readonly filter?: (event: StoredEvent) => boolean
  /**
   * When an event that failed is tried again. It is asked with the typed error; with `HandlerDied` for a defect, with
   * `PutsRefused` for documents that were not taken (see `Failure`). Default: 5 times, from 200 milliseconds on, doubling.
   */
  readonly retry?: Schedule.Schedule<unknown, Handler.Failure<NoInfer<E>>>
  /**
   * What becomes of the stream of a dead letter. `"skip"` (default): later events are handled. `"park-stream"`: they
   * queue behind it, until it is redriven or discarded.
   */
  readonly onPoison?: "skip" | "park-stream"
  /** Handlers that run at once in this process. Default 16. */
  readonly concurrency?: number
  /** Events that `handleAll` and `writeAll` are given at once, at most. Default 256. */
  readonly batchSize?: number
  /** Events held in memory: read, and not behind the checkpoint yet. Default 1024. */
  readonly buffer?: number
  /** Parts into which streams are dealt: as many members can share the work. Fixed by the first start. Default 16. */
  readonly partitions?: number
  /** Other members wait so long for a silent one. The heartbeat is a third of it. Default 15 seconds. */
  readonly lease?: Duration.Input
  /** How long closing waits for what is in hand. Default 10 seconds. */
  readonly grace?: Duration.Input
}

/**
 * A subscriber: a name and what is done under it. Nothing happens before `start`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subscriber<in out A, in out E, in out R> {
  readonly name: string
  readonly options: Options<A, E, R>
  /** @internal */
  readonly wanted: Wanted
  /** @internal */
  readonly decode: (event: StoredEvent) => Result.Result<A, EventStoreError>
}

/**
 * Typed events to subscribe to: an `EventStream`, or a codec of its own for events of many streams.
 *
 * @category models
 * @since 0.1.0
 */
export interface Events<A extends { readonly _tag: string }> {
  readonly codec: EventCodec<A>
  readonly category?: string
}

/**
 * Defines a subscriber, to events of a typed stream or to events as they are stored.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: {
  <A extends { readonly _tag: string }, E = never, R = never>(
    name: string,
    options: Options<TypedEvent<A>, E, R> & { readonly events: Events<A> }
  ): Subscriber<TypedEvent<A>, E, R>
  <E = never, R = never>(name: string, options: Options<StoredEvent, E, R>): Subscriber<StoredEvent, E, R>
} = <E, R>(
  name: string,
  { events, ...options }: Options<any, E, R> & { readonly events?: Events<any> }
): Subscriber<any, E, R> => {
  if (name === "") throw new Error("a subscriber needs a name")
  const { partitions = 16 } = options
  if (!Number.isSafeInteger(partitions) || partitions < 1 || partitions > 10_000) {
    throw new Error(`subscriber "${name}" needs between 1 and 10,000 partitions, got ${partitions}`)
  }
  const decode = events === undefined ? Result.succeed : decodeWith(events.codec)
  return { name, options, wanted: wantedOf(options, events), decode }
}

const wantedOf = (options: Wanted, events: Events<any> | undefined): Wanted => {
  const { filter } = options
  const types = typesOf(options.types, events?.codec.types)
  const category = events?.category
  const streamPrefix = options.streamPrefix ?? (category === undefined ? undefined : `${category}/`)
  return {
    ...(types !== undefined && { types }),
    ...(streamPrefix !== undefined && { streamPrefix }),
    ...(filter !== undefined && { filter })
  }
}

const decodeWith =
  <A extends { readonly _tag: string }>(codec: EventCodec<A>) =>
  (stored: StoredEvent): Result.Result<TypedEvent<A>, EventStoreError> =>
    Result.map(codec.decode(stored), (event) => ({ event, stored }))

/** Of the types that are asked for, those there are. */
const typesOf = (asked: ReadonlyArray<string> | undefined, known: ReadonlyArray<string> | undefined) =>
  known === undefined ? asked : (asked?.filter((type) => known.includes(type)) ?? known)

/**
 * A member of a subscriber, at work in this process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Membership {
  /** Name of the member, unlike that of any other. */
  readonly id: string
  /** Partitions that it owns. */
  readonly partitions: Effect.Effect<ReadonlyArray<number>>
  /** `waiting`: for the stores, without which it cannot renew its lease. */
  readonly status: Effect.Effect<"working" | "paused" | "waiting">
  readonly stats: Effect.Effect<Stats>
  /** Looks at once for what is otherwise seen at the next heartbeat: other members, a pause, a redrive. */
  readonly nudge: Effect.Effect<void>
}

/**
 * What became of the events that this member had in hand.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  readonly handled: number
  /** Tries that failed. */
  readonly failures: number
  readonly deadLettered: number
}

const defaultRetry = Schedule.exponential("200 millis").pipe(Schedule.upTo({ times: 5 }))

const settingsOf = <A, E, R>({ decode, name, options, wanted }: Subscriber<A, E, R>): Settings => ({
  subscriber: name,
  wanted,
  work: Handler.toWork(options.handler, { decode, batchSize: options.batchSize ?? 256 }),
  retry: options.retry ?? defaultRetry,
  parks: options.onPoison === "park-stream",
  concurrency: options.concurrency ?? 16,
  buffer: options.buffer ?? 1024,
  lease: Duration.fromInputUnsafe(options.lease ?? "15 seconds"),
  grace: Duration.fromInputUnsafe(options.grace ?? "10 seconds")
})

/**
 * Makes this process a member of the subscriber, until the scope closes.
 *
 * **Errors** The stores, if they cannot be reached to join. Later on it asks them again and again, and says so in the log.
 *
 * @category running
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function* <A, E, R>(
  subscriber: Subscriber<A, E, R>
): Effect.fn.Return<Membership, PersistenceError | EventStoreError, EventStore | Persistence | Scope.Scope | R> {
  const store = yield* EventStore
  const persistence = yield* Persistence
  const liveness = yield* Lease.CurrentLiveness
  const { name, options } = subscriber
  const settings = settingsOf(subscriber)
  const agreement = yield* ConsumerGroup.join({ persistence, store }, name, {
    partitions: options.partitions ?? 16,
    start: options.start ?? "start"
  })
  const leaseMillis = Duration.toMillis(settings.lease)
  const { id, until } = yield* ConsumerGroup.enrol(persistence, name, { ...liveness, leaseMillis })
  yield* (
    persistence.index?.(ConsumerGroup.collections(name).deadLetters, ["status", "stream", "partition"]) ?? Effect.void
  )
  const scope = yield* Scope.make()
  const ready = yield* Queue.unbounded<Lane>()
  const clock = yield* Effect.clockWith(Effect.succeed)
  const member = new Member(settings, { store, persistence, liveness, agreement, id, until }, { ready, scope, clock })
  // What the handler needs is in this fiber's context, and so in those of the workers it forks.
  yield* Effect.acquireRelease(member.start(scope), (stop) => Effect.andThen(stop, Scope.close(scope, Exit.void)))
  return {
    id,
    partitions: Effect.sync(() => [...member.shares.keys()]),
    status: Effect.sync(() => member.status),
    stats: Effect.sync(() => ({ ...member.counters })),
    nudge: Effect.sync(() => member.nudge())
  }
})

/**
 * Runs the subscriber for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <A, E, R>(
  subscriber: Subscriber<A, E, R>
): Layer.Layer<never, PersistenceError | EventStoreError, EventStore | Persistence | Exclude<R, Scope.Scope>> =>
  Layer.effectDiscard(start(subscriber))
