/**
 * Work for whoever has time: typed items, handed to one worker at a time until they have an outcome.
 *
 * `WorkQueue` is what programs use. It encodes items, waits where there is no room, runs pools of workers and decides on
 * retries; a `WorkQueueDriver` keeps the items. So every backend shares one implementation of everything above storage.
 *
 * Delivery is at-least-once: a worker that dies after its handler finished and before that was recorded leads to another
 * attempt, so handlers must be idempotent.
 *
 * The invariants W1 to W16 of drivers are stated and checked by `testing/conformance/WorkQueueConformance.ts`. Those of the
 * facade (checked by `test/queues/WorkQueue.test.ts`):
 *
 *   W20. A producer that waits for room is served in its turn, and nothing is added beyond `capacity`.
 *   W21. An attempt is counted before its handler starts, and only then.
 *   W22. A failure is retried by the schedule, also over several processes; then the item is a dead letter, with its cause.
 *   W23. Whoever awaits an item learns its typed outcome, or that it is a dead letter: nothing ends silently.
 *   W24. A claim is kept for as long as its handler runs; a handler whose claim was lost is interrupted, and records nothing.
 *   W25. A pool that is closed takes nothing more, finishes what is in hand within its grace period, and hands back the
 *        rest at once, without a failure.
 *
 * Effect's `PersistedQueue` has no priority, bound, limit per key or outcome, and counts an attempt when it claims.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as EventId from "../event-store/EventId.ts"
import * as GroupCommit from "./GroupCommit.ts"
import * as Waiters from "./Waiters.ts"
import * as WorkerPool from "./WorkerPool.ts"
import type { DataSchema } from "./WorkItemCodec.ts"
import * as WorkItemCodec from "./WorkItemCodec.ts"
import {
  type DeadItem,
  type ItemState,
  type NewItem,
  type OfferOutcome,
  type Outcome,
  type QueueSettings,
  type SettledClaim,
  type Stats,
  WorkQueueDriver
} from "./WorkQueueDriver.ts"
import { DeadLettered, type DeathReason, QueueFull, WorkItemUnknown, WorkQueueError } from "./WorkQueueError.ts"

/**
 * Names an item of a queue.
 *
 * @category models
 * @since 0.1.0
 */
export const ItemId = Schema.NonEmptyString.pipe(Schema.brand("tutti/WorkQueue/ItemId"))
export type ItemId = typeof ItemId.Type

/**
 * What travels through a queue, how much of it, and how it is tried again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<I extends DataSchema, O extends DataSchema, E extends DataSchema> {
  readonly item: I
  /** What a handler answers. Default: nothing. */
  readonly output?: O
  /** How a handler may fail. Default: it does not. */
  readonly error?: E
  /** At most so many unfinished items. Default 10,000. */
  readonly capacity?: number
  /** At most so many items of one key at a time, in the order of their offers. Default 1. */
  readonly keyConcurrency?: number
  /** So many items may begin at once; the allowance grows back evenly over `window`. All processes share it. */
  readonly rateLimit?: { readonly limit: number; readonly window: Duration.Input }
  /** How long a worker that is not heard of keeps its items. Default 30 seconds. */
  readonly visibilityTimeout?: Duration.Input
  /**
   * When an item that failed is tried again; its input is the number of failures so far. When it ends, the item becomes a
   * dead letter. Default: 9 times, from one second on, doubling, at most 5 minutes apart.
   */
  readonly retry?: Schedule.Schedule<unknown, number>
  /** Which failures are tried again. Any other is the outcome of the item. Default: all. */
  readonly retryWhile?: (error: E["Type"]) => boolean
  /** For how long an offer with a known idempotency key adds nothing. Default one day. */
  readonly idempotencyWindow?: Duration.Input
  /** For how long an outcome can be asked for. Default 5 minutes. */
  readonly retention?: Duration.Input
  /** How soon what another process did is noticed, if the backend does not tell. Default one second. */
  readonly pollInterval?: Duration.Input
}

/**
 * How an item is queued.
 *
 * @category models
 * @since 0.1.0
 */
export interface OfferOptions {
  /** Items of one key begin in the order in which they became due, at most `keyConcurrency` at a time. */
  readonly key?: string
  /** The higher goes first, but never before an older item of its key. Default 0. */
  readonly priority?: number
  /** Not before so long a time has passed. */
  readonly delay?: Duration.Input
  /** Not before this instant. */
  readonly availableAt?: DateTime.Utc
  /** An item that was offered with the same key within the window is meant. `""`, the key of steps outside a run, is none. */
  readonly idempotencyKey?: string
  /** `"wait"` (default) for room, or `"fail"` with `QueueFull`. */
  readonly onFull?: "wait" | "fail"
}

/**
 * An item that was given up.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetter<Item, Error> {
  readonly id: ItemId
  /** Nothing, if it does not match the schema of the queue. */
  readonly item: Option.Option<Item>
  readonly key: string | undefined
  readonly attempts: number
  readonly offeredAt: DateTime.Utc
  readonly diedAt: DateTime.Utc
  readonly reason: DeathReason
  /** The last typed failure, if there was one. */
  readonly error: Option.Option<Error>
  readonly detail: string
}

/**
 * A queue of one kind of work.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkQueue<in out Item, in out Output, in out Error> {
  readonly name: string
  /** Adds an item. Succeeds once it is durable. */
  readonly offer: (item: Item, options?: OfferOptions) => Effect.Effect<ItemId, QueueFull | WorkQueueError>
  /**
   * Waits for the outcome of an item, from any process. `Error`: a failure that `retryWhile` does not retry.
   * `WorkItemUnknown`: no such item, or its outcome is forgotten.
   */
  readonly awaitResult: (id: ItemId) => Effect.Effect<Output, Error | DeadLettered | WorkItemUnknown | WorkQueueError>
  /**
   * Runs a pool of workers in the background until the scope closes: then it takes nothing more, finishes what is in hand
   * within its grace period, and hands back the rest. Survives failures of the store.
   */
  readonly run: <R>(
    handler: WorkerPool.Handler<Item, Output, Error, R>,
    options?: WorkerPool.Options
  ) => Effect.Effect<void, never, R | Scope.Scope>
  /** Items that were given up, oldest death first. At most 100, if not told otherwise. */
  readonly deadLetters: (page?: {
    readonly offset?: number
    readonly limit?: number
  }) => Effect.Effect<ReadonlyArray<DeadLetter<Item, Error>>, WorkQueueError>
  /** Tries dead letters anew, for as long as there is room. Answers which. */
  readonly redrive: (ids: ReadonlyArray<ItemId>) => Effect.Effect<ReadonlyArray<ItemId>, WorkQueueError>
  /** Takes dead letters off the list; their outcome stays what it is. Answers which. */
  readonly discard: (ids: ReadonlyArray<ItemId>) => Effect.Effect<ReadonlyArray<ItemId>, WorkQueueError>
  readonly stats: Effect.Effect<Stats, WorkQueueError>
}

const defaultRetry = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("5 minutes")]).pipe(
  Schedule.upTo({ times: 9 })
)

/** Requests per round trip: enough to hide its cost, and no script or statement runs for long. */
const maxBatch = 256

/**
 * Opens a queue of the driver in the context, for as long as the scope lives. Queues of one name are one queue.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <
  I extends DataSchema,
  O extends DataSchema = typeof Schema.Void,
  E extends DataSchema = typeof Schema.Never
>(
  name: string,
  options: Options<I, O, E>
): Effect.fn.Return<WorkQueue<I["Type"], O["Type"], E["Type"]>, WorkQueueError, WorkQueueDriver | Scope.Scope> {
  const driver = yield* WorkQueueDriver
  const settings = settingsOf(name, options)
  const waiters = new Waiters.Waiters(Duration.fromInputUnsafe(options.pollInterval ?? "1 second"))
  const codec = WorkItemCodec.make<I["Type"], O["Type"], E["Type"]>({
    item: options.item,
    output: options.output ?? Schema.Void,
    error: options.error ?? Schema.Never
  })
  const batched = <A, B>(send: GroupCommit.Options<A, B>["send"]) => GroupCommit.make({ send, maxBatch })
  const atNow = <A, E>(f: (now: number) => Effect.Effect<A, E>) => Effect.flatMap(Clock.currentTimeMillis, f)

  const offers = yield* batched((items: ReadonlyArray<NewItem>) => atNow((now) => driver.offer(settings, items, now)))
  const settles = yield* batched((settled: ReadonlyArray<SettledClaim>) =>
    atNow((now) => driver.settle(settings, settled, now))
  )
  const finds = yield* batched((ids: ReadonlyArray<string>) => atNow((now) => driver.find(settings, ids, now)))
  yield* driver.onChange(settings, waiters.hear)

  const offerInTurn = offerer(settings, waiters, offers)
  const newItem = items(options)
  return {
    name,
    offer: (item, how = {}) =>
      Effect.flatMap(codec.encodeItem(item), (body) =>
        Effect.flatMap(newItem(body, how), (item) => offerInTurn(item, how.onFull ?? "wait"))
      ),
    awaitResult: (id) =>
      waiters
        .awaitOutcome(id, settledState(finds(id), new WorkItemUnknown({ queue: name, id })))
        .pipe(Effect.flatMap(({ attempts, outcome }) => resultOf(codec, outcome, { queue: name, id, attempts }))),
    run: (handler, pool = {}) =>
      WorkerPool.run(handler, {
        driver,
        settings,
        waiters,
        codec,
        settle: settles,
        pool,
        visibility: Duration.fromInputUnsafe(options.visibilityTimeout ?? "30 seconds"),
        retry: options.retry ?? defaultRetry,
        retryWhile: options.retryWhile ?? (() => true)
      }),
    deadLetters: ({ limit = 100, offset = 0 } = {}) =>
      Effect.map(driver.deadItems(settings, { limit, offset }), (dead) => dead.map((each) => letterOf(each, codec))),
    redrive: (ids) =>
      atNow((now) => driver.redrive(settings, ids, now)) as Effect.Effect<Array<ItemId>, WorkQueueError>,
    discard: (ids) =>
      atNow((now) => driver.discard(settings, ids, now)) as Effect.Effect<Array<ItemId>, WorkQueueError>,
    stats: atNow((now) => driver.stats(settings, now))
  }
})

/** A thousand years, in milliseconds. */
const longestRetention = 1000 * 365 * 86_400_000

const settingsOf = <I extends DataSchema, O extends DataSchema, E extends DataSchema>(
  name: string,
  { capacity = 10_000, keyConcurrency = 1, rateLimit, retention = "5 minutes" }: Options<I, O, E>
): QueueSettings => {
  if (!(capacity >= 1)) throw new Error(`the capacity of queue "${name}" must be at least 1, got ${capacity}`)
  if (!(keyConcurrency >= 1))
    throw new Error(`keyConcurrency of queue "${name}" must be at least 1, got ${keyConcurrency}`)
  const settings = {
    name,
    capacity: whole(capacity),
    keyConcurrency: whole(keyConcurrency),
    retention: Math.min(Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(retention))), longestRetention)
  }
  if (rateLimit === undefined) return settings
  const { limit } = rateLimit
  const window = Duration.toMillis(Duration.fromInputUnsafe(rateLimit.window))
  if (!(limit >= 1 && window > 0)) throw new Error(`the rate limit of queue "${name}" must allow for at least 1`)
  return { ...settings, rate: { limit, window } }
}

/** `Infinity` is no bound, and yet a number that stores can hold. */
const whole = (count: number): number => Math.min(Math.floor(count), Number.MAX_SAFE_INTEGER)

/** Gives items their ids and instants, from the services of the fiber that offers. */
const items = ({ idempotencyWindow = "1 day" }: { readonly idempotencyWindow?: Duration.Input }) => {
  const nextId = EventId.make()
  const window = Duration.toMillis(Duration.fromInputUnsafe(idempotencyWindow))
  return Effect.fnUntraced(function* (
    body: Schema.Json,
    { availableAt, delay = 0, idempotencyKey, key, priority = 0 }: OfferOptions
  ): Effect.fn.Return<NewItem> {
    const now = yield* Clock.currentTimeMillis
    const random = yield* Random.Random
    return {
      id: nextId(now, random),
      body,
      priority,
      availableAt: instant(
        availableAt === undefined
          ? now + Duration.toMillis(Duration.fromInputUnsafe(delay))
          : DateTime.toEpochMillis(availableAt)
      ),
      ...(key !== undefined && { key }),
      ...(idempotencyKey !== undefined &&
        idempotencyKey !== "" && { idempotency: { key: idempotencyKey, until: instant(now + window) } })
    }
  })
}

/** Whole, and not beyond what stores can hold: an endless delay is a very long one. */
const instant = (millis: number): number => Math.min(Math.ceil(millis), Number.MAX_SAFE_INTEGER)

/** Offers again, in turn (W20), until there is room. */
const offerer = (
  { capacity, name }: QueueSettings,
  waiters: Waiters.Waiters,
  offer: (item: NewItem) => Effect.Effect<OfferOutcome, WorkQueueError>
) =>
  Effect.fnUntraced(function* (item: NewItem, onFull: "wait" | "fail") {
    let place: number | undefined
    if (onFull === "wait" && waiters.hasProducers) {
      place = waiters.nextPlace()
      yield* waiters.awaitRoom(place, undefined)
    }
    while (true) {
      const seen = waiters.roomSeen
      const outcome = yield* offer(item)
      if (outcome._tag !== "Full") return ItemId.make(outcome.id)
      if (onFull === "fail") return yield* new QueueFull({ queue: name, capacity })
      place ??= waiters.nextPlace()
      yield* waiters.awaitRoom(place, seen)
    }
  })

/** The state of an item that has an outcome, or nothing as long as it has none. */
const settledState = (find: Effect.Effect<ItemState | undefined, WorkQueueError>, unknown: WorkItemUnknown) =>
  Effect.flatMap(find, (state) => {
    if (state === undefined) return Effect.fail(unknown)
    return Effect.succeed(state._tag === "Settled" ? state : undefined)
  })

const resultOf = <Item, Output, Error>(
  codec: WorkItemCodec.WorkItemCodec<Item, Output, Error>,
  outcome: Outcome,
  item: Pick<DeadLettered, "queue" | "id" | "attempts">
): Effect.Effect<Output, Error | DeadLettered | WorkQueueError> => {
  if (outcome._tag !== "Died") return codec.outcomeOf(outcome)
  const { detail, reason } = outcome
  return Effect.fail(new DeadLettered({ ...item, reason, detail }))
}

const letterOf = <Item, Output, Error>(
  { body, death, diedAt, id, offeredAt, ...rest }: DeadItem,
  codec: WorkItemCodec.WorkItemCodec<Item, Output, Error>
): DeadLetter<Item, Error> => ({
  ...rest,
  id: ItemId.make(id),
  item: Exit.getSuccess(codec.decodeItem(body)),
  offeredAt: DateTime.makeUnsafe(offeredAt),
  diedAt: DateTime.makeUnsafe(diedAt),
  reason: death.reason,
  error: codec.decodeError(death),
  detail: death.detail
})
