/**
 * Batches on their way to a driver that takes several at a time.
 *
 * While the driver stores one half of what waits, the program computes with the answers to the other half. So batches are
 * made to be halves; little is sent as one, for smaller batches would cost more commits than they save time.
 */
import * as Effect from "effect/Effect"
import type { StreamId } from "./Envelope.ts"
import type { AppendRequest } from "./EventStoreDriver.ts"

/** Fewer events than this, waiting and under way, are one batch: who has no more of them keeps their order. */
export const worthSplitting = 64

export class Flights {
  private readonly limit: number
  private readonly streams = new Set<StreamId>()
  private count = 0
  private events = 0
  private onLanding: (() => void) | undefined

  constructor(limit: number) {
    this.limit = limit
  }

  get isEmpty(): boolean {
    return this.count === 0
  }

  /** A later batch must not overtake an earlier one of the same stream. */
  readonly isBusy = (stream: StreamId): boolean => this.streams.has(stream)

  /** How many of the waiting events may go now. */
  sizeOfNext(waiting: number, maxBatch: number): number {
    const all = waiting + this.events
    if (all < worthSplitting) return this.isEmpty ? maxBatch : 0
    return this.count === this.limit ? 0 : Math.min(maxBatch, Math.ceil(all / this.limit))
  }

  /** Carries out `commit` on the requests, beside the others. */
  fly(requests: ReadonlyArray<AppendRequest>, commit: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      let size = 0
      for (const { events, stream } of requests) {
        this.streams.add(stream)
        size += events.length
      }
      this.count++
      this.events += size
      const landed = Effect.sync(() => {
        for (const { stream } of requests) this.streams.delete(stream)
        this.count--
        this.events -= size
        this.onLanding?.()
      })
      return Effect.asVoid(
        Effect.forkChild(Effect.ensuring(commit, landed), { startImmediately: true, uninterruptible: true })
      )
    })
  }

  /** Waits until one of them has landed. */
  readonly landing: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.isEmpty) return resume(Effect.void)
    this.onLanding = () => {
      this.onLanding = undefined
      resume(Effect.void)
    }
  })
}
