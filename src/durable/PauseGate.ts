import * as Effect from "effect/Effect"

/** Holds the steps of a paused run back until it is resumed. */
export class PauseGate {
  private readonly waiting = new Set<() => void>()
  private closed: boolean

  constructor(closed: boolean) {
    this.closed = closed
  }

  get isClosed(): boolean {
    return this.closed
  }

  close(): void {
    this.closed = true
  }

  open(): void {
    this.closed = false
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const release of waiting) release()
  }

  /** Waits until the gate is opened. */
  readonly opened: Effect.Effect<void> = Effect.callback((resume) => {
    const release = () => resume(Effect.void)
    this.waiting.add(release)
    return Effect.sync(() => void this.waiting.delete(release))
  })
}
