import * as Effect from "effect/Effect"

/** Holds the steps of a paused run back until it is resumed. */
export class PauseGate {
  private waiting: Set<() => void> | undefined
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
    const { waiting } = this
    this.waiting = undefined
    for (const release of waiting ?? []) release()
  }

  /** Waits until the gate is opened. */
  get opened(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      // Who waits in a fiber of its own begins to wait a turn later: the gate may be open again.
      if (!this.closed) return resume(Effect.void)
      const release = () => resume(Effect.void)
      const waiting = (this.waiting ??= new Set())
      waiting.add(release)
      return Effect.sync(() => void waiting.delete(release))
    })
  }
}
