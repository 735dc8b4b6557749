/**
 * Keeps a projection up to date in the background, and builds it anew when it must be.
 *
 * Documents belong to a generation. A new version, or `rebuild`, makes a new generation from the first event on, while
 * the one before it serves; once it has caught up, one conditional put lets it serve instead.
 *
 * Invariants (checked by `test/cqrs/ProjectionRunner.test.ts`):
 *
 *   V1. Each event takes effect once, whatever crashes and however many processes run the projection.
 *   V2. Documents are what folding the log up to the checkpoint gives.
 *   V3. Queries never see a generation that has not caught up, nor a mixture of two.
 *   V4. No event is skipped: a projection that cannot take one stands still before it and says so, in the log of the
 *       program and in its status.
 *   V5. A version that the stores do not know is built by itself; those before it go on serving those who ask for them.
 *   V6. `awaitPosition` succeeds only when all events up to the position have taken effect.
 *
 * **Gotchas**
 *
 * Several processes may run one projection: one works, the others stand by and take over when nothing moves.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import { index, Persistence, type PersistenceError } from "../persistence/Persistence.ts"
import type { Projection } from "./Projection.ts"
import * as ProjectionCatalogue from "./ProjectionCatalogue.ts"
import { ProjectionFailed } from "./ProjectionError.ts"
import * as ProjectionFollower from "./ProjectionFollower.ts"
import * as ProjectionQuery from "./ProjectionQuery.ts"
import { patience } from "../events/Patience.ts"

/**
 * How a projection is run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Events per commit while it catches up. Default 500. */
  readonly batchSize?: number
  /** Documents kept in memory. Default 10,000. */
  readonly remembered?: number
  /** When to try an event again that it cannot take. Default: 3 times, from 100 milliseconds on, doubling. */
  readonly retry?: Schedule.Schedule<unknown>
  /** How long nothing must move before a process that stands by takes over. Default 1 second. */
  readonly standby?: Duration.Input
  /** How long retired documents are kept for those who are reading them. Default 1 minute. */
  readonly retain?: Duration.Input
}

/**
 * A projection that is kept up to date.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProjectionRunner<View> extends ProjectionQuery.ProjectionQuery<View> {
  /** Builds all documents anew, while the present ones serve; then switches. */
  readonly rebuild: Effect.Effect<void, ProjectionFailed | PersistenceError | EventStoreError>
  /** Goes on with the event it stands still before. A rebuild and a restart of the process do so, too. */
  readonly resume: Effect.Effect<void>
  /** Deletes documents that serve nobody: those retired, and those of lower versions. To be called when no process asks for them any more. */
  readonly prune: Effect.Effect<void, PersistenceError>
}

const defaultRetry = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 }))

/**
 * Runs a projection until the scope closes.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* <View, Event extends { readonly _tag: string }>(
  projection: Projection<View, Event>,
  options: Options = {}
): Effect.fn.Return<ProjectionRunner<View>, never, EventStore | Persistence | Scope.Scope> {
  const services = yield* Effect.context<EventStore | Persistence>()
  const scope = yield* Effect.scope
  const commits = makeSignal()
  const mayGoOn = yield* Latch.make(true)
  const runner = new Runner(projection, options, { mayGoOn, onCommit: commits.notify })

  yield* Effect.andThen(mayGoOn.await, runner.keepUp).pipe(
    Effect.forever,
    Effect.tapError((error) => Effect.logError(`Projection "${projection.name}" cannot reach its stores`, error)),
    Effect.retry(patience),
    Effect.forkScoped
  )
  yield* Effect.forkScoped(runner.pruneRetired)

  return {
    ...(yield* ProjectionQuery.makeWith(projection, commits.next)),
    rebuild: runner.rebuild.pipe(
      Effect.andThen(mayGoOn.open),
      Effect.andThen(Effect.forkIn(runner.pruneRetired, scope)),
      Effect.asVoid,
      Effect.provideContext(services)
    ),
    resume: Effect.asVoid(mayGoOn.open),
    prune: Effect.provideContext(runner.prune, services)
  }
})

class Runner<View, Event extends { readonly _tag: string }> {
  private readonly projection: Projection<View, Event>
  private readonly options: Options
  private readonly own: { readonly mayGoOn: Latch.Latch; readonly onCommit: () => void }
  constructor(
    projection: Projection<View, Event>,
    options: Options,
    own: { readonly mayGoOn: Latch.Latch; readonly onCommit: () => void }
  ) {
    this.projection = projection
    this.options = options
    this.own = own
  }

  /** Follows the generation that serves, until there is a reason to look again. */
  get keepUp() {
    return Effect.gen({ self: this }, function* () {
      const { name, version } = this.projection
      const of = { name, version, generation: (yield* this.serving) ?? 0 }
      const follower = yield* this.follow(of)
      const end = yield* Effect.flip(Effect.andThen(follower.build, Effect.andThen(follower.catchUp, follower.live)))
      if (end === "Overtaken") yield* this.standBy(of)
      else if (end === "Retired") {
        // Retired for another generation; or on the way to being deleted, and now wanted again.
        const serving = yield* this.serving
        if (serving === undefined || serving === of.generation) yield* ProjectionCatalogue.remove(of)
      } else if (end instanceof ProjectionFailed) {
        yield* Effect.logError(end.message, end)
        yield* this.own.mayGoOn.close
        // It is not written down: it must come to the event again, for nobody could see why it stands still (V4).
        yield* Effect.onError(follower.standStill(end), () => this.own.mayGoOn.open)
      } else return yield* end
    }).pipe(Effect.catchIf(isInterference, () => Effect.void))
  }

  get rebuild() {
    return Effect.gen({ self: this }, function* () {
      const { name, version } = this.projection
      const of = { name, version, generation: yield* ProjectionCatalogue.nextGeneration(name, version) }
      while (true) {
        const end = yield* Effect.flatMap(this.follow(of), (follower) => follower.build).pipe(
          Effect.as("Built" as const),
          Effect.catchIf(isInterference, Effect.succeed)
        )
        if (end !== "Overtaken") return
        yield* this.standBy(of)
      }
    })
  }

  get pruneRetired() {
    return Effect.gen({ self: this }, function* () {
      const retired = yield* ProjectionCatalogue.outdated(this.projection.name, 0)
      if (retired.length === 0) return
      yield* Effect.sleep(this.options.retain ?? "1 minute")
      yield* Effect.forEach(retired, ProjectionCatalogue.remove, { discard: true })
    }).pipe(Effect.catch((error) => Effect.logWarning(`Could not prune projection "${this.projection.name}"`, error)))
  }

  get prune() {
    const { name, version } = this.projection
    return Effect.flatMap(ProjectionCatalogue.outdated(name, version), (outdated) =>
      Effect.forEach(outdated, ProjectionCatalogue.remove, { discard: true })
    )
  }

  private get serving() {
    const { name, version } = this.projection
    return Effect.map(ProjectionCatalogue.pointer(name), ({ serving }) => serving[version])
  }

  private follow(of: ProjectionCatalogue.Generation) {
    const { options, projection } = this
    return Effect.gen({ self: this }, function* () {
      if (projection.index.length > 0) yield* index(ProjectionCatalogue.collectionOf(of), projection.index)
      return yield* ProjectionFollower.make(projection, of, {
        batchSize: options.batchSize ?? 500,
        remembered: options.remembered ?? 10_000,
        retry: options.retry ?? defaultRetry,
        onCommit: this.own.onCommit
      })
    })
  }

  /** Waits for as long as somebody else gets on with it. */
  private standBy(of: ProjectionCatalogue.Generation) {
    return Effect.gen({ self: this }, function* () {
      let before = yield* ProjectionCatalogue.checkpoint(of)
      while (true) {
        yield* Effect.sleep(this.options.standby ?? "1 second")
        const now = yield* ProjectionCatalogue.checkpoint(of)
        if (now.stored === before.stored) return
        before = now
      }
    })
  }
}

const isInterference = (error: unknown): error is ProjectionFollower.Interference =>
  error === "Retired" || error === "Overtaken"

/** Tells whoever waits of the next commit. What happens between a `next` and its wait is not missed. */
const makeSignal = () => {
  let count = 0
  const waiting = new Set<() => void>()
  return {
    notify: () => {
      count++
      const woken = [...waiting]
      waiting.clear()
      for (const wake of woken) wake()
    },
    next: (): Effect.Effect<void> => {
      const seen = count
      return Effect.callback((resume) => {
        if (count !== seen) return resume(Effect.void)
        // Yields first: the runner must not carry out what others waited for.
        const wake = () => resume(Effect.yieldNow)
        waiting.add(wake)
        return Effect.sync(() => waiting.delete(wake))
      })
    }
  }
}
