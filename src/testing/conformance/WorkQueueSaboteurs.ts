/** Drivers of work queues that each break one invariant, to prove that `WorkQueueConformance` would notice. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryWorkQueue from "../../queues/MemoryWorkQueue.ts"
import { type NewItem, type QueueSettings, WorkQueueDriver } from "../../queues/WorkQueueDriver.ts"
import { makeMeeting } from "./meeting.ts"
import type { Saboteur } from "./Saboteur.ts"
import { ReopenQueues } from "./WorkQueueFixtures.ts"

type Driver = WorkQueueDriver["Service"]

const saboteur = (
  invariant: string,
  name: string,
  sabotage: (honest: Driver) => Partial<Driver>
): Saboteur<WorkQueueDriver> => ({
  invariant,
  name,
  sabotage: (honest) =>
    Layer.flatMap(honest, (services) => {
      const driver = Context.get(services, WorkQueueDriver)
      return Layer.succeedContext(Context.add(services, WorkQueueDriver, { ...driver, ...sabotage(driver) }))
    })
})

/** Every item is rewritten before the honest driver sees it. */
const rewriting =
  (f: (item: NewItem) => NewItem) =>
  (honest: Driver): Partial<Driver> => ({
    offer: (queue, items, now) => honest.offer(queue, items.map(f), now)
  })

/** Every call is made as if the queue were another one. */
const withSettings = (honest: Driver, f: (queue: QueueSettings) => QueueSettings): Partial<Driver> => ({
  offer: (queue, ...rest) => honest.offer(f(queue), ...rest),
  claim: (queue, ...rest) => honest.claim(f(queue), ...rest),
  start: (queue, ...rest) => honest.start(f(queue), ...rest),
  settle: (queue, ...rest) => honest.settle(f(queue), ...rest)
})

/**
 * One for each invariant.
 *
 * @category testing
 * @since 0.1.0
 */
export const all: ReadonlyArray<Saboteur<WorkQueueDriver>> = [
  saboteur("W1", "does not know an item again", (honest) => {
    let offers = 0
    return rewriting((item) => ({ ...item, id: `${item.id}#${offers++}` }))(honest)
  }),

  saboteur("W2", "counts only what is not in flight", (honest) => ({
    offer: (queue, items, now) =>
      Effect.flatMap(honest.stats(queue, now), ({ inFlight }) =>
        honest.offer({ ...queue, capacity: queue.capacity + inFlight }, items, now)
      )
  })),

  saboteur(
    "W3",
    "takes a low number for a high priority",
    rewriting((item) => ({ ...item, priority: -item.priority }))
  ),

  saboteur(
    "W4",
    "rounds instants down",
    rewriting((item) => ({ ...item, availableAt: Math.floor(item.availableAt / 1000) * 1000 }))
  ),

  saboteur("W5", "lets the next of a key begin while a retry waits", (honest) => ({
    settle: (queue, settled, now) =>
      Effect.gen(function* () {
        const results = yield* honest.settle(queue, settled, now)
        const waits = settled.some(({ settlement }) => settlement._tag === "Retry")
        // One slot more makes the next of each key ready, whatever the limit is afterwards.
        if (waits) yield* honest.offer({ ...queue, keyConcurrency: 2 }, [nudge], now)
        return results
      })
  })),

  saboteur(
    "W6",
    "forgets an idempotency key a little early",
    rewriting((item) =>
      item.idempotency === undefined
        ? item
        : { ...item, idempotency: { ...item.idempotency, until: item.idempotency.until - 1 } }
    )
  ),

  saboteur("W7", "looks, lets others in, and takes", (honest) => {
    const meet = makeMeeting()
    return {
      claim: (queue, options) =>
        Effect.gen(function* () {
          const peeked = yield* honest.claim(queue, { ...options, until: options.now })
          yield* meet(queue.name)
          yield* honest.claim(queue, options)
          return peeked
        })
    }
  }),

  saboteur("W8", "believes whoever claims to hold an item", (honest) => {
    const tokens = new Map<string, number>()
    const newest = <C extends { readonly id: string; readonly token: number }>(claims: ReadonlyArray<C>) =>
      claims.map((claim) => ({ ...claim, token: tokens.get(claim.id) ?? claim.token }))
    return {
      claim: (queue, options) =>
        Effect.tap(honest.claim(queue, options), ({ deliveries }) =>
          Effect.sync(() => {
            for (const { id, token } of deliveries) tokens.set(id, token)
          })
        ),
      start: (queue, claims) => honest.start(queue, newest(claims)),
      extend: (queue, claims, until) => honest.extend(queue, newest(claims), until),
      settle: (queue, settled, now) => honest.settle(queue, newest(settled), now)
    }
  }),

  saboteur("W9", "counts an attempt when an item is claimed", (honest) => ({
    claim: (queue, options) =>
      Effect.gen(function* () {
        const claimed = yield* honest.claim(queue, options)
        yield* honest.start(queue, claimed.deliveries)
        return claimed
      })
  })),

  saboteur("W10", "hands back by failing", (honest) => ({
    settle: (queue, settled, now) =>
      honest.settle(
        queue,
        settled.map((claim) =>
          claim.settlement._tag === "HandBack"
            ? { ...claim, settlement: { _tag: "Retry", availableAt: now + 1 } }
            : claim
        ),
        now
      )
  })),

  saboteur("W11", "keeps an outcome for ever", (honest) => ({
    settle: (queue, settled, now) => honest.settle({ ...queue, retention: forEver }, settled, now)
  })),

  saboteur("W12", "redrives beyond its capacity", (honest) => ({
    redrive: (queue, ids, now) => honest.redrive({ ...queue, capacity: plenty }, ids, now)
  })),

  saboteur("W13", "lets each call spend the whole rate", (honest) => ({
    claim: (queue, options) => {
      const { rate, ...unlimited } = queue
      return honest.claim(unlimited, { ...options, max: Math.min(options.max, rate?.limit ?? Infinity) })
    }
  })),

  saboteur("W14", "counts what is delayed as queued", (honest) => ({
    stats: (queue, now) =>
      Effect.map(honest.stats(queue, now), (stats) => ({
        ...stats,
        queued: stats.queued + stats.delayed,
        delayed: 0
      }))
  })),

  {
    invariant: "W15",
    name: "acknowledges items it has not kept",
    sabotage: (honest) =>
      Layer.flatMap(honest, (services) =>
        Layer.succeedContext(Context.add(services, ReopenQueues, Layer.fresh(MemoryWorkQueue.layer)))
      )
  },

  saboteur("W16", "takes what stands before a colon for the name", (honest) =>
    withSettings(honest, (queue) => ({ ...queue, name: queue.name.split(":")[0]! }))
  )
]

/** An offer that only moves the line of its key. */
const nudge: NewItem = { id: "nudge", body: "nudge", key: "a", priority: -1, availableAt: 0 }

/** Beyond whatever a check waits for or offers; finite, for a server takes no other. */
const forEver = 1e12
const plenty = 1_000_000
