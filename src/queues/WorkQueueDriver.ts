/**
 * The narrow contract a backend implements: it sees encoded items only.
 *
 * Schemas, ids, retries, waiting and the pool of workers are written once, in `WorkQueue`. A driver keeps items and hands
 * them out, and keeps the invariants that `testing/conformance/WorkQueueConformance.ts` numbers W1 to W16.
 *
 * The life of an item:
 *
 * ```
 * Delayed ──due──▶ Line ──slot free──▶ Ready ──claim──▶ Claimed ──settle──▶ Done
 *                                        ▲                 │                Dead ──redrive──▶ Line
 *                                        └─ retry, hand back, claim lapsed
 * ```
 *
 * An item without a key goes straight through its line. Of the items of one key at most `keyConcurrency` are beyond the
 * line; each keeps its slot until it is done or dead, so that a retry keeps its place.
 *
 * All instants are milliseconds since the Unix epoch and come from the caller's clock. The clocks of processes that share a
 * queue must agree to within a fraction of the visibility timeout.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Bucket } from "./RateLimit.ts"
import type { DeathReason, WorkQueueError } from "./WorkQueueError.ts"

/**
 * What a driver must know of a queue. Not stored: each call carries it.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueSettings {
  readonly name: string
  /** At most so many items that are neither done nor dead. */
  readonly capacity: number
  /** At most so many items of one key beyond the line. */
  readonly keyConcurrency: number
  /** For how long an outcome is kept, in milliseconds. */
  readonly retention: number
  readonly rate?: Bucket
}

/**
 * An item on its way into the queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewItem {
  readonly id: string
  readonly body: Schema.Json
  readonly key?: string
  /** The higher goes first. */
  readonly priority: number
  readonly availableAt: number
  /** Until the instant, an item offered with the same text is this one. */
  readonly idempotency?: { readonly key: string; readonly until: number }
}

/**
 * The answer to one offer: a full queue is an answer, not a failure. `Duplicate` names the item that is there already.
 *
 * @category models
 * @since 0.1.0
 */
export type OfferOutcome =
  | { readonly _tag: "Offered"; readonly id: string }
  | { readonly _tag: "Duplicate"; readonly id: string }
  | { readonly _tag: "Full" }

/**
 * Proof of a claim: what a worker shows to start, extend or settle an item.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claim {
  readonly id: string
  /** Differs for each claim of an item. */
  readonly token: number
}

/**
 * An item in the hands of a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery extends Claim {
  readonly body: Schema.Json
  readonly key: string | undefined
  readonly priority: number
  readonly offeredAt: number
  /** Handlers started so far. */
  readonly attempts: number
  /** Attempts that failed, or whose worker was lost, since the item was offered or redriven. */
  readonly failures: number
}

/**
 * What became of an attempt.
 *
 * - `Succeeded`, `Failed`: the item is done; its value is kept.
 * - `Died`: the item is given up.
 * - `Retry`: it failed, and is ready again at `availableAt`.
 * - `HandBack`: it did not fail, and is ready again at once.
 *
 * @category models
 * @since 0.1.0
 */
export type Settlement =
  | { readonly _tag: "Succeeded"; readonly value: Schema.Json }
  | { readonly _tag: "Failed"; readonly error: Schema.Json }
  | Death
  | { readonly _tag: "Retry"; readonly availableAt: number }
  | { readonly _tag: "HandBack" }

/** Why an item was given up. `error` is the encoded failure, if there was a typed one. */
export interface Death {
  readonly _tag: "Died"
  readonly reason: DeathReason
  readonly detail: string
  readonly error?: Schema.Json
}

export interface SettledClaim extends Claim {
  readonly settlement: Settlement
}

/**
 * Where an item stands, for one who waits for it. `attempts` counts the handlers started.
 *
 * @category models
 * @since 0.1.0
 */
export type ItemState =
  | { readonly _tag: "Unfinished" }
  | { readonly _tag: "Settled"; readonly attempts: number; readonly outcome: Outcome }

export type Outcome = Extract<Settlement, { readonly _tag: "Succeeded" | "Failed" | "Died" }>

/**
 * An item that was given up.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadItem {
  readonly id: string
  readonly body: Schema.Json
  readonly key: string | undefined
  readonly attempts: number
  readonly offeredAt: number
  readonly diedAt: number
  readonly death: Death
}

/**
 * How many items stand where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Could begin now, but for a worker, a slot of their key, or the rate limit. */
  readonly queued: number
  /** Wait for their instant, or for that of their retry. */
  readonly delayed: number
  /** In the hands of workers. */
  readonly inFlight: number
  readonly dead: number
}

/**
 * Something that somebody may wait for has happened in a queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  /** An item may have become ready. */
  readonly ready: boolean
  /** These items were settled, so there may be room, too. `"unknown"`: look for yourself. */
  readonly settled: ReadonlyArray<string> | "unknown"
}

/**
 * What a backend provides to be a work queue.
 *
 * **Details** Every call is atomic and durable when it succeeds, and may be repeated if it is not known whether it did.
 *
 * @category services
 * @since 0.1.0
 */
export class WorkQueueDriver extends Context.Service<
  WorkQueueDriver,
  {
    /** Adds items in order, and answers each in its place. An id or idempotency key that is known is a duplicate, also if the queue is full. */
    readonly offer: (
      queue: QueueSettings,
      items: ReadonlyArray<NewItem>,
      now: number
    ) => Effect.Effect<ReadonlyArray<OfferOutcome>, WorkQueueError>
    /**
     * Hands out ready items, of higher priority first, then as they entered the line. A claim lapses at `until`, and
     * the item is ready again; if its handler was started, that was a failure. `wakeAt`: until then nothing becomes
     * ready of itself.
     */
    readonly claim: (
      queue: QueueSettings,
      options: { readonly max: number; readonly until: number; readonly now: number }
    ) => Effect.Effect<
      { readonly deliveries: ReadonlyArray<Delivery>; readonly wakeAt: number | undefined },
      WorkQueueError
    >
    /** Counts an attempt of each item, once for each claim. `false`: the claim holds no longer. */
    readonly start: (
      queue: QueueSettings,
      claims: ReadonlyArray<Claim>
    ) => Effect.Effect<ReadonlyArray<boolean>, WorkQueueError>
    /** Puts off the end of claims. `false`: the claim holds no longer. */
    readonly extend: (
      queue: QueueSettings,
      claims: ReadonlyArray<Claim>,
      until: number
    ) => Effect.Effect<ReadonlyArray<boolean>, WorkQueueError>
    /** Records what became of items. `false`: the claim holds no longer, and nothing was recorded. */
    readonly settle: (
      queue: QueueSettings,
      settled: ReadonlyArray<SettledClaim>,
      now: number
    ) => Effect.Effect<ReadonlyArray<boolean>, WorkQueueError>
    /** `undefined` for an item that is not known. */
    readonly find: (
      queue: QueueSettings,
      ids: ReadonlyArray<string>,
      now: number
    ) => Effect.Effect<ReadonlyArray<ItemState | undefined>, WorkQueueError>
    /** Oldest death first, then by id. */
    readonly deadItems: (
      queue: QueueSettings,
      page: { readonly offset: number; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<DeadItem>, WorkQueueError>
    /** Puts dead items back at the end of their line, without failures, until the queue is full. Answers which. */
    readonly redrive: (
      queue: QueueSettings,
      ids: ReadonlyArray<string>,
      now: number
    ) => Effect.Effect<ReadonlyArray<string>, WorkQueueError>
    /** Takes dead items off the list. Their outcome stays known for as long as any. Answers which. */
    readonly discard: (
      queue: QueueSettings,
      ids: ReadonlyArray<string>,
      now: number
    ) => Effect.Effect<ReadonlyArray<string>, WorkQueueError>
    readonly stats: (queue: QueueSettings, now: number) => Effect.Effect<Stats, WorkQueueError>
    /** Calls back when the queue may have changed, by whomever. May call too often; may miss what other processes did. */
    readonly onChange: (
      queue: QueueSettings,
      listener: (change: Change) => void
    ) => Effect.Effect<void, WorkQueueError, Scope.Scope>
  }
>()("tutti/queues/WorkQueueDriver") {}
