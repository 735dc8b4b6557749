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

class Subscriber {
  /** The store may hold more than what was delivered and what is buffered. */
  stale = true
  private batches: Array<Batch> = []
  private buffered = 0
  private wake: (() => void) | undefined
  private readonly capacity: number
  constructor(capacity: number) {
    this.capacity = capacity
  }

  offer(batch: Batch): void {
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

/**
 * Makes a feed over a driver. Watches for foreign appends only while someone is subscribed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: {
  readonly driver: EventStoreDriver["Service"]
  /** Events per page when catching up. */
  readonly pageSize: number
  /** Events a subscriber may have undelivered in memory. */
  readonly buffer: number
}): Effect.fn.Return<LiveFeed, never, Scope.Scope> {
  const { buffer, driver, pageSize } = options
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

  const puller = (subscriber: Subscriber, start: Position, wanted: SubscribeOptions) => {
    const matches = filterOf(wanted)
    const { streamPrefix, types } = wanted
    const filter = { ...(types && { types }), ...(streamPrefix !== undefined && { streamPrefix }) }
    let position = start

    const readStore = Effect.gen(function*() {
      subscriber.stale = false
      // Read before the page: all up to it is then in the page, or filtered out.
      const head = yield* driver.head
      if (head <= position) return []
      const page = yield* driver.readAll({ after: position, max: pageSize, ...filter })
      const last = page.at(-1)?.position ?? position
      if (page.length < pageSize) position = Math.max(head, last)
      else {
        position = last
        subscriber.stale = true
      }
      return page
    })

    const takeLive = (batch: Batch): Batch => {
      const { from, to } = contiguous(batch, position)
      if (to < batch.length) subscriber.fallBack()
      if (to > from) position = batch[to - 1]!.position
      const next = from === 0 && to === batch.length ? batch : batch.slice(from, to)
      return matches === undefined ? next : next.filter(matches)
    }

    return Effect.gen(function*() {
      while (true) {
        const live = subscriber.stale ? undefined : subscriber.take()
        const events = live !== undefined ? takeLive(live) : subscriber.stale ? yield* readStore : []
        if (isNonEmpty(events)) return events
        yield* subscriber.waiting
      }
    })
  }

  return {
    publish: (requests, outcomes) => {
      if (subscribers.size === 0) return
      const batch = written(requests, outcomes)
      if (batch.length === 0) return
      for (const subscriber of subscribers) subscriber.offer(batch)
    },
    subscribe: (wanted = {}) =>
      Stream.unwrap(Effect.gen(function*() {
        const subscriber = yield* register
        yield* RcRef.get(foreignAppends)
        const start = wanted.after === "end" ? yield* driver.head : wanted.after ?? 0
        return Stream.fromPull(Effect.succeed(puller(subscriber, start, wanted)))
      }))
  }
})

const isNonEmpty = (events: Batch): events is readonly [StoredEvent, ...Array<StoredEvent>] => events.length > 0
