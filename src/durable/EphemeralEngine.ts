/**
 * The engine without a home: everything is remembered in this process and gone with it. For scripts and tests.
 *
 * It is the journal engine over memory, so that a program meets the same semantics everywhere.
 */
import * as Layer from "effect/Layer"
import * as EventStore from "../event-store/EventStore.ts"
import * as MemoryEventStore from "../event-store/MemoryEventStore.ts"
import type { Persistence } from "../persistence/Persistence.ts"
import * as MemoryPersistence from "../persistence/MemoryPersistence.ts"
import type { Engine } from "./Engine.ts"
import * as JournalEngine from "./JournalEngine.ts"

/**
 * The engine, and the stores it keeps to itself, over fresh memory for each build. Stops at once unless `grace` is given.
 *
 * @category layers
 * @stability stable
 * @since 0.1.0
 */
export const layer = (options: JournalEngine.Options = {}): Layer.Layer<Engine | EventStore.EventStore | Persistence> =>
  JournalEngine.layer({ grace: 0, ...options }).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        EventStore.layer.pipe(
          Layer.provide(Layer.suspend(() => MemoryEventStore.layerDriverOf(MemoryEventStore.makeState())))
        ),
        Layer.suspend(() => MemoryPersistence.layerOf(MemoryPersistence.makeState()))
      )
    ),
    Layer.orDie
  )
