/**
 * Events that a subscriber gave up, kept until somebody decides about them.
 *
 * A dead letter names its event and does not copy it: what is erased from the log is erased here. It is written in the
 * commit that moves the checkpoint past the event, and removed in the commit of its redrive.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { StoredEvent } from "../event-store/Envelope.ts"
import type { Persistence, PersistenceError, Put, Query } from "../persistence/Persistence.ts"
import * as ConsumerGroup from "./ConsumerGroup.ts"

/**
 * An event that was given up, or that waits behind one of its stream.
 *
 * **Details**
 *
 * - `dead`: it failed for the last time.
 * - `parked`: never tried; it waits behind a dead letter of its stream.
 * - `redriving`, `discarding`: its owner will try it again, or drop it.
 *
 * @category models
 * @since 0.1.0
 */
export const DeadLetter = Schema.Struct({
  status: Schema.Literals(["dead", "parked", "redriving", "discarding"]),
  stream: Schema.String,
  /** Version of the event in its stream. */
  version: Schema.Int,
  position: Schema.Int,
  eventId: Schema.String,
  type: Schema.String,
  partition: Schema.Int,
  /** How often it was tried. */
  attempts: Schema.Int,
  /** Milliseconds since the Unix epoch. */
  since: Schema.Int,
  /** Why, in one sentence. */
  reason: Schema.String,
  /** The cause of the last failure, with its traces. */
  cause: Schema.String
})
export type DeadLetter = typeof DeadLetter.Type

/** A dead letter and the version of its document. */
export type Found = ConsumerGroup.Found<DeadLetter>

type Documents = Persistence["Service"]

const decode = ConsumerGroup.decoder("the dead letter", DeadLetter)

/** In the order of the log. */
const idOf = (position: number): string => String(position).padStart(16, "0")

export const query = (
  persistence: Documents,
  subscriber: string,
  options: Query
): Effect.Effect<ReadonlyArray<Found>, PersistenceError> =>
  Effect.flatMap(persistence.query(ConsumerGroup.collections(subscriber).deadLetters, options), (documents) =>
    Effect.forEach(documents, decode)
  )

export const find = (
  persistence: Documents,
  subscriber: string,
  id: string
): Effect.Effect<Found | undefined, PersistenceError> =>
  Effect.flatMap(persistence.get(ConsumerGroup.collections(subscriber).deadLetters, id), (document) =>
    document === undefined ? Effect.succeed(undefined) : decode(document)
  )

/** The put that keeps an event as a dead letter, for the first time. */
export const keep = (subscriber: string, event: StoredEvent, about: About): Put => ({
  collection: ConsumerGroup.collections(subscriber).deadLetters,
  id: idOf(event.position),
  body: {
    stream: event.stream,
    version: event.version,
    position: event.position,
    eventId: event.id,
    type: event.type,
    ...about
  }
})

type About = Pick<DeadLetter, "attempts" | "cause" | "partition" | "reason" | "since" | "status">

/** The put that changes a dead letter, if nobody else has changed it. */
export const change = (subscriber: string, { id, value, version }: Found, changes: Partial<DeadLetter>): Put => ({
  collection: ConsumerGroup.collections(subscriber).deadLetters,
  id,
  body: { ...value, ...changes },
  expected: version
})

/** The put that removes a dead letter: it expires at once, so that its removal is part of a commit. */
export const remove = (subscriber: string, letter: Found, now: number): Put => ({
  ...change(subscriber, letter, {}),
  expiresAt: now
})

const pageSize = 500

/** Dead letters by stream: how many there are, and where the first one was never tried. */
export interface ByStream {
  readonly counts: Map<string, number>
  /** The dead letter these waited behind is gone: a redrive was cut short. */
  readonly headless: ReadonlySet<string>
}

/** Looks through the dead letters of a partition. */
export const byStream = Effect.fnUntraced(function* (
  persistence: Documents,
  subscriber: string,
  partition: number
): Effect.fn.Return<ByStream, PersistenceError> {
  const counts = new Map<string, number>()
  const headless = new Set<string>()
  for (let offset = 0; ; offset += pageSize) {
    const page = yield* query(persistence, subscriber, { where: { partition }, limit: pageSize, offset })
    for (const { value } of page) {
      const count = counts.get(value.stream) ?? 0
      if (count === 0 && value.status === "parked") headless.add(value.stream)
      counts.set(value.stream, count + 1)
    }
    if (page.length < pageSize) return { counts, headless }
  }
})
