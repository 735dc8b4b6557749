/**
 * The live end of the log: hands acknowledged events to whoever is subscribed.
 *
 * A subscriber has a position and a small buffer. Events in the buffer are
 * delivered only if they follow its position without a gap; otherwise it reads
 * the store. So the buffer is an accelerator and never a source of truth: it
 * may overflow, arrive late or miss what other processes wrote.
 *
 * Invariants (checked by `test/event-store/LiveFeed.test.ts` and E8 of the conformance suite):
 *
 *   L1. A subscriber receives every visible event after its start exactly once, in position order.
 *   L2. It holds at most `buffer` undelivered events in memory, however slow it is.
 *   L3. Publishing does not wait for subscribers, and costs nothing if there are none.
 */
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Position, StoredEvent } from "./Envelope.ts"
import type { AppendOutcome, AppendRequest, EventStoreDriver } from "./EventStoreDriver.ts"
import type { EventStoreError } from "./EventStoreError.ts"

/**
 * What a subscriber wants to see, and from where.
 *
 * @category models
 * @since 0.1.0
 */
export interface SubscribeOptions {
  /** Start after this position. Default 0: from the beginning. `"end"`: only what comes. */
  readonly after?: Position | "end"
  /** Keep only these event types. */
  readonly types?: ReadonlyArray<string>
  /** Keep only streams whose name starts so. */
  readonly streamPrefix?: string
}

/**
 * Feeds subscribers of one process.
 *
 * @category models
 * @since 0.1.0
 */
export interface LiveFeed {
  /** Hands over what a driver call has committed. */
  readonly publish: (requests: ReadonlyArray<AppendRequest>, outcomes: ReadonlyArray<AppendOutcome>) => void
  readonly subscribe: (options?: SubscribeOptions) => Stream.Stream<StoredEvent, EventStoreError>
}

type Batch = ReadonlyArray<StoredEvent>
type NonEmptyBatch = readonly [StoredEvent, ...Array<StoredEvent>]

class Subscriber {
  /** The store may hold more than what was delivered and what is buffered. */
  stale = true
  private batches: Array<Batch> = []
  private buffered = 0
  private wake: (() => void) | undefined
  private readonly capacity: number
  /** Deals with a batch of which nothing is to be delivered, if it can. */
  passOver: (batch: Batch) => boolean = () => false
  constructor(capacity: number) {
    this.capacity = capacity
  }

  offer(batch: Batch): void {
    // Who waits has read and delivered everything up to this batch, and need not be woken for nothing.
    const isNext = this.wake !== undefined && !this.stale && this.batches.length === 0
    if (isNext && this.passOver(batch)) return
    if (this.buffered + batch.length > this.capacity) this.fallBack()
    else {
      this.batches.push(batch)
      this.buffered += batch.length
    }
    this.notify()
  }

  /** L2: gives up the buffer; the store has it all. */
  fallBack(): void {
    this.stale = true
    this.batches = []
    this.buffered = 0
  }

  notify(): void {
    const wake = this.wake
    this.wake = undefined
    wake?.()
  }

  take(): Batch | undefined {
    const batch = this.batches.shift()
    if (batch !== undefined) this.buffered -= batch.length
    return batch
  }

  readonly waiting = Effect.callback<void>((resume) => {
    if (this.stale || this.batches.length > 0) return resume(Effect.void)
    // Yields first: the writer must not run a subscriber's code (L3).
    this.wake = () => resume(Effect.yieldNow)
  })
}

/** The events that a driver call has newly written, in position order. */
const written = (requests: ReadonlyArray<AppendRequest>, outcomes: ReadonlyArray<AppendOutcome>): Batch => {
  const events: Array<StoredEvent> = []
  for (let index = 0; index < requests.length; index++) {
    const outcome = outcomes[index]!
    if ("_tag" in outcome || outcome.duplicate) continue
    const request = requests[index]!
    const before = request.events.length
    for (let offset = 0; offset < before; offset++) {
      const event = request.events[offset]!
      events.push({
        id: event.id,
        stream: request.stream,
        version: outcome.version - before + offset + 1,
        position: outcome.position - before + offset + 1,
        type: event.type,
        schemaVersion: event.schemaVersion,
        data: event.data,
        meta: event.meta
      })
    }
  }
  return events
}

const filterOf = (options: SubscribeOptions): ((event: StoredEvent) => boolean) | undefined => {
  const { streamPrefix, types } = options
  if (types === undefined && streamPrefix === undefined) return undefined
  const wanted = types === undefined ? undefined : new Set(types)
  return (event) =>
    (wanted === undefined || wanted.has(event.type)) &&
    (streamPrefix === undefined || event.stream.startsWith(streamPrefix))
}

/** How many of the events follow `position` one by one, after skipping those up to it. */
const contiguous = (batch: Batch, position: Position): { readonly from: number; readonly to: number } => {
  let from = 0
  while (from < batch.length && batch[from]!.position <= position) from++
  let to = from
  while (to < batch.length && batch[to]!.position === position + 1 + to - from) to++
  return { from, to }
}

interface Source {
  readonly driver: EventStoreDriver["Service"]
  /** Events per page when catching up. */
  readonly pageSize: number
  /** Events a subscriber may have undelivered in memory. */
  readonly buffer: number
}

/** Delivers to one subscriber, from its buffer or from the store. */
class Delivery {
  private readonly source: Source
  private readonly subscriber: Subscriber
  private readonly matches: ((event: StoredEvent) => boolean) | undefined
  private readonly filter: Pick<SubscribeOptions, "types" | "streamPrefix">
  private position: Position
  constructor(source: Source, subscriber: Subscriber, options: SubscribeOptions & { readonly after: Position }) {
    const { after, streamPrefix, types } = options
    this.source = source
    this.subscriber = subscriber
    this.position = after
    this.matches = filterOf(options)
    this.filter = { ...(types && { types }), ...(streamPrefix !== undefined && { streamPrefix }) }
    subscriber.passOver = (batch) => this.passOver(batch)
  }

  /** The next events that pass the filter. */
  get next(): Effect.Effect<NonEmptyBatch, EventStoreError> {
    const { subscriber } = this
    const nextBatch = Effect.suspend(() => {
      if (subscriber.stale) return this.readStore
      const live = subscriber.take()
      return Effect.succeed(live === undefined ? [] : this.takeLive(live))
    })
    return Effect.gen(function* () {
      while (true) {
        const events = yield* nextBatch
        if (isNonEmpty(events)) return events
        yield* subscriber.waiting
      }
    })
  }

  private get readStore(): Effect.Effect<Batch, EventStoreError> {
    const { driver, pageSize } = this.source
    this.subscriber.stale = false
    // The head is read before the page: all up to it is then in the page, or filtered out.
    return Effect.flatMap(driver.head, (head) =>
      head <= this.position
        ? Effect.succeed([])
        : Effect.map(driver.readAll({ after: this.position, max: pageSize, ...this.filter }), (page) => {
            this.advance(page, head)
            return page
          })
    ).pipe(Effect.tapError(() => Effect.sync(() => this.subscriber.fallBack())))
  }

  private advance(page: Batch, head: Position): void {
    const last = page.at(-1)?.position ?? this.position
    const more = page.length === this.source.pageSize
    this.position = more ? last : Math.max(head, last)
    if (more) this.subscriber.stale = true
  }

  private passOver(batch: Batch): boolean {
    if (this.matches === undefined || batch.some(this.matches)) return false
    if (contiguous(batch, this.position).to < batch.length) return false
    this.position = Math.max(this.position, batch.at(-1)!.position)
    return true
  }

  private takeLive(batch: Batch): Batch {
    const { from, to } = contiguous(batch, this.position)
    if (to < batch.length) this.subscriber.fallBack()
    if (to > from) this.position = batch[to - 1]!.position
    const next = from === 0 && to === batch.length ? batch : batch.slice(from, to)
    return this.matches === undefined ? next : next.filter(this.matches)
  }
}

/**
 * Makes a feed over a driver. Watches for foreign appends only while someone is subscribed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (source: Source): Effect.fn.Return<LiveFeed, never, Scope.Scope> {
  const { buffer, driver } = source
  const subscribers = new Set<Subscriber>()
  const foreignAppends = yield* RcRef.make({
    acquire: driver.onForeignAppend(() => {
      for (const subscriber of subscribers) {
        subscriber.stale = true
        subscriber.notify()
      }
    })
  })
  const register = Effect.acquireRelease(
    Effect.sync(() => {
      const subscriber = new Subscriber(buffer)
      subscribers.add(subscriber)
      return subscriber
    }),
    (subscriber) => Effect.sync(() => subscribers.delete(subscriber))
  )

  return {
    publish: (requests, outcomes) => {
      if (subscribers.size === 0) return
      const batch = written(requests, outcomes)
      if (batch.length === 0) return
      for (const subscriber of subscribers) subscriber.offer(batch)
    },
    subscribe: (options = {}) =>
      Stream.unwrap(
        Effect.gen(function* () {
          // Registered before the position is read, so that nothing falls in between (L1).
          const subscriber = yield* register
          yield* RcRef.get(foreignAppends)
          const after = options.after === "end" ? yield* driver.head : (options.after ?? 0)
          const delivery = new Delivery(source, subscriber, { ...options, after })
          return Stream.fromPull(Effect.succeed(delivery.next))
        })
      )
  }
})

const isNonEmpty = (events: Batch): events is NonEmptyBatch => events.length > 0
