/**
 * One run, carried out here: the program's fiber, its journal, its inbox.
 *
 * A waiting run is a waiting fiber. Replay happens once, when a run is taken over; after that every answer is recorded
 * and given to the program directly.
 *
 * Invariants (checked by `test/durable/`):
 *
 *   L1. An answer is durable before the program hears it.
 *   L2. From the moment its effect has ended until the program has the answer, a step cannot be interrupted.
 *   L3. Once lost (fenced, stopped, mismatched), a run writes nothing and undoes nothing.
 *   L4. A cancel request is in the journal before the program is interrupted.
 *   L5. Nothing follows the event that ends a run: no pause that came too late, no step of a fiber that was left behind.
 *   L6. The program hears an answer only when it has come to rest after the one before, in the order of the journal.
 *   L7. The time of a run is that of the answer heard last: what it decides by it, it decides again on replay.
 *   L8. A run ends with the fibers that its program has forked: they are interrupted, and undo, before its last event.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Digest from "../core/Digest.ts"
import * as Run from "../core/Run.ts"
import * as StepPath from "../core/StepPath.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import * as Alarm from "./Alarm.ts"
import { ContinueAsNew } from "./ContinueAsNew.ts"
import { Inbox, type Signal } from "./Inbox.ts"
import { Patches } from "./Patches.ts"
import { PauseGate } from "./PauseGate.ts"
import { ProgramFiber } from "./ProgramFiber.ts"
import * as Replay from "./Replay.ts"
import { OwnedFibers } from "./OwnedFibers.ts"
import { Rest } from "./Rest.ts"
import * as RunEnd from "./RunEnd.ts"
import { EngineStopped, Fenced, NonDeterminism, type RunLost } from "./RunError.ts"
import type { Entry, RunHistory } from "./RunHistory.ts"
import { type Identity, lostBy, RunJournal } from "./RunJournal.ts"
import * as RunTime from "./RunTime.ts"
import * as SignalExchange from "./SignalExchange.ts"
import * as StepExecution from "./StepExecution.ts"
import { StepsUnderWay } from "./StepsUnderWay.ts"

/** A program on encoded values, with everything it needs provided. */
export type Program = (input: Schema.Json) => Effect.Effect<Schema.Json, Schema.Json>

export interface Options {
  readonly store: typeof EventStore.Service
  readonly identity: Identity
  readonly history: RunHistory
  readonly program: Program
  /** Write a start marker for every step, so that a follower of the log sees it begin. */
  readonly startMarkers: boolean
  readonly patience: Duration.Duration
  /** Forget everything at every answer, and replay. For tests. */
  readonly alwaysReplay: boolean
  readonly onEnd: (end: RunEnd.RunEnd) => void
  readonly onLost: (lost: RunLost) => void
  /** The run begins anew from its stream: `continueAsNew`, or `alwaysReplay`. */
  readonly onReplaced: () => void
}

type Stopped = "ended" | "lost" | "replaced"

/** The two ways in which a durable primitive is answered. */
interface Answers<A, E, R> {
  readonly replayed: (entry: Entry) => Effect.Effect<A, E>
  /** Called when its turn has come. */
  readonly live: () => Effect.Effect<A, E, R>
  readonly interrupted?: (() => Effect.Effect<void>) | undefined
}

export class LiveRun implements Run.Run, StepExecution.Host {
  readonly runId: string
  readonly keyPrefix: string
  readonly startMarkers: boolean
  readonly journal: RunJournal
  private readonly options: Options
  private readonly replay: Replay.Replay
  private readonly inbox: Inbox
  private readonly patches: Patches
  private readonly fiber = new ProgramFiber<Schema.Json, Schema.Json>()
  private stopped: Stopped | undefined
  private cancelRequested: { readonly reason: string | undefined } | undefined
  private readonly gate: PauseGate
  private readonly rest = new Rest()
  private readonly owned = new OwnedFibers()
  private readonly underWay = new StepsUnderWay()
  private draining = false

  constructor(options: Options) {
    const { history } = options
    this.options = options
    this.runId = options.identity.runId
    this.keyPrefix = history.generation === 0 ? this.runId : `${this.runId}/~${history.generation}`
    this.startMarkers = options.startMarkers
    this.gate = new PauseGate(history.paused)
    this.inbox = new Inbox(history.consumedSignals)
    this.journal = new RunJournal({
      store: options.store,
      identity: options.identity,
      version: history.version,
      rest: this.rest,
      onFailure: (error) => Effect.sync(() => this.lose(lostBy(options.identity, error)))
    })
    this.replay = new Replay.Replay({
      rest: this.rest,
      entries: history.entries,
      patience: options.patience,
      onCancelRequested: (entry) => Effect.sync(() => this.interruptBy(entry.data.reason)),
      onMismatch: (mismatch) => this.mismatch(mismatch)
    })
    this.patches = new Patches(this.replay, this.journal)
  }

  get time(): Run.Time {
    return RunTime.of(this.journal, this.replay, this.options.history.startedAt)
  }

  /** Will replay come to a cancel request? */
  private get wasCancelled(): boolean {
    return this.options.history.entries.some(({ type }) => type === "RunCancelRequested")
  }

  /** Starts the program. Returns at once. */
  start(): Effect.Effect<void> {
    const current: Run.Current = { run: this, scope: StepPath.makeScope("") }
    const input = this.options.history.input as Schema.Json
    const program = this.rest.of(this.options.program(input), current)
    const begin = this.fiber.start(program, (exit) => this.finish(exit))
    return this.replay.isDone ? begin : Effect.andThen(Effect.forkDetach(this.replay.pump), begin)
  }

  step<A, E, R>(scope: StepPath.StepScope, spec: Run.StepSpec<A, E, R>): Effect.Effect<A, E, R> {
    const { history } = this.options
    return this.ask(scope, spec.segment, (path, open) => {
      const digest = Digest.ofJson(spec.input)
      const { onInterrupt } = spec
      return {
        interrupted: onInterrupt === undefined ? undefined : () => onInterrupt(`${this.keyPrefix}/${path}`),
        replayed: (entry) =>
          StepExecution.answer(spec, digest, entry) ??
          this.mismatched<A, E>(entry, `${spec.name} with input digest ${digest}, or another shape of its outcome`),
        live: () => {
          if (spec.waits !== true) this.underWay.begin()
          return StepExecution.execute({ host: this, spec, path, digest, open }, history.unfinished.get(path))
        }
      }
    })
  }

  sleep(scope: StepPath.StepScope, segment: string, duration: Duration.Duration): Effect.Effect<void> {
    return this.ask(scope, segment, (path, open) => ({
      replayed: (entry) => (entry.type === "TimerFired" ? Effect.void : this.mismatched(entry, "a timer")),
      live: () => {
        const { journal, options } = this
        const elapsed = Alarm.elapse({ journal, history: options.history, path, open }, duration)
        return Effect.andThen(elapsed, this.recorded(Effect.void))
      }
    }))
  }

  receive<A>(scope: StepPath.StepScope, spec: Run.ReceiveSpec<A>): Effect.Effect<A | undefined> {
    return this.ask(scope, StepPath.segment(spec.signal), (path, open) => ({
      replayed: (entry) =>
        SignalExchange.answer(spec, entry) ?? this.mismatched<A, never>(entry, `signal ${spec.signal}`),
      live: () =>
        Effect.flatMap(
          SignalExchange.receive({
            spec,
            path,
            open,
            inbox: this.inbox,
            journal: this.journal,
            history: this.options.history
          }),
          (value) => this.recorded(Effect.succeed(value))
        )
    }))
  }

  note(scope: StepPath.StepScope, { awaited, data, type }: Run.Note): Effect.Effect<void> {
    const { journal } = this
    return this.ask(scope, `~${type}`, (path) => ({
      replayed: (entry) => (entry.type === type ? Effect.void : this.mismatched(entry, type)),
      live: () => (awaited === true ? journal.append(type, path, data) : journal.submit(type, path, data))
    }))
  }

  patched(_scope: StepPath.StepScope, id: string): Effect.Effect<boolean> {
    return this.patches.decide(id)
  }

  get whileOwned(): Run.Reopen {
    return this.owned.whileOwned
  }

  isAbandoned(): boolean {
    return this.stopped === "lost" || this.stopped === "replaced"
  }

  /** Delivers a stored signal. */
  deliver(signal: Signal): void {
    this.inbox.deliver(signal)
  }

  /** Interrupts the program, which then undoes what it has done (L4). */
  cancel(reason: string | undefined): Effect.Effect<void> {
    return Effect.uninterruptible(
      Effect.gen({ self: this }, function* () {
        yield* this.replay.atFrontier()
        if (this.cancelRequested !== undefined || this.stopped !== undefined || this.journal.isClosed) return
        this.cancelRequested = { reason }
        yield* this.setPaused(false)
        yield* this.journal.append("RunCancelRequested", undefined, reason === undefined ? {} : { reason })
        this.interruptBy(reason)
      })
    )
  }

  /** A paused run finishes what is under way and begins no further step. `asked`: version in the inbox. */
  setPaused(paused: boolean, asked = Infinity): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.gate.isNews(paused, asked) || this.stopped !== undefined || this.journal.isClosed) return Effect.void
      // Undoing is not paused: it would leave things half undone.
      if (paused && (this.cancelRequested !== undefined || this.wasCancelled)) return Effect.void
      if (paused) this.gate.close()
      else this.gate.open()
      return Effect.uninterruptible(this.journal.append(paused ? "RunPaused" : "RunResumed", undefined, {}))
    })
  }

  /** Begins nothing more, and waits until what is under way is recorded. Waits for timers, signals and children end with `stop`. */
  drain(): Effect.Effect<void> {
    this.draining = true
    return this.underWay.none
  }

  /** Another owner has claimed the run. */
  fence(): void {
    this.lose(new Fenced({ runId: this.runId, epoch: this.options.identity.epoch }))
  }

  /** The engine stops: the run is left as it is, for whoever recovers it. */
  stop(): Effect.Effect<void> {
    const left = Effect.sync(() => this.lose(new EngineStopped({ runId: this.runId })))
    return Effect.andThen(left, this.fiber.ended)
  }

  /** The way of every durable primitive: replayed if the journal has its answer, else live when its turn has come. */
  private ask<A, E, R>(
    scope: StepPath.StepScope,
    segment: string,
    make: (path: string, open: Run.Reopen) => Answers<A, E, R>
  ): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.withFiber((fiber) => {
        const path = StepPath.next(scope, segment)
        const open = fiber.getRef(Run.InterruptibleBody) ?? restore
        const answers = make(path, open)
        const { interrupted } = answers
        const answer = this.turn(path, open, answers)
        if (interrupted === undefined) return answer
        return Effect.onInterrupt(answer, () => (this.isAbandoned() ? Effect.void : this.rest.after(interrupted())))
      })
    )
  }

  private turn<A, E, R>(path: string, open: Run.Reopen, answers: Answers<A, E, R>): Effect.Effect<A, E, R> {
    if (this.stopped !== undefined) return this.stopped === "ended" ? Effect.never : Effect.interrupt
    if (this.draining) return open(Effect.never)
    if (this.replay.isDone && !this.gate.isClosed) return answers.live()
    const index = this.replay.find(path)
    if (index !== undefined) return Effect.flatMap(this.replay.take(index), answers.replayed)
    const wait = this.replay.isDone ? this.gate.opened : this.replay.atFrontier(path)
    return Effect.andThen(
      open(wait),
      Effect.suspend(() => this.turn(path, open, answers))
    )
  }

  /** Called with every answer once it is recorded. */
  recorded<A, E>(answer: Effect.Effect<A, E>): Effect.Effect<A, E> {
    if (!this.options.alwaysReplay) return answer
    return Effect.suspend(() => Effect.andThen(Effect.forkDetach(this.replace()), Effect.interrupt))
  }

  ended({ waits }: Run.StepSpec<any, any, any>): void {
    if (waits !== true) this.underWay.end()
  }

  untilNextTry({ waits }: Run.StepSpec<any, any, any>, wait: Effect.Effect<void>, open: Run.Reopen) {
    const next = Effect.suspend(() => (this.draining ? Effect.never : Effect.void))
    const waited = open(Effect.andThen(wait, next))
    return waits === true ? waited : this.underWay.without(waited)
  }

  /** From here on nothing of this run is written or done. The successor begins once all of it has ended. */
  private replace(): Effect.Effect<void> {
    if (this.stopped !== undefined) return Effect.void
    this.stopped = "replaced"
    this.letGo()
    const ended = Effect.andThen(this.journal.close, this.fiber.ended)
    return Effect.andThen(ended, Effect.sync(this.options.onReplaced))
  }

  /** Whatever waits or is under way ends here. */
  private letGo(): void {
    this.replay.abort()
    this.gate.open()
    this.owned.interrupt()
    this.fiber.interrupt()
  }

  private interruptBy(reason: string | undefined): void {
    this.cancelRequested = { reason }
    this.fiber.interrupt()
  }

  private finish(exit: Exit.Exit<Schema.Json, Schema.Json>): Effect.Effect<void> {
    if (this.stopped !== undefined) return Effect.void
    const unasked = this.replay.unasked[0]
    if (unasked !== undefined) {
      return this.mismatch({ path: unasked.path, expected: Replay.describe(unasked), found: "the end of the program" })
    }
    const continued = Exit.isFailure(exit) ? ContinueAsNew.find(exit.cause) : undefined
    return continued === undefined ? this.end(RunEnd.ofExit(exit, this.cancelRequested)) : this.continueAsNew(continued)
  }

  private end(end: RunEnd.RunEnd): Effect.Effect<void> {
    return Effect.andThen(
      this.journal.conclude(end.type, end.data),
      Effect.sync(() => {
        if (this.stopped !== undefined) return
        this.stopped = "ended"
        this.options.onEnd(end)
      })
    )
  }

  private continueAsNew(continued: ContinueAsNew): Effect.Effect<void> {
    const { epoch, owner, started } = this.options.history
    // What is older is forgotten, a claim, too: from here on, the stream begins with its present owner.
    const begun = { input: continued.input, started: { ...started, epoch, owner }, consumed: this.inbox.consumed }
    const begin = this.journal.beginAnew(begun)
    return Effect.flatMap(begin, () => this.replace())
  }

  private mismatched<A, E>(entry: Entry, found: string): Effect.Effect<A, E> {
    return Effect.andThen(
      this.mismatch({ path: entry.path, expected: Replay.describe(entry), found }),
      Effect.interrupt
    )
  }

  /** The program does not match its journal: the run stays open, blocked, and undoes nothing. */
  private mismatch(mismatch: Replay.Mismatch): Effect.Effect<void> {
    return Effect.uninterruptible(
      Effect.andThen(
        this.journal.conclude("RunBlocked", mismatch),
        Effect.sync(() => this.lose(new NonDeterminism({ runId: this.runId, ...mismatch })))
      )
    )
  }

  private lose(lost: RunLost): void {
    if (this.stopped !== undefined) return
    this.stopped = "lost"
    this.options.onLost(lost)
    this.letGo()
  }
}
