/**
 * How many events a member may hold in memory: read, and not yet behind a checkpoint.
 */
import type * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

export class Window {
  private used = 0
  private readonly latch = Latch.makeUnsafe(true)
  private readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get isFull(): boolean {
    return this.used >= this.capacity
  }

  get isEmpty(): boolean {
    return this.used === 0
  }

  take(): void {
    if (++this.used >= this.capacity) this.latch.closeUnsafe()
  }

  free(count: number): void {
    this.used -= count
    if (count > 0 && this.used < this.capacity) this.latch.openUnsafe()
  }

  /** Waits until there is room for one more. */
  readonly room: Effect.Effect<void> = this.latch.await
}
