/**
 * Keeps one generation of a projection up to date from the log.
 *
 * Each batch of events is one commit: the documents it changes and the checkpoint behind it, each conditional on the
 * version it was made from. So an event takes effect once, however many processes try and wherever they crash.
 */
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { StoredEvent } from "../event-store/Envelope.ts"
import { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import { Persistence, type PersistenceError } from "../persistence/Persistence.ts"
import { filterOf, type Projection } from "./Projection.ts"
import * as ProjectionCatalogue from "./ProjectionCatalogue.ts"
import { ProjectionFailed } from "./ProjectionError.ts"
import * as ViewDocuments from "./ViewDocuments.ts"
import { WorkingSet } from "./WorkingSet.ts"

/** `Retired`: another generation serves. `Overtaken`: somebody else keeps this one up to date. */
export type Interference = "Retired" | "Overtaken"

/** Why a follower ends. */
export type FollowerError = Interference | ProjectionFailed | PersistenceError | EventStoreError

/** How a generation is followed. */
export interface Options {
  /** Events per commit. */
  readonly batchSize: number
  /** Documents kept in memory between commits. */
  readonly remembered: number
  /** When to try an event again that the projection cannot take. */
  readonly retry: Schedule.Schedule<unknown>
  /** Called after each commit. */
  readonly onCommit: () => void
}

/** Follows the log for one generation. */
export interface ProjectionFollower {
  /** Commits all that is in the log by now. */
  readonly catchUp: Effect.Effect<void, FollowerError>
  /** Catches up, and lets the generation serve if it does not yet. */
  readonly build: Effect.Effect<void, FollowerError>
  /** Commits what comes. */
  readonly live: Effect.Effect<never, FollowerError>
  /** Writes down why it stands still, for all to see. */
  readonly standStill: (failure: ProjectionFailed) => Effect.Effect<void, FollowerError>
}

/** Makes a follower that begins at the stored checkpoint. */
export const make = Effect.fnUntraced(function* <View, Event extends { readonly _tag: string }>(
  projection: Projection<View, Event>,
  of: ProjectionCatalogue.Generation,
  options: Options
): Effect.fn.Return<ProjectionFollower, PersistenceError, EventStore | Persistence> {
  const store = yield* EventStore
  const persistence = yield* Persistence
  const withPersistence = Effect.provideService(Persistence, persistence)
  const filter = filterOf(projection)
  const documents = ViewDocuments.make(projection)
  const collection = ProjectionCatalogue.collectionOf(of)
  const working = new WorkingSet({
    documents,
    persistence,
    projection: projection.name,
    collection,
    capacity: options.remembered
  })
  const readCheckpoint = withPersistence(ProjectionCatalogue.checkpoint(of))
  let checkpoint = yield* readCheckpoint

  /** What is remembered is not true any more: finds out why. */
  const conflict = Effect.gen(function* () {
    working.clear()
    const before = checkpoint
    checkpoint = yield* readCheckpoint
    if (checkpoint.phase === "Retired") return yield* Effect.fail("Retired" as const)
    // Otherwise a document was changed by an inline append: what is read again may be put.
    if (checkpoint.stored !== before.stored) return yield* Effect.fail("Overtaken" as const)
  })

  /** One commit. */
  const commit = (page: ReadonlyArray<StoredEvent>, position: number): Effect.Effect<void, FollowerError> =>
    Effect.gen(function* () {
      const events: Array<ViewDocuments.ProjectedEvent<Event>> = []
      for (const stored of page) {
        const projected = yield* documents.decodeEvent(stored)
        if (projected !== undefined) events.push(projected)
      }
      while (true) {
        const puts = yield* working.fold(events)
        const { phase, stored } = checkpoint
        const next = ProjectionCatalogue.checkpointPut(of, { position, phase, stored })
        if (yield* persistence.putAll([...puts, next])) {
          working.committed()
          checkpoint = { position, phase, stored: stored + 1 }
          return options.onCommit()
        }
        yield* conflict
      }
    }).pipe(Effect.tapCause(() => Effect.sync(() => working.clear())))

  /** One event after the other, to find the one that cannot be taken, and to take those before it. */
  const commitSingly = (page: ReadonlyArray<StoredEvent>) =>
    Effect.forEach(
      page,
      (stored) =>
        Effect.retry(commit([stored], stored.position), {
          while: (error) => error instanceof ProjectionFailed,
          schedule: options.retry
        }),
      { discard: true }
    )

  const take = (page: ReadonlyArray<StoredEvent>): Effect.Effect<void, FollowerError> => {
    const fresh = page.filter(({ position }) => position > checkpoint.position)
    const last = fresh.at(-1)
    if (last === undefined) return Effect.void
    return Effect.catchIf(
      commit(fresh, last.position),
      (error) => error instanceof ProjectionFailed,
      () => commitSingly(fresh)
    )
  }

  const catchUp = Effect.gen(function* () {
    while (true) {
      // Read first: whatever lies up to it is then on the page, or does not concern the projection.
      const head = yield* store.head
      const page = yield* Stream.runCollect(
        store.readAll({ after: checkpoint.position, max: options.batchSize, ...filter })
      )
      yield* take(page)
      if (page.length === options.batchSize) continue
      if (head > checkpoint.position) yield* commit([], head)
      return
    }
  })

  return {
    catchUp,
    build: Effect.gen(function* () {
      if (checkpoint.phase === "Retired") return yield* Effect.fail("Retired" as const)
      while (checkpoint.phase === "Building") {
        yield* catchUp
        const served = yield* withPersistence(ProjectionCatalogue.serve(of, checkpoint))
        if (served) checkpoint = { ...checkpoint, phase: "Serving", stored: checkpoint.stored + 1 }
        else yield* conflict
        options.onCommit()
      }
    }),
    live: Effect.suspend(() =>
      Effect.andThen(
        Stream.runForEachArray(store.subscribe({ after: checkpoint.position, ...filter }), take),
        Effect.never
      )
    ),
    standStill: (failure) =>
      Effect.gen(function* () {
        const put = ProjectionCatalogue.checkpointPut(of, { ...checkpoint, failure })
        if (!(yield* persistence.putAll([put]))) return yield* conflict
        checkpoint = { ...checkpoint, stored: checkpoint.stored + 1 }
        options.onCommit()
      })
  }
})
