/**
 * The writing end of one run's stream, fenced by the stream's version.
 *
 * The version is counted here and expected exactly with every append: as long as one owner writes, appends can be
 * queued one behind the other without a read; as soon as another owner has written, the next append fails, and with it
 * every later one.
 */
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import type { EventMeta, NewEvent, StreamId } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError, VersionConflict } from "../event-store/EventStoreError.ts"
import type * as OrchestrationEvent from "../core/OrchestrationEvent.ts"

export const runStream = (runId: string): StreamId => `run/${runId}` as StreamId
export const inboxStream = (runId: string): StreamId => `inbox/${runId}` as StreamId

export interface Identity {
  readonly runId: string
  readonly definition: string
  readonly definitionVersion: number
  readonly correlationId: string
  readonly epoch: number
}

export class RunJournal {
  readonly stream: StreamId
  private version: number
  private closed = false
  /** Appends that are not answered yet, and who waits for the last of them. */
  private underWay = 0
  private onQuiet: (() => void) | undefined
  private submitted: Effect.Effect<unknown, unknown> = Effect.void
  private readonly store: typeof EventStore.Service
  private readonly identity: Identity
  private readonly onFailure: (error: VersionConflict | EventStoreError) => Effect.Effect<void>

  constructor(options: {
    readonly store: typeof EventStore.Service
    readonly identity: Identity
    readonly version: number
    /** Called when an append failed: the run can no longer be carried out here. */
    readonly onFailure: (error: VersionConflict | EventStoreError) => Effect.Effect<void>
  }) {
    this.stream = runStream(options.identity.runId)
    this.store = options.store
    this.identity = options.identity
    this.version = options.version
    this.onFailure = options.onFailure
  }

  /**
   * Appends and waits until it is durable. To be called uninterruptibly. If the append fails, the fiber is interrupted:
   * the run is lost here, and nothing may follow.
   */
  append(type: OrchestrationEvent.Tag | (string & {}), path: string | undefined, data: object): Effect.Effect<void> {
    return atOnce(Effect.suspend(() => {
      if (this.closed) return Effect.never
      const expected = this.version++
      this.underWay++
      return Effect.onExit(this.store.append(this.stream, [this.event(type, path, data)], expected), this.answered)
    })).pipe(Effect.catch(this.failed)) as Effect.Effect<void>
  }

  /** Queues an event without waiting until it is durable. What comes after it is durable only if it is. */
  submit(type: OrchestrationEvent.Tag | (string & {}), path: string, data: object): Effect.Effect<void> {
    return atOnce(Effect.suspend(() => {
      if (this.closed) return Effect.never
      const expected = this.version++
      return Effect.map(this.store.submit(this.stream, [this.event(type, path, data)], expected), (durable) => {
        this.submitted = durable
      })
    }))
  }

  /** Writes nothing any more: who still appends waits for ever. Succeeds once everything under way is answered. */
  get close(): Effect.Effect<void> {
    const quiet = Effect.callback<void>((resume) => {
      this.closed = true
      if (this.underWay === 0) return resume(Effect.void)
      this.onQuiet = () => resume(Effect.void)
    })
    return Effect.andThen(quiet, Effect.suspend(() => Effect.ignore(this.submitted)))
  }

  /** Forgets what is older than the event appended last. */
  get truncate(): Effect.Effect<void, EventStoreError> {
    return Effect.suspend(() => this.store.truncateBefore(this.stream, this.version))
  }

  private readonly answered = (): Effect.Effect<void> =>
    Effect.sync(() => {
      if (--this.underWay === 0) this.onQuiet?.()
    })

  private readonly failed = (error: VersionConflict | EventStoreError): Effect.Effect<never> =>
    Effect.andThen(this.onFailure(error), Effect.interrupt)

  private event(type: string, path: string | undefined, data: object): NewEvent {
    const { correlationId, definition, definitionVersion, epoch, runId } = this.identity
    const meta: Partial<EventMeta> = path === undefined
      ? { correlationId, runId, definition, definitionVersion, epoch }
      : { correlationId, runId, definition, definitionVersion, path, epoch }
    return { type, data: data as NewEvent["data"], meta }
  }
}

/** No fiber may come between the count of a version and its place in the queue: the store would meet them swapped. */
const atOnce = Effect.provideService(Scheduler.PreventSchedulerYield, true)
