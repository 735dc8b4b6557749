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
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { RunStatus } from "../core/RunLifeCycle.ts"
import type { NewEvent, StoredEvent } from "../event-store/Envelope.ts"
import { EventStore } from "../event-store/EventStore.ts"
import * as Lease from "../persistence/Lease.ts"
import { Persistence } from "../persistence/Persistence.ts"
import { type Definition, Engine, type StartOptions } from "./Engine.ts"
import { LiveRun } from "./LiveRun.ts"
import type { RunEnd } from "./RunEnd.ts"
import * as Recovery from "./Recovery.ts"
import * as RunCatalogue from "./RunCatalogue.ts"
import { EngineError, type RunLost, RunNotFound } from "./RunError.ts"
import * as RunHistory from "./RunHistory.ts"
import { engineError, RunReader } from "./RunReader.ts"
import { inboxStream, runStream } from "./RunJournal.ts"

export interface Options {
  /** Other owners wait so long for a silent one. Default 15 seconds. */
  readonly lease?: Duration.Input
  /** How long a replayed program may take to ask for the next recorded answer. Default 2 seconds. */
  readonly replayPatience?: Duration.Input
  /** Runs that are recovered at a time. Default 64. */
  readonly recoveryConcurrency?: number
  /** Forget all memory at every answer and replay: proves that a program is deterministic. For tests. */
  readonly alwaysReplay?: boolean
}

const commandTags = ["SignalSent", "CancelRequested", "PauseRequested", "ResumeRequested"] as const

class JournalEngine {
  private readonly definitions: Array<Definition> = []
  private readonly live = new Map<string, LiveRun>()
  /** Runs between two launches here: not live, and yet nobody else's to take. */
  private readonly replacing = new Set<string>()
  private readonly waiting = new Map<string, Deferred.Deferred<RunEnd, RunLost>>()
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
    this.options = options
    this.patience = Duration.fromInputUnsafe(options.replayPatience ?? "2 seconds")
  }

  // ------------------------------------------------------------------ port

  readonly register = (definition: Definition) =>
    Effect.gen({ self: this }, function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => void this.definitions.push(definition)),
        () => this.unregister(definition)
      )
      yield* this.recover(definition, RunCatalogue.openStatuses)
    })

  readonly start = (options: StartOptions): Effect.Effect<boolean, EngineError> => {
    const { definition, definitionVersion, input, key, parent, runId } = options
    const { epoch, owner } = this.lease
    const data = {
      definition,
      definitionVersion,
      input,
      ...(key === undefined ? {} : { key }),
      ...(parent === undefined ? {} : { parent }),
      owner,
      epoch
    }
    const meta = { correlationId: options.correlationId ?? runId, runId, definition, definitionVersion, epoch }
    const accept = Effect.as(
      this.store.append(runStream(runId), [{ type: "RunStarted", data, meta }], "NoStream"),
      true
    )
    return Effect.uninterruptible(
      Effect.gen({ self: this }, function* () {
        const program = this.definitionOf(definition, definitionVersion)
        const startedAt = yield* Clock.currentTimeMillis
        const history = RunHistory.fresh({ _tag: "RunStarted", ...data }, startedAt, options.correlationId)
        // Live before it is accepted: a signal may be sent to it as soon as it is.
        const run = program === undefined || this.live.has(runId) ? undefined : this.prepare(program, runId, history)
        const accepted = yield* Effect.catchTag(accept, "VersionConflict", () => Effect.succeed(false)).pipe(
          Effect.onError(() => Effect.sync(() => this.withdraw(runId, run)))
        )
        if (!accepted) this.withdraw(runId, run)
        else if (run !== undefined) yield* this.begin(runId, run)
        // Another start of the same run was prepared first, and came second.
        else if (program !== undefined) yield* this.launch(program, runId, history)
        return accepted
      })
    ).pipe(engineError(`start run "${runId}"`))
  }

  readonly await = (runId: string): Effect.Effect<RunEnd, RunLost | RunNotFound> => {
    const here = this.waiting.get(runId)
    if (here !== undefined) return Deferred.await(here)
    return this.reader.end(runId)
  }

  readonly command = (
    runId: string,
    command: NewEvent & { readonly type: (typeof commandTags)[number] }
  ): Effect.Effect<void, EngineError | RunNotFound> =>
    Effect.gen({ self: this }, function* () {
      if (!(yield* this.store.exists(runStream(runId)))) return yield* new RunNotFound({ runId })
      const meta = { runId, correlationId: runId }
      yield* this.store.append(inboxStream(runId), [{ ...command, meta }], "Any")
    }).pipe(
      Effect.catch((error) =>
        Effect.fail(
          error._tag === "RunNotFound" ? error : new EngineError({ operation: `reach run "${runId}"`, cause: error })
        )
      )
    )

  // ------------------------------------------------------------- recovery

  /** Takes over runs of a definition whose owners are gone (N3). */
  private readonly recover = (
    definition: Definition,
    status: ReadonlyArray<RunStatus>
  ): Effect.Effect<void, EngineError> =>
    Effect.flatMap(Recovery.abandoned(this.services, definition.name, status), (runs) =>
      Effect.forEach(runs, (run) => this.takeOver(definition, run), {
        concurrency: this.options.recoveryConcurrency ?? 64,
        discard: true
      })
    ).pipe(engineError(`recover the runs of "${definition.name}"`))

  /** Looks for runs that were left behind meanwhile. */
  readonly adopt: Effect.Effect<void, EngineError> = Effect.suspend(() =>
    Effect.forEach([...this.definitions], (definition) => this.recover(definition, Recovery.untried), { discard: true })
  )

  private takeOver(definition: Definition, run: RunCatalogue.RunSummary) {
    const { definitionVersion, runId } = run
    const isOurs = () => this.live.has(runId) || this.replacing.has(runId)
    if (isOurs() || this.definitionOf(run.definition, definitionVersion) !== definition) return Effect.void
    return Effect.uninterruptible(
      Effect.flatMap(Recovery.claim(this.services, run), (history) =>
        history === undefined || isOurs() ? Effect.void : this.launch(definition, runId, history)
      )
    )
  }

  // ------------------------------------------------------------- carrying out

  /** Begins a run that has a history. */
  private launch(definition: Definition, runId: string, history: RunHistory.RunHistory) {
    const run = this.prepare(definition, runId, history)
    // Stored before it is delivered, delivered to whoever is live: reading after `prepare` misses nothing.
    return Effect.andThen(this.deliverInbox(runId, run), this.begin(runId, run))
  }

  private begin(runId: string, run: LiveRun): Effect.Effect<void> {
    if (!this.waiting.has(runId)) this.waiting.set(runId, Deferred.makeUnsafe())
    return run.start
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
        epoch: this.lease.epoch
      },
      history,
      program: definition.program,
      startMarkers: definition.startMarkers,
      patience: this.patience,
      alwaysReplay: this.options.alwaysReplay ?? false,
      onEnd: (end) => this.settle(runId, Exit.succeed(end)),
      onLost: (lost) => this.settle(runId, Exit.fail(lost)),
      onReplaced: () => this.replace(definition, runId)
    })
    this.live.set(runId, run)
    return run
  }

  private deliverInbox(runId: string, run: LiveRun) {
    return Effect.flatMap(this.store.readArray(inboxStream(runId)), (commands) =>
      Effect.sync(() => {
        for (const command of commands) if (command.type === "SignalSent") this.deliverTo(run, command)
        const cancel = commands.find(({ type }) => type === "CancelRequested")
        // A cancelled run goes on undoing, even if it was paused before.
        const last = cancel ?? commands.findLast(({ type }) => type === "PauseRequested" || type === "ResumeRequested")
        if (last !== undefined) this.deliverTo(run, last)
      })
    )
  }

  /** Passes a stored command to the run it is for, if that is carried out here. */
  readonly deliver = (command: StoredEvent): void => {
    const runId = command.stream.slice("inbox/".length)
    const run = this.live.get(runId)
    if (run !== undefined) this.deliverTo(run, command)
  }

  private deliverTo(run: LiveRun, command: StoredEvent): void {
    const data = command.data as any
    switch (command.type) {
      case "SignalSent":
        return run.deliver({ name: data.signal, payload: data.payload, version: command.version })
      case "CancelRequested":
        return void this.fork(run.cancel(data.reason))
      case "PauseRequested":
        return void this.fork(run.setPaused(true))
      case "ResumeRequested":
        return void this.fork(run.setPaused(false))
    }
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
        Effect.sync(() => this.settle(runId, Exit.fail(new EngineError({ operation: `replay run "${runId}"`, cause }))))
      )
    )
  }

  private definitionOf(name: string, version: number): Definition | undefined {
    return this.definitions.findLast(
      (definition) =>
        definition.name === name && (definition.version === version || definition.compatibleWith.includes(version))
    )
  }

  private unregister(definition: Definition): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.definitions.splice(this.definitions.indexOf(definition), 1)
      const orphans = [...this.live.values()].filter((run) => run.definition === definition.name)
      return Effect.forEach(orphans, (run) => run.stop(), { concurrency: "unbounded", discard: true })
    })
  }

  readonly stop = Effect.suspend(() =>
    Effect.forEach([...this.live.values()], (run) => run.stop(), { concurrency: "unbounded", discard: true })
  )
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
      yield* Effect.addFinalizer(() => engine.stop)
      const head = yield* store.head
      yield* store.subscribe({ after: head, types: commandTags, streamPrefix: "inbox/" }).pipe(
        Stream.runForEach((command) => Effect.sync(() => engine.deliver(command))),
        Effect.retry(Schedule.spaced("1 second")),
        Effect.forkScoped
      )
      yield* engine.adopt.pipe(
        Effect.catch((error) => Effect.logWarning("could not look for abandoned runs", error)),
        Effect.schedule(Schedule.spaced(duration)),
        Effect.forkScoped
      )
      return Engine.of({
        owner: lease.owner,
        register: engine.register,
        start: engine.start,
        await: (runId) => Effect.suspend(() => engine.await(runId)),
        signal: (runId, { id, name, payload }) =>
          engine.command(runId, {
            ...(id === undefined ? {} : { id }),
            type: "SignalSent",
            data: { signal: name, payload }
          }),
        cancel: (runId, reason) =>
          engine.command(runId, { type: "CancelRequested", data: reason === undefined ? {} : { reason } }),
        pause: (runId) => engine.command(runId, { type: "PauseRequested", data: {} }),
        resume: (runId) => engine.command(runId, { type: "ResumeRequested", data: {} }),
        list: reader.list,
        get: reader.get,
        events: reader.events
      })
    }).pipe(engineError("start"))
  )
