/**
 * The writing end of one run's stream, fenced by the stream's version.
 *
 * The version is counted here and expected exactly with every append: as long as one owner writes, appends can be
 * queued one behind the other without a read; as soon as another owner has written, the next append fails, and with it
 * every later one.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { EncodedEvent, EventMeta, NewEvent, StreamId, StreamVersion } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError, VersionConflict } from "../event-store/EventStoreError.ts"
import type * as OrchestrationEvent from "../core/OrchestrationEvent.ts"
import { AnswerOrder, type Place } from "./AnswerOrder.ts"
import type * as Run from "../core/Run.ts"
import * as Causes from "./Causes.ts"
import type { Rest } from "./Rest.ts"
import { EngineError, Fenced, type RunLost } from "./RunError.ts"
import * as RunHistory from "./RunHistory.ts"

export const runStream = (runId: string): StreamId => `run/${runId}` as StreamId
export const inboxStream = (runId: string): StreamId => `inbox/${runId}` as StreamId

export interface Identity {
  readonly runId: string
  readonly definition: string
  readonly definitionVersion: number
  readonly correlationId: string
  readonly epoch: number
  /** Id of the event that the run goes on from: its start, or the last answer that its program gets again. */
  readonly goesOnFrom: string | undefined
}

/** What is still to be written waits for ever, and holds nobody up who stops the run. */
const closed: Effect.Effect<never> = Effect.interruptible(Effect.never)

export class RunJournal {
  readonly stream: StreamId
  /** The time at which the program got an answer from here last, in milliseconds since the epoch. `undefined`: never. */
  lastAnswerAt: number | undefined
  readonly causes: Causes.Causes
  private version: StreamVersion
  private closed = false
  /** Appends that are not answered yet, and who waits for the last of them. */
  private underWay = 0
  private onQuiet: (() => void) | undefined
  private submitted: Effect.Effect<unknown, unknown> = Effect.void
  private readonly store: typeof EventStore.Service
  private readonly identity: Identity
  private readonly order: AnswerOrder
  private readonly rest: Rest
  private readonly onFailure: (error: VersionConflict | EventStoreError) => Effect.Effect<void>

  constructor(options: {
    readonly store: typeof EventStore.Service
    readonly identity: Identity
    readonly version: number
    readonly rest: Rest
    /** Called when an append failed: the run can no longer be carried out here. */
    readonly onFailure: (error: VersionConflict | EventStoreError) => Effect.Effect<void>
  }) {
    this.stream = runStream(options.identity.runId)
    this.store = options.store
    this.identity = options.identity
    this.causes = new Causes.Causes(options.identity.goesOnFrom)
    this.version = options.version
    this.rest = options.rest
    this.order = new AnswerOrder(options.rest)
    this.onFailure = options.onFailure
  }

  /**
   * Appends and waits until it is durable. To be called uninterruptibly. If the append fails, the fiber is interrupted:
   * the run is lost here, and nothing may follow.
   */
  append(type: OrchestrationEvent.Tag | (string & {}), path: string | undefined, data: object): Effect.Effect<void> {
    return this.record({ type, path, data }, nothing)
  }

  /**
   * As `append`, for what is no answer. Who is interrupted meanwhile, and would be on replay before it is asked, is waited
   * for: the program does not rest before it has left. `open`: makes the wait interruptible.
   */
  announce(fact: Fact & { readonly path: string }, open: Run.Reopen): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      if (this.closed) return closed
      this.underWay++
      const event = this.event(fact, clockOf(fiber), this.causes.of(fact.path))
      const ended = { onSuccess: (_: unknown) => Effect.sync(() => this.landed()), onFailure: this.failed }
      return Effect.flatMap(this.store.submit(this.stream, [event], this.noted(fact.path)), (durable) =>
        Effect.flatMap(Effect.exit(open(durable)), (exit) => {
          const isLeft = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
          return Effect.matchCauseEffect(isLeft ? this.rest.after(durable) : exit, ended)
        })
      )
    })
  }

  /** As `append`, and goes on with `answer` as soon as the program may hear it. */
  record<A, E>(fact: Fact, answer: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.withFiber((fiber) => (this.closed ? closed : this.write(fiber, fact, answer)))
  }

  /**
   * Appends the last event that this journal takes, after those that are under way. Whatever is still to be written waits
   * for ever.
   */
  conclude(type: OrchestrationEvent.Tag, data: object): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      if (this.closed) return closed
      this.closed = true
      const write = Effect.suspend(() => this.write(fiber, { type, path: undefined, data }, nothing))
      return this.underWay === 0 ? write : Effect.andThen(this.quiet, write)
    })
  }

  /** Takes no more events. */
  get isClosed(): boolean {
    return this.closed
  }

  private write<A, E>(fiber: AnyFiber, fact: Fact, answer: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    this.underWay++
    const at = clockOf(fiber)
    const request = fact.path === undefined ? fiber.getRef(Causes.CurrentRequest) : undefined
    const events = [this.event(fact, at, request ?? this.causes.of(fact.path))]
    if (!RunHistory.isEntry(fact.type)) {
      return Effect.matchCauseEffect(this.store.append(this.stream, events, this.noted(fact.path)), {
        onSuccess: (_) => {
          this.landed()
          return answer()
        },
        onFailure: this.failed
      })
    }
    let place: Place | undefined
    let id: string | undefined
    const inOrder = ([stored]: Stored) => {
      place = this.order.take()
      id = stored!.id
      return this.version++
    }
    return Effect.matchCauseEffect(this.store.append(this.stream, events, inOrder), {
      onSuccess: (_) => {
        this.landed()
        return this.heard(place!, { id: id!, at, path: fact.path, answer })
      },
      onFailure: this.failed
    })
  }

  /** The version of an event that is no answer, as it takes its place in the queue. */
  private noted(path: string | undefined): (events: Stored) => StreamVersion {
    return ([stored]) => {
      if (path !== undefined) this.causes.led(path, stored!.id)
      return this.version++
    }
  }

  /** Queues an event without waiting until it is durable. What comes after it is durable only if it is. */
  submit(type: OrchestrationEvent.Tag | (string & {}), path: string, data: object): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      if (this.closed) return closed
      this.underWay++
      const at = clockOf(fiber)
      let place: Place | undefined
      let id: string | undefined
      const inOrder = ([stored]: Stored) => {
        id = stored!.id
        if (RunHistory.isEntry(type)) place = this.order.take()
        else this.causes.led(path, id)
        return this.version++
      }
      const event = this.event({ type, path, data }, at, this.causes.of(path))
      const queued = this.store.submit(this.stream, [event], inOrder)
      return Effect.flatMap(queued, (durable) => {
        this.submitted = durable
        this.landed()
        return place === undefined ? Effect.void : this.heard(place, { id: id!, at, path, answer: nothing })
      })
    })
  }

  /** Writes nothing any more: who still appends waits for ever. Succeeds once everything under way is answered. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true
      return Effect.andThen(
        this.quiet,
        Effect.suspend(() => Effect.ignore(this.submitted))
      )
    })
  }

  /** Succeeds once everything under way is answered. */
  private get quiet(): Effect.Effect<void> {
    if (this.underWay === 0) return Effect.void
    return Effect.callback((resume) => {
      if (this.underWay === 0) return resume(Effect.void)
      const before = this.onQuiet
      this.onQuiet = () => {
        before?.()
        resume(Effect.void)
      }
    })
  }

  /** Lets the stream begin anew, and forgets what is older. */
  beginAnew(data: object): Effect.Effect<void> {
    const { definitionVersion } = this.identity
    return Effect.andThen(
      this.conclude("RunContinued", { ...data, definitionVersion }),
      Effect.suspend(() => Effect.ignore(this.store.truncateBefore(this.stream, this.version)))
    )
  }

  private readonly failed = (cause: Cause.Cause<VersionConflict | EventStoreError>): Effect.Effect<never> => {
    this.landed()
    const error = Cause.findErrorOption(cause)
    if (error._tag === "None") return Effect.failCause(cause as Cause.Cause<never>)
    return Effect.andThen(this.onFailure(error.value), Effect.interrupt)
  }

  private heard<A, E>(place: Place, answer: Answer<A, E>): Effect.Effect<A, E> {
    if (!this.order.takesTurn(place)) return Effect.flatMap(this.order.turn(place), () => this.hear(answer))
    return this.hear(answer)
  }

  private hear<A, E>({ answer, at, id, path }: Answer<A, E>): Effect.Effect<A, E> {
    this.lastAnswerAt = at
    this.causes.heard(path, id)
    return answer()
  }

  private landed(): void {
    if (--this.underWay === 0) this.onQuiet?.()
  }

  private event({ data, path, type }: Fact, timestamp: number, cause: string | undefined): NewEvent {
    const { correlationId, definition, definitionVersion, epoch, runId } = this.identity
    const meta: Writable<EventMeta> = { timestamp, correlationId }
    if (cause !== undefined) meta.causationId = cause
    meta.runId = runId
    meta.definition = definition
    meta.definitionVersion = definitionVersion
    if (path !== undefined) meta.path = path
    meta.epoch = epoch
    return { type, data: data as NewEvent["data"], meta }
  }
}

const nothing = (): Effect.Effect<void> => Effect.void

/** What is to be written. */
interface Fact {
  readonly type: OrchestrationEvent.Tag | (string & {})
  readonly path: string | undefined
  readonly data: object
}

/** What was written, and is to be heard. */
interface Answer<A, E> {
  readonly id: string
  readonly at: number
  readonly path: string | undefined
  readonly answer: () => Effect.Effect<A, E>
}

/** Versions are counted as an append takes its place in the queue, so that no fiber can come between the two. */
type Stored = ReadonlyArray<EncodedEvent>

type Writable<A> = { -readonly [K in keyof A]: A[K] }

type AnyFiber = Fiber.Fiber<unknown, unknown>

const clockOf = (fiber: AnyFiber): number => fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()

/** What the failure of an append means for the run: another owner has written, or the store refuses. */
export const lostBy = ({ epoch, runId }: Identity, error: VersionConflict | EventStoreError): RunLost =>
  error._tag === "VersionConflict"
    ? new Fenced({ runId, epoch })
    : new EngineError({ operation: `record run "${runId}"`, cause: error })
