/**
 * The narrow contract a backend implements: it sees encoded events only.
 *
 * Ids, schemas, batching, back-pressure and the live feed are written once, in
 * `EventStore`. A driver stores and reads, and keeps the invariants that the
 * conformance suite (`testing/conformance/EventStoreConformance.ts`) numbers
 * E1 to E15.
 *
 * The two rules that everything above relies on:
 *
 * - Positions become visible in their order: who has seen position n will never
 *   meet a new event at a position below n.
 * - The events of one append lie at consecutive positions. Nothing more is
 *   promised about gaps.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EncodedEvent, ExpectedVersion, Position, StoredEvent, StreamId, StreamVersion } from "./Envelope.ts"
import type { DocumentConflict, EventStoreError, StreamDeleted, VersionConflict } from "./EventStoreError.ts"
import type { Put } from "../persistence/Persistence.ts"

/**
 * One atomic append of one caller.
 *
 * **Details**
 *
 * The very same request again (stream, ids and expectation) succeeds as a
 * duplicate and writes nothing. An append that expects an exact version is
 * recognised by the ids found at its versions, one that expects `"Any"` or
 * `"StreamExists"` by a lookup of its ids in the stream; so a re-append must
 * carry the expectation of the first.
 *
 * @category models
 * @since 0.1.0
 */
export interface AppendRequest {
  readonly stream: StreamId
  readonly expected: ExpectedVersion
  /** At least one. */
  readonly events: ReadonlyArray<EncodedEvent>
  /**
   * Documents put in the same commit, each by its own `expected`. If one does not hold, nothing of this request is
   * written. A duplicate writes none: they were written with the first. Only for a driver that says `documents`.
   */
  readonly documents?: ReadonlyArray<Put>
}

/**
 * Where an append came to lie.
 *
 * @category models
 * @since 0.1.0
 */
export interface Appended {
  /** Version of the last event of the append. */
  readonly version: StreamVersion
  /** Position of the last event of the append. */
  readonly position: Position
  /** The very same events were in the log already, so nothing was written. */
  readonly duplicate: boolean
}

/**
 * The answer to one request of a batch: conflicts are answers, not failures.
 *
 * @category models
 * @since 0.1.0
 */
export type AppendOutcome = Appended | VersionConflict | StreamDeleted | DocumentConflict

/**
 * Which events of one stream to read.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadOptions {
  /** First version to read, inclusive. Default: the oldest kept. */
  readonly from?: StreamVersion
  /** Last version to read, inclusive. Default: the newest. */
  readonly to?: StreamVersion
  /** Default `"forwards"`. Backwards reads the same range, newest first. */
  readonly direction?: "forwards" | "backwards"
  /** At most so many events. */
  readonly max?: number
}

/**
 * Which page of the whole log to read.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadAllOptions {
  /** Events after this position only. Default 0: from the beginning. */
  readonly after?: Position
  readonly max: number
  /** Keep only these event types. */
  readonly types?: ReadonlyArray<string>
  /** Keep only streams whose name starts so. */
  readonly streamPrefix?: string
}

/**
 * Type of the row that bars the name of a deleted stream. It takes the version
 * and the position after the last event, so that a stale writer collides with
 * it and no position is given twice. Reads never show it.
 *
 * @category constants
 * @since 0.1.0
 */
export const tombstoneType = "$deleted"

/**
 * What a backend provides to be an event store.
 *
 * @category services
 * @since 0.1.0
 */
export class EventStoreDriver extends Context.Service<
  EventStoreDriver,
  {
    /** Whether the documents of `Persistence` lie in the same store, so that an append may carry some. */
    readonly documents: boolean
    /**
     * How many calls of `append` may be under way at a time, if no stream is in two of them. More than one is of use where
     * the store works while the program goes on computing. Default 1.
     */
    readonly parallelAppends?: number
    /**
     * Stores each request whole or not at all, in order, all in one durable
     * commit, and answers each in its place. A conflict of one request leaves
     * the others untouched. Fails only if the commit as a whole failed.
     */
    readonly append: (
      requests: ReadonlyArray<AppendRequest>
    ) => Effect.Effect<ReadonlyArray<AppendOutcome>, EventStoreError>
    /** Events of one stream. An unknown stream is empty, a deleted one is an error. */
    readonly read: (
      stream: StreamId,
      options: ReadOptions
    ) => Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError>
    /** One page of the whole log, in position order, without deleted streams. */
    readonly readAll: (options: ReadAllOptions) => Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError>
    /** 0 if there is no such stream. Fails with `StreamDeleted` for a deleted one. */
    readonly version: (stream: StreamId) => Effect.Effect<StreamVersion, EventStoreError>
    /** The highest position given so far, even if what lay there was deleted since. 0 if the log is empty. */
    readonly head: Effect.Effect<Position, EventStoreError>
    /** Forgets events older than `version`. The last event always stays, so that the version is never lost. */
    readonly truncateBefore: (stream: StreamId, version: StreamVersion) => Effect.Effect<void, EventStoreError>
    /**
     * Forgets the stream and bars its name for ever. Fails with `VersionConflict`
     * as an append would. To delete a deleted stream again changes nothing.
     */
    readonly delete: (
      stream: StreamId,
      expected: ExpectedVersion
    ) => Effect.Effect<void, VersionConflict | EventStoreError>
    /**
     * Calls back when events may have been appended by another process. May
     * wake too often, never too seldom. A driver without foreign writers never calls.
     */
    readonly onForeignAppend: (wake: () => void) => Effect.Effect<void, EventStoreError, Scope.Scope>
  }
>()("tutti/event-store/EventStoreDriver") {}

/**
 * Whether a stream at `version` is what the writer expected.
 *
 * @category predicates
 * @since 0.1.0
 */
export const holds = (expected: ExpectedVersion, version: StreamVersion): boolean => {
  switch (expected) {
    case "Any":
      return true
    case "StreamExists":
      return version > 0
    case "NoStream":
      return version === 0
    default:
      return version === expected
  }
}

/**
 * The version an append must begin after, if its expectation names one.
 *
 * @category getters
 * @since 0.1.0
 */
export const exactVersion = (expected: ExpectedVersion): StreamVersion | undefined =>
  expected === "NoStream" ? 0 : typeof expected === "number" ? expected : undefined
