/**
 * Keeps one generation of a projection up to date from the log.
 *
 * Each batch of events is one commit: the documents it changes and the checkpoint behind it, each conditional on the
 * version it was made from. So an event takes effect once, however many processes try and wherever they crash.
 */
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Position, StoredEvent } from "../event-store/Envelope.ts"
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

/** Makes a follower that begins at the stored checkpoint. */
export const make = Effect.fnUntraced(function* <View, Event extends { readonly _tag: string }>(
  projection: Projection<View, Event>,
  of: ProjectionCatalogue.Generation,
  options: Options
): Effect.fn.Return<ProjectionFollower<View, Event>, PersistenceError, EventStore | Persistence> {
  const stores = { store: yield* EventStore, persistence: yield* Persistence }
  const checkpoint = yield* ProjectionCatalogue.checkpoint(of)
  return new ProjectionFollower(projection, of, { ...options, ...stores, checkpoint })
})

interface Made extends Options {
  readonly store: EventStore["Service"]
  readonly persistence: Persistence["Service"]
  readonly checkpoint: ProjectionCatalogue.Checkpoint
}

/** Follows the log for one generation. */
export class ProjectionFollower<View, Event extends { readonly _tag: string }> {
  private readonly of: ProjectionCatalogue.Generation
  private readonly options: Made
  private readonly filter: ReturnType<typeof filterOf>
  private readonly documents: ViewDocuments.ViewDocuments<View, Event>
  private readonly working: WorkingSet<View, Event>
  private checkpoint: ProjectionCatalogue.Checkpoint

  constructor(projection: Projection<View, Event>, of: ProjectionCatalogue.Generation, options: Made) {
    this.of = of
    this.options = options
    this.checkpoint = options.checkpoint
    this.filter = filterOf(projection)
    this.documents = ViewDocuments.make(projection)
    this.working = new WorkingSet({
      documents: this.documents,
      persistence: options.persistence,
      projection,
      collection: ProjectionCatalogue.collectionOf(of),
      capacity: options.remembered
    })
  }

  /** Commits all that is in the log by now. */
  get catchUp(): Effect.Effect<void, FollowerError> {
    const { batchSize, store } = this.options
    return Effect.gen({ self: this }, function* () {
      while (true) {
        // Read first: whatever lies up to it is then on the page, or does not concern the projection.
        const head = yield* store.head
        const { position } = this.checkpoint
        const page = yield* Stream.runCollect(store.readAll({ after: position, max: batchSize, ...this.filter }))
        yield* this.take(page)
        if (page.length === batchSize) continue
        if (head > this.checkpoint.position) yield* this.commit([], head)
        return
      }
    })
  }

  /** Catches up, and lets the generation serve if it does not yet. */
  get build(): Effect.Effect<void, FollowerError> {
    return Effect.gen({ self: this }, function* () {
      if (this.checkpoint.phase === "Retired") return yield* Effect.fail("Retired" as const)
      while (this.checkpoint.phase === "Building") {
        yield* this.catchUp
        const served = yield* this.catalogue(ProjectionCatalogue.serve(this.of, this.checkpoint))
        if (served === "Served") this.advance({ ...this.checkpoint, phase: "Serving" })
        else if (served === "Conflict") yield* this.conflict
      }
    })
  }

  /** Commits what comes. */
  get live(): Effect.Effect<never, FollowerError> {
    return Effect.suspend(() => {
      const events = this.options.store.subscribe({ after: this.checkpoint.position, ...this.filter })
      return Effect.andThen(
        Stream.runForEachArray(events, (page) => this.take(page)),
        Effect.never
      )
    })
  }

  /** Writes down why it stands still, for all to see. */
  standStill(failure: ProjectionFailed): Effect.Effect<void, FollowerError> {
    return Effect.gen({ self: this }, function* () {
      const put = ProjectionCatalogue.checkpointPut(this.of, { ...this.checkpoint, failure })
      if (yield* this.options.persistence.putAll([put])) this.advance(this.checkpoint)
      else yield* this.conflict
    })
  }

  private take(page: ReadonlyArray<StoredEvent>): Effect.Effect<void, FollowerError> {
    const fresh = page.filter(({ position }) => position > this.checkpoint.position)
    const last = fresh.at(-1)
    if (last === undefined) return Effect.void
    return Effect.catchIf(
      this.commit(fresh, last.position),
      (error) => error instanceof ProjectionFailed,
      () => this.commitSingly(fresh)
    )
  }

  /** One event after the other, to find the one that cannot be taken, and to take those before it. */
  private commitSingly(page: ReadonlyArray<StoredEvent>): Effect.Effect<void, FollowerError> {
    const { retry } = this.options
    const one = (stored: StoredEvent) =>
      Effect.retry(this.commit([stored], stored.position), {
        while: (error) => error instanceof ProjectionFailed,
        schedule: retry
      })
    return Effect.forEach(page, one, { discard: true })
  }

  private commit(page: ReadonlyArray<StoredEvent>, position: Position): Effect.Effect<void, FollowerError> {
    const { persistence } = this.options
    return Effect.gen({ self: this }, function* () {
      const events = yield* this.documents.decode(page)
      while (true) {
        const puts = yield* this.working.fold(events)
        const { phase, stored } = this.checkpoint
        const next = { position, phase, stored }
        if (yield* persistence.putAll([...puts, ProjectionCatalogue.checkpointPut(this.of, next)])) {
          this.working.committed()
          return this.advance(next)
        }
        yield* this.conflict
      }
    }).pipe(Effect.tapCause(() => Effect.sync(() => this.working.clear())))
  }

  /** What is remembered is not true any more: finds out why. */
  private get conflict(): Effect.Effect<void, FollowerError> {
    return Effect.gen({ self: this }, function* () {
      this.working.clear()
      const before = this.checkpoint
      this.checkpoint = yield* this.catalogue(ProjectionCatalogue.checkpoint(this.of))
      const isGone = this.checkpoint.stored < before.stored
      if (isGone || this.checkpoint.phase === "Retired") return yield* Effect.fail("Retired" as const)
      // Otherwise a document was changed by an inline append: what is read again may be put.
      if (this.checkpoint.stored > before.stored) return yield* Effect.fail("Overtaken" as const)
    })
  }

  /** The checkpoint was put as this. */
  private advance({ phase, position, stored }: ProjectionCatalogue.Checkpoint): void {
    this.checkpoint = { position, phase, stored: stored + 1 }
    this.options.onCommit()
  }

  private catalogue<A, E>(effect: Effect.Effect<A, E, Persistence>): Effect.Effect<A, E> {
    return Effect.provideService(effect, Persistence, this.options.persistence)
  }
}
