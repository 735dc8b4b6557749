/**
 * Drivers that each break one invariant, to prove that the conformance suite would notice.
 *
 * Each decorates an honest driver; a suite that passes on one of them has lost its teeth.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StoredEvent, StreamId } from "../../event-store/Envelope.ts"
import { type AppendOutcome, type AppendRequest, EventStoreDriver, holds } from "../../event-store/EventStoreDriver.ts"
import type { EventStoreError } from "../../event-store/EventStoreError.ts"
import * as MemoryEventStore from "../../event-store/MemoryEventStore.ts"
import * as MemoryPersistence from "../../persistence/MemoryPersistence.ts"
import { Persistence } from "../../persistence/Persistence.ts"
import { Reopen } from "./EventStoreConformance.ts"

type Driver = EventStoreDriver["Service"]
type Documents = Persistence["Service"]

/**
 * A broken driver, and the invariant the suite must name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Saboteur<Service> {
  readonly invariant: string
  readonly name: string
  readonly layer: Layer.Layer<Service>
}

const saboteur = (
  invariant: string,
  name: string,
  sabotage: (honest: Driver) => Partial<Driver>
): Saboteur<EventStoreDriver> => sharing(invariant, name, sabotage)

/** A broken driver whose documents are those of the `Persistence` beside it, which its sabotage sees, too. */
const sharing = (
  invariant: string,
  name: string,
  sabotage: (honest: Driver, documents: Documents) => Partial<Driver>
): Saboteur<EventStoreDriver | Persistence> => ({
  invariant,
  name,
  layer: Layer.effectContext(
    Effect.sync(() => {
      const state = MemoryPersistence.makeState()
      const documents = MemoryPersistence.make(state)
      const honest = MemoryEventStore.makeDriver(MemoryEventStore.makeState(), state)
      return Context.make(EventStoreDriver, { ...honest, ...sabotage(honest, documents) }).pipe(
        Context.add(Persistence, documents)
      )
    })
  )
})

/** A driver whose batches are rewritten, request by request, before the honest one sees them. */
const rewriting =
  (f: (request: AppendRequest, honest: Driver) => Effect.Effect<AppendRequest, EventStoreError>) =>
  (honest: Driver): Partial<Driver> => ({
    append: (requests) =>
      one(requests, (request) => Effect.flatMap(f(request, honest), (rewritten) => appendOne(honest, rewritten)))
  })

const one = (
  requests: ReadonlyArray<AppendRequest>,
  f: (request: AppendRequest) => Effect.Effect<AppendOutcome, EventStoreError>
) => Effect.forEach(requests, f)

const appendOne = (honest: Driver, request: AppendRequest): Effect.Effect<AppendOutcome, EventStoreError> =>
  Effect.map(honest.append([request]), ([outcome]) => outcome!)

const reads = (
  honest: Driver,
  f: (events: ReadonlyArray<StoredEvent>) => ReadonlyArray<StoredEvent>
): Partial<Driver> => ({
  read: (stream, options) => Effect.map(honest.read(stream, options), f)
})

/**
 * At least one broken driver for each invariant of `EventStoreConformance`.
 *
 * @category testing
 * @since 0.1.0
 */
export const eventStoreSaboteurs: ReadonlyArray<Saboteur<EventStoreDriver>> = [
  saboteur("E1", "numbers versions from 0", (honest) =>
    reads(honest, (events) => events.map((event) => ({ ...event, version: event.version - 1 })))
  ),

  saboteur(
    "E2",
    "tears an append: its last event is lost",
    rewriting((request) =>
      Effect.succeed({ ...request, events: request.events.slice(0, Math.max(1, request.events.length - 1)) })
    )
  ),

  saboteur("E3", "yields between check and write", (honest) => ({
    append: (requests) =>
      one(requests, (request) =>
        Effect.gen(function* () {
          const version = yield* honest.version(request.stream)
          yield* Effect.yieldNow
          const expected = holds(request.expected, version) ? "Any" : request.expected
          return yield* appendOne(honest, { ...request, expected })
        })
      )
  })),

  saboteur(
    "E4",
    "accepts an expectation that is too high",
    rewriting((request, honest) =>
      Effect.map(honest.version(request.stream), (version) =>
        typeof request.expected === "number" && request.expected > version ? { ...request, expected: version } : request
      )
    )
  ),

  saboteur("E5", "does not know an event again", (honest) => {
    let appends = 0
    return rewriting((request) =>
      Effect.sync(() => {
        const unique = `#${appends++}`
        return { ...request, events: request.events.map((event) => ({ ...event, id: event.id + unique })) }
      })
    )(honest)
  }),

  saboteur(
    "E6",
    "stores the events of an append in reverse",
    rewriting((request) => Effect.succeed({ ...request, events: request.events.toReversed() }))
  ),

  saboteur("E7", "loses the last event of a full page", (honest) => ({
    readAll: (options) =>
      Effect.map(honest.readAll(options), (page) =>
        page.length > 1 && page.length === options.max ? page.slice(1) : page
      )
  })),

  saboteur("E8", "claims a head that is not written yet", (honest) => ({
    head: Effect.map(honest.head, (head) => head + 1)
  })),

  saboteur("E9", "gives up a batch at its first conflict", (honest) => ({
    append: (requests) => {
      let failed: AppendOutcome | undefined
      return one(requests, (request) =>
        failed !== undefined
          ? Effect.succeed(failed)
          : Effect.tap(appendOne(honest, request), (outcome) =>
              Effect.sync(() => {
                if ("_tag" in outcome) failed = outcome
              })
            )
      )
    }
  })),

  saboteur("E10", "reads backwards from the wrong end", (honest) => ({
    read: (stream, options) =>
      options.direction === "backwards"
        ? Effect.map(honest.read(stream, { ...options, direction: "forwards" }), (events) => events.toReversed())
        : honest.read(stream, options)
  })),

  saboteur("E11", "counts the events it has kept", (honest) => ({
    version: (stream) => Effect.map(honest.read(stream, {}), (events) => events.length)
  })),

  saboteur("E12", "gives a deleted name away again", (honest) => {
    const generations = new Map<string, number>()
    const current = (stream: StreamId) => `${stream}${"+".repeat(generations.get(stream) ?? 0)}` as StreamId
    return {
      append: (requests) => honest.append(requests.map((request) => ({ ...request, stream: current(request.stream) }))),
      read: (stream, options) => honest.read(current(stream), options),
      version: (stream) => honest.version(current(stream)),
      delete: (stream, expected) =>
        Effect.tap(honest.delete(current(stream), expected), () =>
          Effect.sync(() => generations.set(stream, (generations.get(stream) ?? 0) + 1))
        )
    }
  }),

  {
    invariant: "E13",
    name: "acknowledges appends it has not kept",
    layer: Layer.merge(
      MemoryEventStore.layerDriver,
      Layer.succeedContext(Context.make(Reopen, Layer.fresh(MemoryEventStore.layerDriver)))
    )
  },

  saboteur("E14", "folds the case of stream names", (honest) => ({
    append: (requests) =>
      honest.append(requests.map((request) => ({ ...request, stream: request.stream.toLowerCase() as StreamId }))),
    read: (stream, options) => honest.read(stream.toLowerCase() as StreamId, options)
  })),

  sharing("E15", "puts the documents before it looks at the events", (honest, documents) => ({
    append: (requests) =>
      one(requests, ({ documents: puts = [], ...request }) =>
        Effect.andThen(Effect.orDie(documents.putAll(puts)), appendOne(honest, request))
      )
  })),

  sharing("E15", "keeps the events when a document conflicts", (honest) => ({
    append: (requests) =>
      one(requests, (request) =>
        Effect.tap(appendOne(honest, request), (outcome) => {
          const { documents: _, ...rest } = request
          return "_tag" in outcome && outcome._tag === "DocumentConflict" ? appendOne(honest, rest) : Effect.void
        })
      )
  })),

  sharing("E15", "puts the documents of a duplicate again", (honest, documents) => ({
    append: (requests) =>
      one(requests, (request) =>
        Effect.tap(appendOne(honest, request), (outcome) =>
          "duplicate" in outcome && outcome.duplicate
            ? Effect.orDie(documents.putAll(request.documents ?? []))
            : Effect.void
        )
      )
  }))
]
