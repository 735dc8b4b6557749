/** Who in this process listens to the changes of which queue of a driver. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Change } from "./WorkQueueDriver.ts"

type Listener = (change: Change) => void

/** A look at everything: what happened is not known. */
export const anything: Change = { ready: true, settled: "unknown" }

export class Listeners {
  private readonly queues = new Map<string, Set<Listener>>()

  tell(queue: string, change: Change): void {
    const listeners = this.queues.get(queue)
    if (listeners !== undefined) for (const listener of listeners) listener(change)
  }

  tellAll(): void {
    for (const queue of this.queues.keys()) this.tell(queue, anything)
  }

  add(queue: string, listener: Listener): Effect.Effect<void, never, Scope.Scope> {
    const add = Effect.sync(() => {
      const listeners = this.queues.get(queue) ?? new Set()
      this.queues.set(queue, listeners.add(listener))
      return listeners
    })
    return Effect.asVoid(
      Effect.acquireRelease(add, (listeners) =>
        Effect.sync(() => {
          listeners.delete(listener)
          if (listeners.size === 0) this.queues.delete(queue)
        })
      )
    )
  }
}
