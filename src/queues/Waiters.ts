/**
 * Who in this process waits for something to happen in a queue: workers for work, producers for room, and whoever wants to
 * know what became of an item.
 *
 * A change wakes them; what they do then decides. Changes made by other processes may be missed, so nobody waits longer
 * than for `pollInterval` without looking.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Change } from "./WorkQueueDriver.ts"

interface Waiter {
  /** Earlier numbers are served first. */
  readonly number: number
  readonly wake: () => void
}

export class Waiters {
  /** Counts changes, so that one that happens between a look and a wait is not missed. */
  private readyCount = 0
  private readonly workers = new Set<() => void>()
  private roomCount = 0
  private room: Array<Waiter> = []
  private nextNumber = 0
  private readonly outcomes = new Map<string, Set<() => void>>()
  private readonly pollInterval: Duration.Duration
  constructor(pollInterval: Duration.Duration) {
    this.pollInterval = pollInterval
  }

  readonly hear = ({ ready, settled }: Change): void => {
    if (ready) {
      this.readyCount++
      wakeAll(this.workers)
    }
    if (settled === "unknown") {
      this.makeRoom(this.room.length)
      const awaited = [...this.outcomes.keys()]
      for (const id of awaited) this.wakeOutcome(id)
    } else {
      this.makeRoom(settled.length)
      for (const id of settled) this.wakeOutcome(id)
    }
  }

  /** What has been heard by now: to be taken before looking for work. */
  get readySeen(): number {
    return this.readyCount
  }

  /** Waits until there may be work that was not there when `seen` was taken; at most so many milliseconds. */
  awaitReady(seen: number, millis: number): Effect.Effect<void> {
    return this.atMost(
      Math.min(millis, Duration.toMillis(this.pollInterval)),
      Effect.callback((resume) => {
        if (this.readyCount !== seen) return resume(Effect.void)
        const wake = () => resume(Effect.void)
        this.workers.add(wake)
        return Effect.sync(() => this.workers.delete(wake))
      })
    )
  }

  get roomSeen(): number {
    return this.roomCount
  }

  /** A producer's place among those that wait for room. */
  nextPlace(): number {
    return this.nextNumber++
  }

  get hasProducers(): boolean {
    return this.room.length > 0
  }

  /** Waits until there may be room that was not there when `seen` was taken. */
  awaitRoom(number: number, seen: number | undefined): Effect.Effect<void> {
    return this.atMost(
      Duration.toMillis(this.pollInterval),
      Effect.callback((resume) => {
        if (seen !== undefined && this.roomCount !== seen) return resume(Effect.void)
        const waiter = { number, wake: () => resume(Effect.void) }
        const before = this.room.findLastIndex((other) => other.number < number)
        this.room.splice(before + 1, 0, waiter)
        return Effect.sync(() => {
          this.room = this.room.filter((other) => other !== waiter)
        })
      })
    )
  }

  /** Looks until the answer is there: at once, whenever the item was settled, and from time to time. */
  awaitOutcome<A, E, R>(id: string, look: Effect.Effect<A | undefined, E, R>): Effect.Effect<A, E, R> {
    const { atMost, outcomes, pollInterval } = this
    return Effect.gen(function* () {
      let woken: () => void = () => {}
      let isWoken = false
      const wake = () => {
        isWoken = true
        woken()
      }
      const signal = Effect.callback<void>((resume) => {
        woken = () => resume(Effect.void)
        if (isWoken) woken()
      })
      const others = outcomes.get(id) ?? new Set()
      outcomes.set(id, others.add(wake))
      const looking = Effect.gen(function* () {
        while (true) {
          isWoken = false
          const answer = yield* look
          if (answer !== undefined) return answer
          yield* atMost(Duration.toMillis(pollInterval), signal)
        }
      })
      const forget = Effect.sync(() => {
        others.delete(wake)
        if (others.size === 0) outcomes.delete(id)
      })
      return yield* Effect.ensuring(looking, forget)
    })
  }

  private readonly atMost = (millis: number, wait: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.raceFirst(wait, Effect.sleep(Math.max(1, millis)))

  /** As many producers as there may be places for; the others would only find the queue full again. */
  private makeRoom(count: number): void {
    if (count === 0) return
    this.roomCount += count
    for (const { wake } of this.room.splice(0, count)) wake()
  }

  private wakeOutcome(id: string): void {
    const waiters = this.outcomes.get(id)
    if (waiters !== undefined) wakeAll(waiters)
  }
}

/** Those who wait now: whoever is woken runs at once, and may wait again. */
const wakeAll = (waiters: ReadonlySet<() => void>): void => {
  const now = [...waiters]
  for (const wake of now) wake()
}
