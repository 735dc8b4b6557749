/**
 * Reads the log for a member, and deals its events to the lanes of the partitions it owns.
 *
 * One subscription serves all partitions. It begins at the one that is furthest behind, and begins anew when a partition
 * is added; what a partition has seen already is passed over.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import type { Position, StoredEvent } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import * as ConsumerGroup from "./ConsumerGroup.ts"
import { logFilter } from "./LogFilter.ts"
import { patience } from "./Patience.ts"
import type { Lane, Share } from "./Share.ts"
import type { Window } from "./Window.ts"

/** Which events a subscriber wants. */
export interface Wanted {
  readonly types?: ReadonlyArray<string>
  readonly streamPrefix?: string
  readonly filter?: (event: StoredEvent) => boolean
}

export interface Options {
  readonly subscriber: string
  readonly store: EventStore["Service"]
  readonly partitions: number
  readonly lane: "stream" | "partition"
  readonly wanted: Wanted
  /** Partitions that are owned. */
  readonly shares: ReadonlyMap<number, Share>
  readonly window: Window
  readonly rouse: (lane: Lane) => void
}

export class Reader {
  private readonly options: Options
  private readonly changed = Latch.makeUnsafe(false)

  constructor(options: Options) {
    this.options = options
  }

  /** A partition was added: reads what it has not seen. */
  restart(): void {
    this.changed.openUnsafe()
  }

  /** Reads for ever. */
  readonly run: Effect.Effect<never> = Effect.suspend(() => Effect.forever(this.generation))

  private readonly generation: Effect.Effect<void> = Effect.suspend(() => {
    this.changed.closeUnsafe()
    const shares = this.held
    if (shares.length === 0) return this.changed.await
    const { store, subscriber, wanted } = this.options
    // Only these: one that is added meanwhile has not seen what came before, and must not begin in the middle (S1).
    const dealt = new Map(shares.map((share) => [share.partition, share]))
    const read = Effect.suspend(() =>
      Stream.runForEachArray(store.subscribe({ after: lowest(shares), ...logFilter(wanted) }), (page) =>
        this.deal(page, dealt)
      )
    ).pipe(
      Effect.tapError((error) => Effect.logWarning(`Subscriber "${subscriber}" could not read the log`, error)),
      Effect.retry(patience),
      Effect.orDie
    )
    return Effect.raceFirst(read, this.changed.await)
  })

  private get held(): ReadonlyArray<Share> {
    return [...this.options.shares.values()].filter(({ state }) => state === "held")
  }

  private deal(page: ReadonlyArray<StoredEvent>, shares: ReadonlyMap<number, Share>): Effect.Effect<void> {
    const { window } = this.options
    let index = 0
    const dealSome = Effect.suspend(() => {
      while (index < page.length && !window.isFull) this.dealOne(page[index++]!, shares)
      if (index < page.length) return window.room
      const end = page.at(-1)!.position
      // One that is being given back was not dealt all of the page.
      for (const share of shares.values()) if (share.state === "held") share.passTo(end)
      return Effect.void
    })
    return Effect.whileLoop({ while: () => index < page.length, body: () => dealSome, step: () => {} })
  }

  private dealOne(event: StoredEvent, shares: ReadonlyMap<number, Share>): void {
    const { lane: by, partitions, rouse, wanted, window } = this.options
    const share = shares.get(ConsumerGroup.partitionOf(event.stream, partitions))
    if (share?.state !== "held" || event.position <= share.read) return
    if (wanted.filter !== undefined && !wanted.filter(event)) return
    window.take()
    const lane = share.take(event, by === "stream" ? event.stream : "")
    if (lane === undefined) window.free(share.settle())
    else rouse(lane)
  }

  /**
   * Moves past what is of no interest, so that a subscriber of few events is not taken for one that is far behind.
   * Answers the head of the log.
   */
  readonly passOver: Effect.Effect<Position, EventStoreError> = Effect.suspend(() => {
    const { store, wanted } = this.options
    return Effect.gen({ self: this }, function* () {
      const head = yield* store.head
      const shares = this.held
      if (shares.length === 0) return head
      const after = lowest(shares)
      if (after >= head) return head
      // The head is read before the page: all up to it is then of no interest.
      const page = yield* Stream.runCollect(store.readAll({ after, max: 1, ...logFilter(wanted) }))
      if (page.length === 0) for (const share of shares) if (share.state === "held") share.passTo(head)
      return head
    })
  })
}

const lowest = (shares: ReadonlyArray<Share>): Position => Math.min(...shares.map(({ read }) => read))
