/**
 * Facts of the process for whoever listens now. Publishing never waits and keeps nothing: a listener that is slow loses the
 * oldest of what it has not read, and one that comes late has missed what was before.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

/** So many facts wait for a slow listener. */
const bufferSize = 256

export class Broadcast<A> {
  private readonly listeners = new Set<(fact: A) => void>()

  publish(fact: A): void {
    for (const tell of this.listeners) tell(fact)
  }

  /** Everything published while it is listened to. Never ends. */
  readonly stream: Stream.Stream<A> = Stream.callback<A>(
    (queue) => {
      const tell = (fact: A) => void Queue.offerUnsafe(queue, fact)
      return Effect.acquireRelease(
        Effect.sync(() => void this.listeners.add(tell)),
        () => Effect.sync(() => void this.listeners.delete(tell))
      )
    },
    { bufferSize, strategy: "sliding" }
  )
}
