/**
 * What a subscriber does with events, in one shape for all the ways to say it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { StoredEvent } from "../event-store/Envelope.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import type { Put } from "../persistence/Persistence.ts"

/**
 * The handler failed with something that is no typed error: it threw, or was interrupted.
 *
 * @category errors
 * @since 0.1.0
 */
export class HandlerDied extends Schema.TaggedError<HandlerDied>()("HandlerDied", {
  subscriber: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const why = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `The handler of subscriber "${this.subscriber}" died: ${why}.`
  }
}

/**
 * Documents that the handler wants to put were not taken: changed by somebody else each time it was tried (`refused`), or
 * not to the liking of the store (`unstorable`).
 *
 * @category errors
 * @since 0.1.0
 */
export class PutsRefused extends Schema.TaggedError<PutsRefused>()("PutsRefused", {
  subscriber: Schema.String,
  documents: Schema.Array(Schema.String),
  why: Schema.Literals(["refused", "unstorable"])
}) {
  override get message(): string {
    const why = this.why === "refused" ? "an expected version did not hold" : "the store does not take them"
    return `Subscriber "${this.subscriber}" could not put ${this.documents.join(", ")}: ${why}.`
  }
}

/**
 * What a `retry` schedule is asked with: the typed error of the handler, or what stands for everything else.
 *
 * **Example** (Not every error is worth another try)
 *
 * ```ts
 * Schedule.recurs(5).pipe(
 *   Schedule.setInputType<Subscriber.Failure<Bounced>>(),
 *   Schedule.while(({ input }) => Effect.succeed(input._tag !== "Bounced"))
 * )
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type Failure<E> = E | HandlerDied | PutsRefused

/**
 * What is known of a delivery, beside its events.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  /** 1 for the first try of this process. */
  readonly attempt: number
  /** Greater than that of every owner of these streams before: pass it on to fence writes elsewhere. */
  readonly fencingToken: number
  /** The events were dead letters. */
  readonly isRedriven: boolean
}

/**
 * What happens to events of type `A`.
 *
 * **Details**
 *
 * - a function: one event at a time, in order per stream, streams side by side.
 * - `handleAll`: all that wait in one partition at once, so in order per stream, too. A batch that fails is tried again
 *   event by event.
 * - `write`, `writeAll`: as these two, and the documents they answer with are put in the commit of the checkpoint: each
 *   event has its effect on them exactly once. If an `expected` does not hold, the handler runs again.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<A, E, R> =
  | ((event: A, delivery: Delivery) => Effect.Effect<unknown, E, R>)
  | { readonly handleAll: (events: ReadonlyArray<A>, delivery: Delivery) => Effect.Effect<unknown, E, R> }
  | { readonly write: (event: A, delivery: Delivery) => Effect.Effect<ReadonlyArray<Put>, E, R> }
  | { readonly writeAll: (events: ReadonlyArray<A>, delivery: Delivery) => Effect.Effect<ReadonlyArray<Put>, E, R> }

/** A handler of stored events. What it needs is in the context of the fiber that runs it. */
export interface Work {
  /** Events that share a lane are handled one after the other, at most so many at once. */
  readonly lane: "stream" | "partition"
  readonly batchSize: number
  /** The checkpoint waits for the documents of an event, and the next event of the lane for both. */
  readonly writes: boolean
  readonly run: (events: ReadonlyArray<StoredEvent>, delivery: Delivery) => Effect.Effect<ReadonlyArray<Put>, unknown>
}

/** What a handler is run with. */
export interface Surroundings<A> {
  readonly decode: (event: StoredEvent) => Result.Result<A, EventStoreError>
  readonly batchSize: number
}

const nothing: ReadonlyArray<Put> = []

/** Brings a handler into its one shape. */
export const toWork = <A, E, R>(handler: Handler<A, E, R>, { batchSize, decode }: Surroundings<A>): Work => {
  const one =
    (f: (event: A, delivery: Delivery) => Effect.Effect<unknown, E, R>): Work["run"] =>
    ([event], delivery) => {
      const decoded = decode(event!)
      if (Result.isFailure(decoded)) return Effect.fail(new Undecodable(decoded.failure))
      return f(decoded.success, delivery) as ReturnType<Work["run"]>
    }
  const all =
    (f: (events: ReadonlyArray<A>, delivery: Delivery) => Effect.Effect<unknown, E, R>): Work["run"] =>
    (events, delivery) => {
      const values: Array<A> = []
      for (const event of events) {
        const decoded = decode(event)
        if (Result.isFailure(decoded)) return Effect.fail(new Undecodable(decoded.failure))
        values.push(decoded.success)
      }
      return f(values, delivery) as ReturnType<Work["run"]>
    }
  const discard =
    (run: Work["run"]): Work["run"] =>
    (events, delivery) =>
      Effect.as(run(events, delivery), nothing)

  const byStream = { lane: "stream", batchSize: 1 } as const
  const byPartition = { lane: "partition", batchSize } as const
  if (typeof handler === "function") return { ...byStream, writes: false, run: discard(one(handler)) }
  if ("handleAll" in handler) return { ...byPartition, writes: false, run: discard(all(handler.handleAll)) }
  if ("write" in handler) return { ...byStream, writes: true, run: one(handler.write) }
  return { ...byPartition, writes: true, run: all(handler.writeAll) }
}

/** No try will ever help: this program cannot read the event. */
export class Undecodable {
  readonly error: EventStoreError
  constructor(error: EventStoreError) {
    this.error = error
  }
}

/** What a schedule is asked about: the typed error, or what stands for everything else. */
export const failureOf = (subscriber: string, cause: Cause.Cause<unknown>): unknown => {
  const error = Cause.findError(cause)
  if (Result.isSuccess(error)) return error.success
  return new HandlerDied({ subscriber, cause: Cause.squash(cause) })
}

/** Why an event was given up, in one sentence. */
export const reasonOf = (failure: unknown): string => {
  if (failure instanceof Undecodable) return failure.error.message
  if (failure instanceof Error) return failure.message === "" ? failure.name : failure.message
  return typeof failure === "string" ? failure : Formatter.format(failure)
}
