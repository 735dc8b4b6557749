/** Small things that the checks of `WorkQueueConformance` are written with: one queue, seen from a producer and a worker. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import {
  type Claim,
  type Delivery,
  type NewItem,
  type OfferOutcome,
  type QueueSettings,
  type Settlement,
  WorkQueueDriver
} from "../../queues/WorkQueueDriver.ts"
import type { WorkQueueError } from "../../queues/WorkQueueError.ts"
import { uniqueName } from "./Conformance.ts"

/**
 * How to open the same data again, as another process would. Default: there is nothing to open again.
 *
 * @category testing
 * @since 0.1.0
 */
export const ReopenQueues = Context.Reference<Layer.Layer<WorkQueueDriver, WorkQueueError> | undefined>(
  "tutti/testing/conformance/WorkQueue/Reopen",
  { defaultValue: () => undefined }
)

/** An instant after 1970, as clocks show, so that none of the others of a check is negative. */
export const start = 1_000_000

/** Far beyond all other instants of a check. */
export const late = start + 1_000_000_000

/** Items are named by their bodies; ids are made unique with the name of the queue. */
export const fixture = (settings: Partial<QueueSettings> = {}, name?: string) =>
  Effect.gen(function* () {
    const driver = yield* WorkQueueDriver
    const queue: QueueSettings = {
      name: name ?? (yield* uniqueName("conformance/queue")),
      capacity: 1000,
      keyConcurrency: 1,
      retention: 60_000,
      ...settings
    }
    const idOf = (body: string) => `${queue.name}/${body}`
    const item = (body: string, options: Partial<NewItem> = {}): NewItem => ({
      id: idOf(body),
      body,
      priority: 0,
      availableAt: start,
      ...options
    })
    const claim = (max: number, now = start, until = now + 1000) =>
      Effect.map(driver.claim(queue, { max, until, now }), ({ deliveries }) => deliveries)
    const settle = (claims: ReadonlyArray<Claim>, settlement: Settlement, now = start) =>
      driver.settle(
        queue,
        claims.map(({ id, token }) => ({ id, token, settlement })),
        now
      )
    return {
      driver,
      queue,
      idOf,
      item,
      offer: (items: ReadonlyArray<NewItem>, now = start) => driver.offer(queue, items, now),
      claim,
      /** Claims, and says what. */
      take: (max: number, now = start) => Effect.map(claim(max, now), bodies),
      start: (claims: ReadonlyArray<Claim>) => driver.start(queue, claims),
      settle,
      succeed: (claims: ReadonlyArray<Claim>, now = start) => settle(claims, { _tag: "Succeeded", value: null }, now),
      die: (claims: ReadonlyArray<Claim>, now = start) => settle(claims, death, now),
      /** The outcomes of items by their bodies; `"Unfinished"`, or `"Unknown"`. */
      look: (names: ReadonlyArray<string>, now = start) =>
        Effect.map(driver.find(queue, names.map(idOf), now), (states) =>
          states.map((state) => {
            if (state === undefined) return "Unknown"
            return state._tag === "Settled" ? state.outcome : state._tag
          })
        ),
      dead: Effect.map(driver.deadItems(queue, { offset: 0, limit: 100 }), (dead) => dead.map(({ body }) => body))
    }
  })

export const death = { _tag: "Died", reason: "Failed", detail: "boom", error: { code: 7 } } as const
export const bodies = (deliveries: ReadonlyArray<Delivery>) => deliveries.map(({ body }) => body)
export const tags = (outcomes: ReadonlyArray<OfferOutcome>) => outcomes.map(({ _tag }) => _tag)
/** Handlers started, and failures, as a worker is told. */
export const counts = (deliveries: ReadonlyArray<Delivery>) =>
  deliveries.map(({ attempts, failures }) => [attempts, failures])
