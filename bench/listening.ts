/** Two ways to hear the events of the log, for benchmarks to compare. */
import type { Effect, Scope } from "effect"
import { EventBus, type EventStore, type Persistence, type StoredEvent, Subscriber } from "tutti"

/** What must be there to listen. */
export type Stores = EventStore.EventStore | Persistence | EventBus.EventBus

interface Handler {
  readonly handleAll: (heard: ReadonlyArray<StoredEvent>) => Effect.Effect<void>
}

/** Begins to listen, for as long as the scope lives. */
export type Listen = (handler: Handler) => Effect.Effect<unknown, unknown, Stores | Scope.Scope>

/** On the bus: nothing is stored about what was heard. */
export const listener: Listen = (handler) =>
  EventBus.EventBus.use((bus) => bus.subscribe({ name: "listener", handler }))

/** Durable: it owns partitions by lease, and stores a checkpoint. */
export const subscriber: Listen = (handler) =>
  Subscriber.start(Subscriber.make("subscriber", { handler, start: "end", buffer: 4096 }))
