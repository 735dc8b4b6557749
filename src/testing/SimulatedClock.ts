/**
 * A clock that stands still while anything can run, and then jumps to the next sleeper.
 *
 * `TestClock` is moved by the test. This one is moved by whoever sees that nothing else can happen, so that a run with a
 * timer of thirty days ends at once, and nobody has to know of the timer.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Sleeper {
  readonly deadline: number
  readonly wake: () => void
}

export class SimulatedClock implements Clock.Clock {
  private now: number
  /** Earliest first; of equal deadlines, the one that was asked for first. */
  private readonly sleepers: Array<Sleeper> = []

  /** `start`: milliseconds since the Unix epoch. */
  constructor(start: number) {
    this.now = start
  }

  /** Moves to the next sleeper and wakes it. `false`: nobody sleeps, or nobody is due until `limit`. */
  advance(limit: number): boolean {
    const next = this.sleepers[0]
    if (next === undefined || next.deadline > limit) return false
    this.sleepers.shift()
    this.now = Math.max(this.now, next.deadline)
    next.wake()
    return true
  }

  currentTimeMillisUnsafe(): number {
    return this.now
  }
  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.floor(this.now)) * 1_000_000n
  }
  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }
  readonly currentTimeMillis: Effect.Effect<number> = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos: Effect.Effect<bigint> = this.currentTimeNanos

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const deadline = this.now + Duration.toMillis(duration)
      if (deadline <= this.now) return resume(Effect.yieldNow)
      const sleeper: Sleeper = { deadline, wake: () => resume(Effect.void) }
      const index = this.sleepers.findIndex((other) => other.deadline > deadline)
      this.sleepers.splice(index < 0 ? this.sleepers.length : index, 0, sleeper)
      return Effect.sync(() => {
        const at = this.sleepers.indexOf(sleeper)
        if (at >= 0) this.sleepers.splice(at, 1)
      })
    })
  }
}
