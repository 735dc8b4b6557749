/**
 * A pool of workers on one queue: takes items, keeps their claims, runs the handler, records what became of them.
 *
 * The invariants W21 to W25 are stated in `WorkQueue.ts`.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as RetryDelay from "./RetryDelay.ts"
import type { Waiters } from "./Waiters.ts"
import * as WorkItemCodec from "./WorkItemCodec.ts"
import type { Death, Delivery, QueueSettings, SettledClaim, Settlement, WorkQueueDriver } from "./WorkQueueDriver.ts"
import type { WorkQueueError } from "./WorkQueueError.ts"

/**
 * What a handler knows beside the item.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  /** The same for all attempts: an idempotency key for what the handler does. */
  readonly id: string
  readonly key: string | undefined
  /** The first is 1. */
  readonly attempt: number
}

/** What is done with an item. */
export type Handler<Item, Output, Error, R> = (item: Item, attempt: Attempt) => Effect.Effect<Output, Error, R>

/**
 * How many workers, and how they end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** At most so many items at once. Default 10. */
  readonly concurrency?: number
  /** How long handlers may go on when the pool is closed. Default 30 seconds. */
  readonly gracePeriod?: Duration.Input
}

/** The queue that a pool works on. */
export interface Source<Item, Output, Error> {
  readonly driver: WorkQueueDriver["Service"]
  readonly settings: QueueSettings
  readonly waiters: Waiters
  readonly codec: WorkItemCodec.WorkItemCodec<Item, Output, Error>
  readonly settle: (settled: SettledClaim) => Effect.Effect<boolean, WorkQueueError>
  readonly pool: Options
  readonly visibility: Duration.Duration
  readonly retry: Schedule.Schedule<unknown, number>
  readonly retryWhile: (error: Error) => boolean
}

/** An item in the hands of this pool. */
interface Hand {
  readonly delivery: Delivery
  fiber: Fiber.Fiber<void> | undefined
  /** Why the handler was interrupted from outside, if it was. */
  ended: "Lost" | "HandBack" | undefined
}

/** How long to wait before asking the store again. Never gives up. */
const patience = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])

/** No script or statement of a store runs for long. */
const claimedAtOnce = 256

class Pool<Item, Output, Error, R> {
  /** Not by id: an item whose claim has lapsed may be taken again by the same pool. */
  private readonly hands = new Set<Hand>()
  private closing = false
  private onFreed: () => void = () => {}
  private readonly concurrency: number
  private readonly gracePeriod: Duration.Duration
  private readonly source: Source<Item, Output, Error>
  private readonly handler: Handler<Item, Output, Error, R>
  private readonly context: Context.Context<R>
  constructor(
    source: Source<Item, Output, Error>,
    handler: Handler<Item, Output, Error, R>,
    context: Context.Context<R>
  ) {
    this.source = source
    this.handler = handler
    this.context = context
    this.concurrency = source.pool.concurrency ?? 10
    this.gracePeriod = Duration.fromInputUnsafe(source.pool.gracePeriod ?? "30 seconds")
    if (!(this.concurrency >= 1)) throw new Error(`a pool needs a concurrency of at least 1, got ${this.concurrency}`)
  }

  /** Takes items for as long as there are free hands. */
  get take(): Effect.Effect<never> {
    const { atMost, claim, concurrency, hands, source } = this
    return Effect.gen(function* () {
      while (true) {
        yield* atMost(concurrency - 1)
        // Hands that are freed together take together.
        yield* Effect.yieldNow
        const seen = source.waiters.readySeen
        const free = Math.min(concurrency - hands.size, claimedAtOnce)
        const { taken, wakeAt } = yield* claim(free).pipe(
          Effect.sandbox,
          Effect.tapError((cause) => Effect.logWarning(`Queue "${source.settings.name}" has no work to give`, cause)),
          Effect.retry(patience),
          Effect.orDie
        )
        if (taken === free) continue
        const now = yield* Clock.currentTimeMillis
        yield* source.waiters.awaitReady(seen, wakeAt === undefined ? Infinity : wakeAt - now)
      }
    })
  }

  /** W24: keeps the claims of everything in hand; gives up what another worker has by now. */
  get heartbeats(): Effect.Effect<void> {
    const { hands, loseAll, source } = this
    const beat = Effect.gen(function* () {
      const beating = [...hands]
      if (beating.length === 0) return
      const until = Math.ceil((yield* Clock.currentTimeMillis) + Duration.toMillis(source.visibility))
      const held = yield* source.driver.extend(
        source.settings,
        beating.map(({ delivery: { id, token } }) => ({ id, token })),
        until
      )
      yield* loseAll(beating.filter((_, index) => !held[index]))
    })
    return beat.pipe(
      Effect.catchCause((cause) =>
        Effect.logWarning(`Queue "${source.settings.name}" did not hear a heartbeat`, cause)
      ),
      Effect.schedule(Schedule.spaced(Duration.times(source.visibility, 1 / 3))),
      Effect.asVoid
    )
  }

  /** W25. */
  get shutdown(): Effect.Effect<void> {
    const { atMost, gracePeriod, hands } = this
    const handBack = Effect.suspend(() => {
      for (const hand of hands) {
        hand.ended ??= "HandBack"
        hand.fiber?.interruptUnsafe()
      }
      return atMost(0)
    })
    return Effect.suspend(() => {
      this.closing = true
      return Effect.flatMap(Effect.timeoutOption(atMost(0), gracePeriod), (done) =>
        Option.isSome(done) ? Effect.void : handBack
      )
    })
  }

  /** Waits until at most so many items are in hand. */
  private readonly atMost = (count: number) =>
    Effect.callback<void>((resume) => {
      const check = () => {
        if (this.hands.size <= count) resume(Effect.void)
      }
      this.onFreed = check
      check()
    })

  /** Not interruptible: what was claimed is in hand. */
  private readonly claim = (max: number) =>
    Effect.uninterruptible(
      Effect.gen({ self: this }, function* () {
        const { driver, settings, visibility } = this.source
        const now = yield* Clock.currentTimeMillis
        const until = Math.ceil(now + Duration.toMillis(visibility))
        const { deliveries, wakeAt } = yield* driver.claim(settings, { max, until, now })
        const hands = deliveries.map((delivery): Hand => ({ delivery, fiber: undefined, ended: undefined }))
        for (const hand of hands) this.hands.add(hand)
        if (hands.length > 0) yield* Effect.forkDetach(Effect.uninterruptible(this.begin(hands)))
        return { taken: deliveries.length, wakeAt }
      })
    )

  /** Counts the attempts (W21) of what was claimed together, then runs each. */
  private begin(hands: ReadonlyArray<Hand>): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const startable: Array<Hand & { readonly item: Item }> = []
      for (const hand of hands) {
        const item = this.source.codec.decodeItem(hand.delivery.body)
        const stop = yield* this.decided(() => this.stop(hand, item))
        if (stop !== undefined) yield* Effect.forkDetach(this.finish(hand, stop))
        else if (Exit.isSuccess(item)) startable.push(Object.assign(hand, { item: item.value }))
      }
      if (startable.length === 0) return
      const claims = startable.map(({ delivery: { id, token } }) => ({ id, token }))
      const held = yield* this.whileClaimed(this.source.driver.start(this.source.settings, claims))
      for (const [index, hand] of startable.entries()) {
        if (!held[index]) this.free(hand)
        // The pool was closed while the attempt was being counted.
        else if (hand.ended !== undefined) yield* Effect.forkDetach(this.finish(hand, { _tag: "HandBack" }))
        else hand.fiber = yield* Effect.forkDetach(this.attempt(hand, hand.item), { uninterruptible: true })
      }
    }).pipe(
      Effect.catchCause((cause) => {
        for (const hand of hands) this.free(hand)
        return Effect.logWarning(
          `Queue "${this.source.settings.name}" lost the claims of ${hands.length} item(s)`,
          cause
        )
      })
    )
  }

  /** Why no handler is started. */
  private stop(hand: Hand, item: Exit.Exit<Item, unknown>): Effect.Effect<Settlement | undefined> {
    if (this.closing) return Effect.succeed({ _tag: "HandBack" })
    if (Exit.isFailure(item)) return Effect.succeed(WorkItemCodec.death("Undecodable", Cause.pretty(item.cause)))
    const { failures } = hand.delivery
    if (failures === 0) return Effect.undefined
    return Effect.map(RetryDelay.after(this.source.retry, failures), (delay) =>
      delay === undefined ? WorkItemCodec.death("WorkerLost", "its worker went away before it finished") : undefined
    )
  }

  private attempt(hand: Hand, item: Item): Effect.Effect<void> {
    const { attempts, id, key } = hand.delivery
    const handled = Effect.suspend(() => this.handler(item, { id, key, attempt: attempts + 1 })).pipe(
      Effect.provideContext(this.context),
      Effect.interruptible,
      Effect.exit
    )
    return Effect.flatMap(handled, (exit) => {
      if (hand.ended === "Lost") return Effect.sync(() => this.free(hand))
      const settlement = this.decided(() => this.settlementOf(hand, exit))
      return Effect.flatMap(settlement, (settlement) => this.finish(hand, settlement))
    }).pipe(Effect.uninterruptible)
  }

  /** W23: where the rules of the queue throw, the item is given up for it. */
  private decided<A>(decide: () => Effect.Effect<A>): Effect.Effect<A | Death> {
    return Effect.catchDefect(Effect.suspend(decide), (defect) =>
      Effect.succeed(this.source.codec.deathOf(Cause.die(defect)))
    )
  }

  /** W22: what became of an attempt. */
  private settlementOf(hand: Hand, exit: Exit.Exit<Output, Error>): Effect.Effect<Settlement> {
    const { codec, retry, retryWhile } = this.source
    if (Exit.isSuccess(exit)) return Effect.succeed(codec.settlementOf(exit))
    if (hand.ended === "HandBack" && Cause.hasInterruptsOnly(exit.cause)) return Effect.succeed({ _tag: "HandBack" })
    const failure = Cause.findErrorOption(exit.cause)
    if (Option.isSome(failure) && !retryWhile(failure.value)) return Effect.succeed(codec.settlementOf(exit))
    return Effect.gen(function* () {
      const delay = yield* RetryDelay.after(retry, hand.delivery.failures + 1)
      if (delay === undefined) return codec.deathOf(exit.cause)
      const now = yield* Clock.currentTimeMillis
      return {
        _tag: "Retry",
        availableAt: Math.min(Math.ceil(now + Duration.toMillis(delay)), Number.MAX_SAFE_INTEGER)
      }
    })
  }

  private finish(hand: Hand, settlement: Settlement): Effect.Effect<void> {
    const { id, token } = hand.delivery
    return this.whileClaimed(this.source.settle({ id, token, settlement })).pipe(
      Effect.tap((held) =>
        held ? Effect.void : Effect.logWarning(`Item "${id}" was taken over before its outcome was recorded`)
      ),
      Effect.catchCause((cause) => Effect.logError(`The outcome of item "${id}" could not be recorded`, cause)),
      Effect.andThen(Effect.sync(() => this.free(hand)))
    )
  }

  /** Tries again while the claim may still hold; after that another worker has the item. */
  private whileClaimed<A>(effect: Effect.Effect<A, WorkQueueError>): Effect.Effect<A, WorkQueueError> {
    return Effect.retry(effect, {
      while: ({ retryable }) => retryable,
      schedule: Schedule.upTo(patience, { duration: this.source.visibility })
    })
  }

  private readonly loseAll = (lost: ReadonlyArray<Hand>): Effect.Effect<void> =>
    Effect.forEach(
      // One that was settled meanwhile is not in hand any more.
      lost.filter((hand) => this.hands.has(hand) && hand.ended === undefined),
      (hand) => {
        hand.ended = "Lost"
        hand.fiber?.interruptUnsafe()
        return Effect.logWarning(`Item "${hand.delivery.id}" was taken over by another worker`)
      },
      { discard: true }
    )

  private free(hand: Hand): void {
    this.hands.delete(hand)
    this.onFreed()
  }
}

/** Runs a pool until the scope closes. */
export const run = Effect.fnUntraced(function* <Item, Output, Error, R>(
  handler: Handler<Item, Output, Error, R>,
  source: Source<Item, Output, Error>
): Effect.fn.Return<void, never, R | Scope.Scope> {
  const pool = new Pool(source, handler, yield* Effect.context<R>())
  // Finalizers run in reverse: takes nothing more, then ends with heartbeats still beating, then stops those.
  yield* Effect.forkScoped(pool.heartbeats)
  yield* Effect.addFinalizer(() => pool.shutdown)
  yield* Effect.forkScoped(pool.take)
})
