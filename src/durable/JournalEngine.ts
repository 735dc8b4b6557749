/**
 * The engine: runs are journaled in the event store, and recovered from it.
 *
 * Invariants (checked by `test/durable/`):
 *
 *   N1. A run that was accepted ends, whichever process carries it out.
 *   N2. A recorded step is never run again.
 *   N3. Two owners never both record: the second one's claim fences the first.
 *   N4. A signal that was stored is received once, in order, around any crash.
 *
 * What a crash loses: nothing that was acknowledged. A step under way is unknown (see `StepExecution`).
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { StoredEvent } from "../event-store/Envelope.ts"
import * as EventId from "../event-store/EventId.ts"
import { EventStore } from "../event-store/EventStore.ts"
import * as Lease from "../persistence/Lease.ts"
import { Persistence } from "../persistence/Persistence.ts"
import * as Commands from "./Commands.ts"
import { DroppedRuns } from "./DroppedRuns.ts"
import { type Definition, Engine, type StartOptions } from "./Engine.ts"
import { LiveRun } from "./LiveRun.ts"
import type { RunEnd } from "./RunEnd.ts"
import * as Recovery from "./Recovery.ts"
import { Registrations } from "./Registrations.ts"
import * as RunCatalogue from "./RunCatalogue.ts"
import { EngineError, EngineStopped, type RunLost, type RunNotFound } from "./RunError.ts"
import * as RunHistory from "./RunHistory.ts"
import { engineError, RunReader } from "./RunReader.ts"
import { runStream } from "./RunJournal.ts"
import * as RunStart from "./RunStart.ts"

export interface Options {
  /**
   * Other owners wait so long for a silent one. It is renewed, and others' are looked at, three times in that time.
   * Default 15 seconds.
   */
  readonly lease?: Duration.Input
  /** How long a replayed program may take to ask for the next recorded answer. Default 2 seconds. */
  readonly replayPatience?: Duration.Input
  /** So long, when the engine stops, are steps under way let finish. What is not recorded by then runs again. Default 10 seconds. */
  readonly grace?: Duration.Input
  /** Runs that are recovered at a time. Default 64. */
  readonly recoveryConcurrency?: number
  /** Forget all memory at every answer and replay: proves that a program is deterministic. For tests. */
  readonly alwaysReplay?: boolean
}

const defaultGrace: Duration.Input = "10 seconds"

class JournalEngine {
  private readonly registrations = new Registrations()
  private readonly live = new Map<string, LiveRun>()
  /** Runs between two launches here: not live, and yet nobody else's to take. */
  private readonly replacing = new Set<string>()
  /** Runs that are being taken over: nobody here shall claim them again, and so fence the first claim. */
  private readonly claiming = new Set<string>()
  private readonly waiting = new Map<string, Deferred.Deferred<RunEnd, RunLost>>()
  private readonly dropped: DroppedRuns
  /** Definitions are unregistered one by one: the first begins what all share. */
  private graceEnds: number | undefined
  private readonly nextId = EventId.make()
  private readonly store: typeof EventStore.Service
  private readonly services: Recovery.Services
  private readonly reader: RunReader
  private readonly lease: Lease.Lease
  private readonly options: Options
  private readonly patience: Duration.Duration
  private readonly fork: (effect: Effect.Effect<void>) => unknown

  constructor(
    services: Recovery.Services & { readonly reader: RunReader; readonly context: Context.Context<never> },
    options: Options
  ) {
    this.fork = Effect.runForkWith(services.context)
    this.store = services.store
    this.services = services
    this.reader = services.reader
    this.lease = services.lease
    this.dropped = new DroppedRuns(services.lease.owner)
    this.options = options
    this.patience = Duration.fromInputUnsafe(options.replayPatience ?? "2 seconds")
  }

  // ------------------------------------------------------------------ port

  readonly register = (definition: Definition) =>
    Effect.gen({ self: this }, function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          this.graceEnds = undefined
          return this.registrations.add(definition)
        }),
        (registration) => this.unregister(registration)
      )
      yield* Recovery.abandoned(this.services, definition.name).pipe(
        Effect.flatMap((runs) => this.takeOverAll(runs)),
        engineError(`recover the runs of "${definition.name}"`)
      )
    })

  readonly start = (options: StartOptions): Effect.Effect<boolean, EngineError> => {
    const { definition, definitionVersion, runId } = options
    const { epoch, owner } = this.lease
    this.lease.keep()
    const accept = (at: number, id: string) => {
      const program = this.registrations.find(definition, definitionVersion)
      const { event, history } = RunStart.make(options, { at, epoch, id, owner })
      // Live before it is accepted: a signal may be sent to it as soon as it is.
      const run = program === undefined || this.live.has(runId) ? undefined : this.prepare(program, runId, history)
      return Effect.matchCauseEffect(this.store.append(runStream(runId), [event], "NoStream"), {
        onSuccess: (_) => {
          if (program === undefined) return Effect.succeed(true)
          // Without `run`, another start of the same run was prepared first, and came second.
          return Effect.as(run ? this.begin(runId, run) : this.launch(program, runId, history), true)
        },
        onFailure: (cause) => {
          this.withdraw(runId, run)
          const error = Cause.findErrorOption(cause)
          if (error._tag === "Some" && error.value._tag === "VersionConflict") return Effect.succeed(false)
          // The store may have it all the same.
          this.dropped.add(runId)
          return Effect.failCause(cause)
        }
      })
    }
    const started = Effect.withFiber((fiber) => {
      const at = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
      return accept(at, this.nextId(at, fiber.getRef(Random.Random)))
    })
    return Effect.uninterruptible(started).pipe(engineError(`start run "${runId}"`))
  }

  readonly await = (runId: string): Effect.Effect<RunEnd, RunLost | RunNotFound> => {
    const here = this.waiting.get(runId)
    if (here !== undefined) return Deferred.await(here)
    return this.reader.end(runId)
  }

  // ------------------------------------------------------------- recovery

  /** Looks for runs that were left behind meanwhile: by others that are gone, and by ourselves when the store failed. */
  readonly adopt: Effect.Effect<void, EngineError> = Effect.gen({ self: this }, function* () {
    yield* this.takeOverAll([
      ...(yield* Recovery.leftBehind(this.services)),
      ...(yield* this.dropped.found(this.services.catalogue))
    ])
  }).pipe(engineError("look for abandoned runs"))

  /** All of them, also if one cannot be taken over: then fails for the first such. */
  private takeOverAll(runs: ReadonlyArray<RunCatalogue.RunSummary>) {
    const concurrency = this.options.recoveryConcurrency ?? 64
    const exits = Effect.forEach(runs, (run) => Effect.exit(this.takeOver(run)), { concurrency })
    return Effect.flatMap(exits, (exits) => exits.find(Exit.isFailure) ?? Effect.void)
  }

  private takeOver(run: RunCatalogue.RunSummary) {
    const { runId } = run
    return Effect.suspend(() => {
      this.dropped.remove(runId)
      const definition = this.registrations.find(run.definition, run.definitionVersion)
      if (definition === undefined || this.isOurs(runId) || this.claiming.has(runId)) return Effect.void
      this.lease.keep()
      this.claiming.add(runId)
      return Recovery.claim(this.services, run).pipe(
        Effect.flatMap((history) => {
          if (history !== undefined && !this.isOurs(runId)) return this.launch(definition, runId, history)
          // Ours in the log, and yet perhaps not carried out: a late append of ours, or a start of it, was in between.
          if (history !== undefined || run.owner === this.lease.owner) this.dropped.add(runId)
          return Effect.void
        }),
        // The claim may be in the log all the same.
        Effect.onError(() => Effect.sync(() => this.dropped.add(runId))),
        Effect.ensuring(Effect.sync(() => void this.claiming.delete(runId)))
      )
    }).pipe(Effect.uninterruptible)
  }

  private readonly isOurs = (runId: string): boolean => this.live.has(runId) || this.replacing.has(runId)

  // ------------------------------------------------------------- carrying out

  /** Begins a run that has a history. */
  private launch(definition: Definition, runId: string, history: RunHistory.RunHistory) {
    // The registration may have left while the run was claimed or read.
    if (!this.registrations.has(definition)) return Effect.sync(() => this.leave(runId))
    const run = this.prepare(definition, runId, history)
    // Stored before it is delivered, delivered to whoever is live: reading after `prepare` misses nothing.
    const delivered = Effect.onError(Commands.deliverAll(this.store, run, this.fork), () =>
      Effect.sync(() => this.withdraw(runId, run))
    )
    return Effect.andThen(delivered, this.begin(runId, run))
  }

  private begin(runId: string, run: LiveRun): Effect.Effect<void> {
    // Lost while it was accepted.
    if (this.live.get(runId) !== run) return Effect.void
    if (!this.waiting.has(runId)) this.waiting.set(runId, Deferred.makeUnsafe())
    return run.start()
  }

  /** A run that was prepared and is another's, or none. */
  private withdraw(runId: string, run: LiveRun | undefined): void {
    if (run !== undefined && this.live.get(runId) === run) this.live.delete(runId)
  }

  private prepare(definition: Definition, runId: string, history: RunHistory.RunHistory): LiveRun {
    const run = new LiveRun({
      store: this.store,
      identity: {
        runId,
        definition: definition.name,
        definitionVersion: history.definitionVersion,
        correlationId: history.correlationId ?? runId,
        epoch: this.lease.epoch,
        goesOnFrom: history.goesOnFrom
      },
      history,
      program: definition.program,
      startMarkers: definition.startMarkers,
      patience: this.patience,
      alwaysReplay: this.options.alwaysReplay ?? false,
      onEnd: (end) => this.settle(runId, Exit.succeed(end)),
      onLost: (lost) => {
        if (lost._tag === "EngineError" || lost._tag === "EngineStopped") this.dropped.add(runId)
        this.settle(runId, Exit.fail(lost))
      },
      onReplaced: () => this.replace(definition, runId)
    })
    this.registrations.assign(run, definition)
    this.live.set(runId, run)
    return run
  }

  /** Passes on what the log says to the run that it is for, if that is carried out here. */
  readonly hear = (event: StoredEvent): void => {
    if (event.type === "RunRecovered") return this.taken(event)
    const runId = Commands.targetOf(event)
    const run = runId === undefined ? undefined : this.live.get(runId)
    if (run !== undefined) Commands.deliver(run, event, this.fork)
  }

  /** Somebody else has claimed a run: it need not come to an append to learn that it is fenced (N3). */
  private taken(recovered: StoredEvent): void {
    const { owner } = recovered.data as { readonly owner: string }
    const { runId } = recovered.meta
    if (owner !== this.lease.owner && runId !== undefined) this.live.get(runId)?.fence()
  }

  /** Leaves a run as it is, for another registration here or for another engine. */
  private leave(runId: string): void {
    this.dropped.add(runId)
    this.settle(runId, Exit.fail(new EngineStopped({ runId })))
  }

  private settle(runId: string, exit: Exit.Exit<RunEnd, RunLost>): void {
    this.live.delete(runId)
    const deferred = this.waiting.get(runId)
    this.waiting.delete(runId)
    if (deferred !== undefined) Deferred.doneUnsafe(deferred, exit)
  }

  /** Begins the run anew from its stream, under the same owner. */
  private replace(definition: Definition, runId: string): void {
    this.live.delete(runId)
    this.replacing.add(runId)
    const relaunch = Effect.gen({ self: this }, function* () {
      const history = RunHistory.fold(yield* this.store.readArray(runStream(runId)))
      if (history !== undefined) yield* this.launch(definition, runId, history)
    }).pipe(Effect.ensuring(Effect.sync(() => void this.replacing.delete(runId))))
    this.fork(
      Effect.catchCause(relaunch, (cause) =>
        Effect.sync(() => {
          this.dropped.add(runId)
          this.settle(runId, Exit.fail(new EngineError({ operation: `replay run "${runId}"`, cause })))
        })
      )
    )
  }

  /** Takes no more work of this definition: what it carries out goes on with whoever takes over, which may be another one here. */
  private unregister(definition: Definition): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.registrations.remove(definition)
      return this.stopRuns([...this.live.values()].filter((run) => this.registrations.of(run) === definition))
    })
  }

  readonly stop: Effect.Effect<void> = Effect.suspend(() => this.stopRuns([...this.live.values()]))

  /** Lets the steps under way be recorded, then leaves the runs as they are. */
  private stopRuns(runs: ReadonlyArray<LiveRun>): Effect.Effect<void> {
    const all = { concurrency: "unbounded", discard: true } as const
    const drained = Effect.forEach(runs, (run) => run.drain(), all)
    const stopped = Effect.forEach(runs, (run) => run.stop(), all)
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      this.graceEnds ??= now + Duration.toMillis(Duration.fromInputUnsafe(this.options.grace ?? defaultGrace))
      if (this.graceEnds <= now) return stopped
      // Not the other way round: an engine stops in a fiber that was interrupted, where nothing interruptible runs.
      const patiently = Effect.timeoutOption(Effect.interruptible(drained), this.graceEnds - now)
      return Effect.andThen(patiently, stopped)
    })
  }
}

/**
 * The engine over an event store and a document store.
 *
 * **Details** Closing the layer stops every run where it stands and undoes nothing: the runs go on at the next start.
 *
 * @category layers
 * @stability stable
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Engine, EngineError, EventStore | Persistence> =>
  Layer.effect(
    Engine,
    Effect.gen(function* () {
      const store = yield* EventStore
      const persistence = yield* Persistence
      const duration = Duration.fromInputUnsafe(options.lease ?? "15 seconds")
      const catalogue = yield* RunCatalogue.make(store, persistence)
      const lease = yield* Lease.acquire(persistence, { name: "engine", duration })
      const liveness = yield* Lease.CurrentLiveness
      const reader = new RunReader(store, catalogue)
      const engine = new JournalEngine(
        { store, persistence, catalogue, reader, lease, liveness, context: yield* Effect.context<never>() },
        options
      )
      let heard = yield* store.head
      const types = [...Commands.commandTags, "RunRecovered"]
      yield* Stream.suspend(() => store.subscribe({ after: heard, types })).pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => {
            heard = event.position
            engine.hear(event)
          })
        ),
        Effect.retry(Schedule.spaced("1 second")),
        Effect.forkScoped
      )
      yield* engine.adopt.pipe(
        // Whatever it is: this must go on for as long as the engine lives (N1).
        Effect.catchCause((cause) => Effect.logWarning("could not look for abandoned runs", cause)),
        Effect.schedule(Schedule.spaced(Duration.times(duration, 1 / 3))),
        Effect.forkScoped
      )
      // Added last, so run first: while the runs stop, signals are still heard and the lease is still renewed.
      yield* Effect.addFinalizer(() => engine.stop)
      return Engine.of({
        owner: lease.owner,
        register: engine.register,
        start: engine.start,
        await: (runId) => Effect.suspend(() => engine.await(runId)),
        signal: (runId, { id, name, payload }) =>
          Commands.send(store, runId, {
            ...(id === undefined ? {} : { id }),
            type: "SignalSent",
            data: { signal: name, payload }
          }),
        cancel: (runId, reason) =>
          Commands.send(store, runId, { type: "CancelRequested", data: reason === undefined ? {} : { reason } }),
        pause: (runId) => Commands.send(store, runId, { type: "PauseRequested", data: {} }),
        resume: (runId) => Commands.send(store, runId, { type: "ResumeRequested", data: {} }),
        list: reader.list,
        get: reader.get,
        events: reader.events
      })
    }).pipe(engineError("start"))
  )
