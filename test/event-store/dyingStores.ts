import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Memory from "../../src/backends/Memory.ts"
import * as EventStore from "../../src/event-store/EventStore.ts"
import type { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import type { Persistence } from "../../src/persistence/Persistence.ts"
import * as FaultStore from "../../src/testing/FaultStore.ts"

export type Stores = EventStore.EventStore | EventStoreDriver | Persistence

/** Runs on stores of its own over a state: as a process that starts, works and ends. */
export const within =
  (state: Memory.MemoryState) =>
  <A, E>(self: Effect.Effect<A, E, Stores>) =>
    Effect.provide(self, Memory.storesOf(state), { local: true })

/** Runs on stores that are empty. */
export const fresh = <A, E>(self: Effect.Effect<A, E, Stores>) => Effect.suspend(() => within(Memory.makeState())(self))

/** Stores that die before or after their n-th mutation, and do nothing from then on. */
export const dyingStores = (state: Memory.MemoryState, stop: number, when: "before" | "after") => {
  let mutations = 0
  const fault: FaultStore.Fault = () => (mutation) =>
    Effect.suspend(() => {
      mutations++
      if (mutations < stop) return mutation
      const isDone = mutations === stop && when === "after"
      return isDone ? Effect.andThen(mutation, Effect.die("crash")) : Effect.die("crash")
    })
  const faulty = FaultStore.layer(fault).pipe(Layer.provide(Memory.storesOf(state)))
  return EventStore.layer.pipe(Layer.provideMerge(faulty))
}
