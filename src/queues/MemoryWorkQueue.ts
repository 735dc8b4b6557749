/**
 * Work queues in the memory of one process: the default, for work that may be lost with it.
 *
 * **Gotchas**
 *
 * Nothing survives the process. Bodies are kept as they are given, not copied: do not change one after an offer.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MemoryQueue } from "./MemoryQueue.ts"
import { type Change, type QueueSettings, WorkQueueDriver } from "./WorkQueueDriver.ts"

/**
 * What memory work queues remember.
 *
 * @category models
 * @since 0.1.0
 */
export class MemoryQueues {
  private readonly queues = new Map<string, MemoryQueue>()

  /** @internal */
  get(name: string): MemoryQueue {
    let queue = this.queues.get(name)
    if (queue === undefined) this.queues.set(name, (queue = new MemoryQueue()))
    return queue
  }
}

/**
 * Makes an empty state.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeState = (): MemoryQueues => new MemoryQueues()

/**
 * Makes a driver over a state.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDriver = (state: MemoryQueues): WorkQueueDriver["Service"] => {
  /** One step, that nothing can come between; then whoever waits hears of it. */
  const atomically = <A>(
    settings: QueueSettings,
    f: (queue: MemoryQueue) => A,
    changeOf?: (answer: A) => Change
  ): Effect.Effect<A> =>
    Effect.sync(() => {
      const queue = state.get(settings.name)
      const answer = f(queue)
      if (changeOf !== undefined) queue.tell(changeOf(answer))
      return answer
    })

  return WorkQueueDriver.of({
    offer: (settings, items, now) =>
      atomically(
        settings,
        (queue) => items.map((item) => queue.offer(settings, item, now)),
        () => ({ ready: true, settled: [] })
      ),
    claim: (settings, options) => atomically(settings, (queue) => queue.claim(settings, options)),
    start: (settings, claims) => atomically(settings, (queue) => claims.map((claim) => queue.start(claim))),
    extend: (settings, claims, until) =>
      atomically(settings, (queue) => claims.map((claim) => queue.extend(claim, until))),
    settle: (settings, settled, now) =>
      atomically(
        settings,
        (queue) => settled.map((each) => queue.settle(settings, each, now)),
        () => ({ ready: true, settled: settled.map(({ id }) => id) })
      ),
    find: (settings, ids, now) => atomically(settings, (queue) => ids.map((id) => queue.find(id, now))),
    deadItems: (settings, page) => atomically(settings, (queue) => queue.deadItems(page)),
    redrive: (settings, ids, now) =>
      atomically(
        settings,
        (queue) => ids.filter((id) => queue.redrive(settings, id, now)),
        () => ({ ready: true, settled: [] })
      ),
    discard: (settings, ids, now) =>
      atomically(settings, (queue) => ids.filter((id) => queue.discard(settings, id, now))),
    stats: (settings, now) => atomically(settings, (queue) => queue.stats(now)),
    onChange: (settings, listener) => {
      const { listeners } = state.get(settings.name)
      return Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => listeners.add(listener)),
          () => Effect.sync(() => listeners.delete(listener))
        )
      )
    }
  })
}

/**
 * Work queues over the given state.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOf = (state: MemoryQueues): Layer.Layer<WorkQueueDriver> =>
  Layer.sync(WorkQueueDriver, () => makeDriver(state))

/**
 * Work queues over a fresh state for each build.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<WorkQueueDriver> = Layer.suspend(() => layerOf(makeState()))
