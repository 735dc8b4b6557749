/** What every backend wires, and how: the stores differ, all else is the same. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Engine } from "../durable/Engine.ts"
import * as JournalEngine from "../durable/JournalEngine.ts"
import type { EngineError } from "../durable/RunError.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreDriver } from "../event-store/EventStoreDriver.ts"
import { EventStoreError, StoreUnavailable } from "../event-store/EventStoreError.ts"
import * as EventBus from "../events/EventBus.ts"
import * as Lease from "../persistence/Lease.ts"
import type { Persistence, PersistenceError } from "../persistence/Persistence.ts"
import type { WorkQueueDriver } from "../queues/WorkQueueDriver.ts"
import type { WorkQueueError } from "../queues/WorkQueueError.ts"
import * as ProcessLiveness from "./ProcessLiveness.ts"

/** The log, the documents and the work queues. */
export type Stores = EventStore | EventStoreDriver | Persistence | WorkQueueDriver

/** Everything that a deployment provides. */
export type Services = Engine | EventBus.EventBus | Stores

/** A deployment of processes that know whether another one on their machine is gone. */
export const make = <R>(
  stores: Layer.Layer<Stores, EventStoreError, R>,
  options: JournalEngine.Options | undefined
): Layer.Layer<Services, EventStoreError | EngineError, R> =>
  Layer.merge(JournalEngine.layer(options), EventBus.layer).pipe(
    Layer.provideMerge(stores),
    Layer.provideMerge(Layer.succeed(Lease.CurrentLiveness, ProcessLiveness.make()))
  )

/** The error of a backend, whichever part of it could not be opened. */
export const orStoreError = <A, R>(
  part: Layer.Layer<A, PersistenceError | WorkQueueError, R>
): Layer.Layer<A, EventStoreError, R> => Layer.catch(part, (cause) => Layer.effectContext(Effect.fail(errorOf(cause))))

const errorOf = (cause: PersistenceError | WorkQueueError): EventStoreError => {
  const { message, operation, retryable } = cause
  return new EventStoreError({ reason: new StoreUnavailable({ operation, retryable, detail: message, cause }) })
}
