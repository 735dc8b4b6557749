import * as Effect from "effect/Effect"

/** Holds the steps of a paused run back until it is resumed. */
export class PauseGate {
  private readonly waiting = new Set<() => void>()
  private closed: boolean
  private lastRequest = 0

  constructor(closed: boolean) {
    this.closed = closed
  }

  get isClosed(): boolean {
    return this.closed
  }

  /** Does a request change anything? One may be read late, when a newer one was heard of already. */
  isNews(closed: boolean, request: number): boolean {
    if (request <= this.lastRequest) return false
    this.lastRequest = request
    return this.closed !== closed
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
