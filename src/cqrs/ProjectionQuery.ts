/**
 * Asks a projection: typed documents, how far it has come, and waiting until it has come far enough.
 *
 * Needs the stores alone, so any process may ask, whether it runs the projection or not.
 *
 * **Gotchas**
 *
 * While the first documents of a new version are built, those of the version before it are served, as far as the new
 * schema can read them; else asking fails with `ProjectionNotReady`.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Position } from "../event-store/Envelope.ts"
import { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import { type Document, Persistence, PersistenceError } from "../persistence/Persistence.ts"
import { filterOf, type Projection } from "./Projection.ts"
import * as ProjectionCatalogue from "./ProjectionCatalogue.ts"
import { PositionNotReached, type ProjectionFailed, ProjectionNotReady } from "./ProjectionError.ts"
import * as ViewDocuments from "./ViewDocuments.ts"

/**
 * Values that a field is compared with: its own if they are plain, or their JSON.
 *
 * @category models
 * @since 0.1.0
 */
export type Wanted<Value> = [Value] extends [string | number | boolean | null | undefined]
  ? Exclude<Value, undefined> | null
  : Schema.Json

/**
 * Which views to find, in which order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Find<View> {
  /** Keep views whose top-level field equals the value, or one of the values. */
  readonly where?: { readonly [K in keyof View & string]?: Wanted<View[K]> | ReadonlyArray<Wanted<View[K]>> }
  /** Then by id. Default: by id. */
  readonly orderBy?: keyof View & string
  readonly descending?: boolean
  /** Default 100. */
  readonly limit?: number
  /** The `next` of the page before, with everything else as it was. Pages shift when documents come and go meanwhile. */
  readonly cursor?: string
}

/**
 * A page of views.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page<View> {
  readonly views: ReadonlyArray<{ readonly id: string; readonly view: View }>
  /** Where the next page begins. Left out: there is none. */
  readonly next?: string
}

/**
 * How a projection stands.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  /** The generation that serves this version. Left out: its first one is being built. */
  readonly generation?: number
  /** All events up to here have taken effect. */
  readonly position: Position
  /** Positions of the log behind it, if something of the projection is among them. 0: it is up to date. */
  readonly lag: number
  /** It stands still, before the event named. */
  readonly failure?: ProjectionFailed
}

type QueryError = ProjectionNotReady | PersistenceError

/**
 * Asks one projection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProjectionQuery<View> {
  readonly get: (id: string) => Effect.Effect<View | undefined, QueryError>
  readonly find: (options?: Find<View>) => Effect.Effect<Page<View>, QueryError>
  /**
   * Waits until all events up to a position, such as that of a command's answer, have taken effect. Fails when the
   * projection stands still before it, or after the `timeout`, by default 5 seconds.
   */
  readonly awaitPosition: (
    position: Position,
    options?: { readonly timeout?: Duration.Input }
  ) => Effect.Effect<void, PositionNotReached | ProjectionFailed | PersistenceError | EventStoreError>
  readonly status: Effect.Effect<Status, PersistenceError | EventStoreError>
}

/** How often to look whether a projection that runs elsewhere has come further. */
const lookAgain = Effect.sleep("25 millis")

/**
 * Makes the questions to a projection, on the stores in the context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <View, Event extends { readonly _tag: string }>(
  projection: Projection<View, Event>
): Effect.Effect<ProjectionQuery<View>, never, EventStore | Persistence> => makeWith(projection, () => Effect.never)

/** As `make`, and looks again at once after a change that this process knows of. `nextChange` is called before a look. */
export const makeWith = Effect.fnUntraced(function* <View, Event extends { readonly _tag: string }>(
  projection: Projection<View, Event>,
  nextChange: () => Effect.Effect<void>
): Effect.fn.Return<ProjectionQuery<View>, never, EventStore | Persistence> {
  const stores = { store: yield* EventStore, persistence: yield* Persistence }
  const views = new Views(projection, stores.persistence)
  const progress = new Progress(projection, { ...stores, nextChange })
  return {
    get: (id) => views.get(id),
    find: (options) => views.find(options ?? {}),
    awaitPosition: (position, options) =>
      Effect.timeoutOrElse(progress.awaitPosition(position), {
        duration: options?.timeout ?? "5 seconds",
        orElse: () =>
          Effect.flatMap(progress.read, ({ checkpoint }) =>
            Effect.fail(new PositionNotReached({ projection: projection.name, position, reached: checkpoint.position }))
          )
      }),
    status: progress.status
  }
})

/** The documents of the generation that serves. */
class Views<View, Event extends { readonly _tag: string }> {
  private readonly projection: Projection<View, Event>
  private readonly persistence: Persistence["Service"]
  private readonly documents: ViewDocuments.ViewDocuments<View, Event>
  private readonly notReady: ProjectionNotReady
  constructor(projection: Projection<View, Event>, persistence: Persistence["Service"]) {
    this.projection = projection
    this.persistence = persistence
    this.documents = ViewDocuments.make(projection)
    this.notReady = new ProjectionNotReady({ projection: projection.name, version: projection.version })
  }

  get(id: string): Effect.Effect<View | undefined, QueryError> {
    return Effect.gen({ self: this }, function* () {
      const from = yield* this.serving
      const document = yield* this.persistence.get(ProjectionCatalogue.collectionOf(from), id)
      return document === undefined ? undefined : yield* this.read(from, document)
    })
  }

  find({ cursor, limit = 100, where, ...order }: Find<View>): Effect.Effect<Page<View>, QueryError> {
    return Effect.gen({ self: this }, function* () {
      const from = yield* this.serving
      const offset = cursor === undefined ? 0 : Number(cursor)
      if (!Number.isSafeInteger(offset) || offset < 0) return yield* badCursor(this.projection.name, cursor)
      const found = yield* this.persistence.query(ProjectionCatalogue.collectionOf(from), {
        ...order,
        where: { ...(where as { readonly [field: string]: Schema.Json }), ...this.documents.where },
        // One more, to know whether there is another page.
        limit: limit + 1,
        offset
      })
      const views = yield* Effect.forEach(found.slice(0, limit), (document) =>
        Effect.map(this.read(from, document), (view) => ({ id: document.id, view: view as View }))
      )
      return { views, ...(found.length > limit && { next: String(offset + limit) }) }
    })
  }

  /** The version's own documents, or those of the newest version before it. */
  private get serving(): Effect.Effect<ProjectionCatalogue.Generation, QueryError> {
    const { name, version } = this.projection
    return Effect.flatMap(pointerOf(this.persistence, name), ({ serving }) => {
      const versions = Object.keys(serving).map(Number)
      const newest = Math.max(...versions.filter((one) => one <= version))
      const generation = serving[newest]
      return generation === undefined
        ? Effect.fail(this.notReady)
        : Effect.succeed({ name, version: newest, generation })
    })
  }

  private read(from: ProjectionCatalogue.Generation, document: Document): Effect.Effect<View | undefined, QueryError> {
    const { name, version } = this.projection
    return Effect.mapBoth(this.documents.read(document), {
      onSuccess: ({ view }) => view,
      onFailure: (cause) =>
        from.version < version
          ? this.notReady
          : new PersistenceError({
              operation: `decode document "${document.id}" of projection "${name}"`,
              retryable: false,
              cause
            })
    })
  }
}

/** How far the version has come. */
class Progress<View, Event extends { readonly _tag: string }> {
  private readonly projection: Projection<View, Event>
  private readonly filter: ReturnType<typeof filterOf>
  private readonly options: {
    readonly store: EventStore["Service"]
    readonly persistence: Persistence["Service"]
    readonly nextChange: () => Effect.Effect<void>
  }
  constructor(projection: Projection<View, Event>, options: Progress<View, Event>["options"]) {
    this.projection = projection
    this.filter = filterOf(projection)
    this.options = options
  }

  /** The checkpoint of the generation that serves, or else of the first one. */
  get read() {
    const { name, version } = this.projection
    const { persistence } = this.options
    return Effect.gen(function* () {
      const { serving } = yield* pointerOf(persistence, name)
      const generation = serving[version]
      const checkpoint = ProjectionCatalogue.checkpoint({ name, version, generation: generation ?? 0 })
      return { generation, checkpoint: yield* Effect.provideService(checkpoint, Persistence, persistence) }
    })
  }

  awaitPosition(position: Position) {
    const { nextChange, store } = this.options
    return Effect.gen({ self: this }, function* () {
      while (true) {
        const changed = Effect.race(nextChange(), lookAgain)
        const { checkpoint, generation } = yield* this.read
        if (generation !== undefined && checkpoint.position >= position) return
        // Events of others may lie between the last commit and the position.
        const head = yield* store.head
        const pending = yield* this.firstPending(checkpoint.position)
        const isPassed = head >= position && (pending === undefined || pending > position)
        if (generation !== undefined && isPassed) return
        if (checkpoint.failure !== undefined) return yield* checkpoint.failure
        yield* changed
      }
    })
  }

  get status(): Effect.Effect<Status, PersistenceError | EventStoreError> {
    return Effect.gen({ self: this }, function* () {
      const { checkpoint, generation } = yield* this.read
      const { failure, position } = checkpoint
      const head = yield* this.options.store.head
      const pending = yield* this.firstPending(position)
      return {
        position,
        lag: pending === undefined ? 0 : head - position,
        ...(generation !== undefined && { generation }),
        ...(failure && { failure })
      }
    })
  }

  private firstPending(after: Position) {
    const next = this.options.store.readAll({ after, max: 1, ...this.filter })
    return Effect.map(Stream.runHead(next), (first) => (Option.isSome(first) ? first.value.position : undefined))
  }
}

const pointerOf = (persistence: Persistence["Service"], name: string) =>
  Effect.provideService(ProjectionCatalogue.pointer(name), Persistence, persistence)

const badCursor = (projection: string, cursor: string | undefined) =>
  Effect.fail(
    new PersistenceError({
      operation: `find views of projection "${projection}"`,
      retryable: false,
      detail: `"${cursor}" is not the end of a page`,
      cause: new Error("unknown cursor")
    })
  )
