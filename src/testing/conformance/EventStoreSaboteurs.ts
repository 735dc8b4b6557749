/** Event stores that each break one invariant, to prove that `EventStoreConformance` would notice. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { StoredEvent, StreamId } from "../../event-store/Envelope.ts"
import * as EventStore from "../../event-store/EventStore.ts"
import { type AppendOutcome, type AppendRequest, EventStoreDriver, holds } from "../../event-store/EventStoreDriver.ts"
import type { EventStoreError } from "../../event-store/EventStoreError.ts"
import * as MemoryEventStore from "../../event-store/MemoryEventStore.ts"
import { Persistence } from "../../persistence/Persistence.ts"
import { Reopen } from "./EventStoreConformance.ts"
import { makeMeeting } from "./meeting.ts"
import type { Saboteur } from "./Saboteur.ts"

type Driver = EventStoreDriver["Service"]

/**
 * Breaks one invariant of an event store. It is given the driver; E15 wants the `Persistence` beside it, too.
 *
 * @category models
 * @since 0.1.0
 */
export type EventStoreSaboteur = Saboteur<EventStoreDriver, EventStore.EventStore | EventStoreDriver>

/** Of an honest driver, what the broken one does in its place. */
type Sabotage = (honest: Driver, services: Context.Context<EventStoreDriver>) => Partial<Driver>

/** The log above the driver is a new one, so that nothing goes past the sabotage. */
const saboteur = (invariant: string, name: string, sabotage: Sabotage): EventStoreSaboteur => ({
  invariant,
  name,
  sabotage: (honest) =>
    Layer.flatMap(honest, (services) => {
      const driver = Context.get(services, EventStoreDriver)
      const broken = Context.add(services, EventStoreDriver, { ...driver, ...sabotage(driver, services) })
      return Layer.provideMerge(EventStore.layer, Layer.succeedContext(broken))
    })
})

/** Breaks what becomes of documents. A driver without any is broken by saying that it has some. */
const carrying = (
  name: string,
  sabotage: (honest: Driver, documents: Persistence["Service"]) => Partial<Driver>
): EventStoreSaboteur =>
  saboteur("E15", name, (honest, services) => {
    const documents = Context.getOption(services, Persistence)
    return honest.documents && Option.isSome(documents) ? sabotage(honest, documents.value) : { documents: true }
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
 * At least one for each invariant.
 *
 * @category testing
 * @since 0.1.0
 */
export const all: ReadonlyArray<EventStoreSaboteur> = [
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

  saboteur("E3", "lets others in between check and write", (honest) => {
    const meet = makeMeeting()
    return {
      append: (requests) =>
        one(requests, (request) =>
          Effect.gen(function* () {
            const version = yield* honest.version(request.stream)
            yield* meet(request.stream)
            const expected = holds(request.expected, version) ? "Any" : request.expected
            return yield* appendOne(honest, { ...request, expected })
          })
        )
    }
  }),

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

  saboteur("E7", "loses the first event of a full page", (honest) => ({
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
    sabotage: (honest) =>
      Layer.flatMap(honest, (services) => {
        const nothing = Layer.fresh(MemoryEventStore.layerDriver)
        return Layer.provideMerge(EventStore.layer, Layer.succeedContext(Context.add(services, Reopen, nothing)))
      })
  },

  saboteur("E14", "folds the case of stream names", (honest) => ({
    append: (requests) =>
      honest.append(requests.map((request) => ({ ...request, stream: request.stream.toLowerCase() as StreamId }))),
    read: (stream, options) => honest.read(stream.toLowerCase() as StreamId, options)
  })),

  carrying("puts the documents before it looks at the events", (honest, documents) => ({
    append: (requests) =>
      one(requests, ({ documents: puts = [], ...request }) =>
        Effect.andThen(Effect.orDie(documents.putAll(puts)), appendOne(honest, request))
      )
  })),

  carrying("keeps the events when a document conflicts", (honest) => ({
    append: (requests) =>
      one(requests, (request) =>
        Effect.tap(appendOne(honest, request), (outcome) => {
          const { documents: _, ...rest } = request
          return "_tag" in outcome && outcome._tag === "DocumentConflict" ? appendOne(honest, rest) : Effect.void
        })
      )
  })),

  carrying("puts the documents of a duplicate again", (honest, documents) => ({
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
