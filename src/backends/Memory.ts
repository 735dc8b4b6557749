/**
 * Everything in the memory of one process: for tests, scripts and simulations.
 *
 * Tables: none. Nothing survives the process, unless a test keeps the state
 * with `makeState` and builds a second runtime over it with `layerOf`: see
 * `docs/reference/memory.md`.
 */
import * as Layer from "effect/Layer"
import * as EventStore from "../event-store/EventStore.ts"
import * as JournalEngine from "../durable/JournalEngine.ts"
import * as MemoryEventStore from "../event-store/MemoryEventStore.ts"
import * as EventBus from "../events/EventBus.ts"
import * as MemoryPersistence from "../persistence/MemoryPersistence.ts"
import * as MemoryWorkQueue from "../queues/MemoryWorkQueue.ts"
import * as Deployment from "./Deployment.ts"

/**
 * All that a memory deployment remembers.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryState {
  readonly events: MemoryEventStore.MemoryState
  readonly documents: MemoryPersistence.MemoryDocuments
  readonly queues: MemoryWorkQueue.MemoryQueues
}

/**
 * Makes an empty state.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeState = (): MemoryState => ({
  events: MemoryEventStore.makeState(),
  documents: MemoryPersistence.makeState(),
  queues: MemoryWorkQueue.makeState()
})

/**
 * How the log is batched, and how the engine works.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends EventStore.Options {
  readonly engine?: JournalEngine.Options
}

/** Everything that a deployment provides. */
export type Services = Deployment.Services

/**
 * A deployment over the given state: drop a runtime, build another, and it finds what the first one acknowledged.
 * Stops at once unless `grace` is given.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOf = (state: MemoryState, options: JournalEngine.Options = {}): Layer.Layer<Services> =>
  deployed(storesOf(state), options)

/**
 * The stores of a deployment, without an engine.
 *
 * @category layers
 * @since 0.1.0
 */
export const storesOf = (state: MemoryState, options: EventStore.Options = {}): Layer.Layer<Deployment.Stores> =>
  Layer.mergeAll(
    EventStore.layerWith(options).pipe(
      Layer.provideMerge(MemoryEventStore.layerDriverOf(state.events, state.documents))
    ),
    MemoryPersistence.layerOf(state.documents),
    MemoryWorkQueue.layerOf(state.queues)
  )

/**
 * A deployment over a fresh state for each build.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Services> = Layer.suspend(() => layerOf(makeState()))

/**
 * As `layer`, in the form of the other backends' `layerConfig`: a program that chooses its backend by name calls the same
 * function of each. There is nothing to read from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (options: Options = {}): Layer.Layer<Services> =>
  Layer.suspend(() => deployed(storesOf(makeState(), options), options.engine))

const deployed = (stores: Layer.Layer<Deployment.Stores>, options: JournalEngine.Options = {}): Layer.Layer<Services> =>
  Layer.merge(JournalEngine.layer({ lease: "1 hour", grace: 0, ...options }), EventBus.layer).pipe(
    Layer.orDie,
    Layer.provideMerge(stores)
  )
