import * as Effect from "effect/Effect"

/** Counts the steps of a run that have begun and are not recorded yet, for an engine that stops. */
export class StepsUnderWay {
  private count = 0
  private waiting: Set<() => void> | undefined

  begin(): void {
    this.count++
  }

  end(): void {
    if (--this.count > 0) return
    for (const resume of this.waiting ?? []) resume()
    this.waiting = undefined
  }

  /** Runs a part of a step that is not to be waited for. */
  without<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.end()
      return Effect.ensuring(
        effect,
        Effect.sync(() => this.begin())
      )
    })
  }

  /** Waits until there are none. */
  get none(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.count === 0) return resume(Effect.void)
      const done = () => resume(Effect.void)
      const waiting = (this.waiting ??= new Set())
      waiting.add(done)
      return Effect.sync(() => void waiting.delete(done))
    })
  }
}
