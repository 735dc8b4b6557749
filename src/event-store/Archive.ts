/**
 * Retention: moves streams that are finished, and old, out of the log into an archive.
 *
 * Invariants (checked by `test/event-store/Archive.test.ts`):
 *
 *   R1. Nothing leaves the log before its archive is durable: a crash at any moment loses no event.
 *   R2. A sweep that was stopped anywhere, and made again, ends as if it had not been stopped.
 *   R3. Only streams that the policy means are touched; one that gets an event meanwhile is left for another time.
 *   R4. An archived stream is read as it was.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { companionsOf } from "./Companions.ts"
import type { Position, StoredEvent, StreamId, StreamVersion } from "./Envelope.ts"
import { EventStore } from "./EventStore.ts"
import { EventStoreError, VersionConflict } from "./EventStoreError.ts"
import * as LogExport from "./LogExport.ts"

export { documents, forget, read } from "./ArchiveDocuments.ts"

/**
 * Which streams to archive, and what stays of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  /** Streams whose names start so. */
  readonly streamPrefix: string
  /** A stream is finished if its last event is of one of these types. */
  readonly finishedBy: ReadonlyArray<string>
  /** For how long a finished stream stays in the log. */
  readonly olderThan: Duration.Input
  /** `"nothing"`: the stream is deleted and its name barred. `"lastEvent"`: its version and how it ended stay known. */
  readonly keep: "nothing" | "lastEvent"
  /** Streams that go with it. Of them nothing stays. Default: with a run, its inbox. */
  readonly companions?: (stream: StreamId) => ReadonlyArray<StreamId>
}

/**
 * Takes what is kept of one stream into an archive. It is durable once this succeeds (R1). After a crash it is called again
 * with the same events, or more: the archive must not hold them twice.
 *
 * @category models
 * @since 0.1.0
 */
export type Sink<E, R> = (
  stream: StreamId,
  events: Stream.Stream<StoredEvent, EventStoreError>
) => Effect.Effect<void, E, R>

/**
 * A sink that gets each stream as the lines of an export, which `LogImport` brings into any backend. Name what you write by
 * the stream and the version of its first event: a stream that keeps its last event may come again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lines =
  <E, R>(write: (stream: StreamId, text: Stream.Stream<string, EventStoreError>) => Effect.Effect<void, E, R>) =>
  (stream: StreamId, events: Stream.Stream<StoredEvent, EventStoreError>): Effect.Effect<void, E, R> =>
    write(stream, LogExport.linesOf(events))

/**
 * What a sweep has done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Swept {
  /** Streams that were archived, without their companions. */
  readonly streams: ReadonlyArray<StreamId>
  /** Everything up to this position is dealt with: give it to the next sweep, to spare it the way. */
  readonly next: Position
  /** `false`: `limit` ended the sweep. */
  readonly complete: boolean
}

/**
 * Archives what the policy means, and then takes it out of the log.
 *
 * @category running
 * @since 0.1.0
 */
export const sweep = Effect.fnUntraced(function* <E, R>(
  policy: Policy,
  sink: Sink<E, R>,
  options: {
    readonly after?: Position
    /** At most so many streams. Default 1000. */
    readonly limit?: number
  } = {}
): Effect.fn.Return<Swept, E | EventStoreError, EventStore | R> {
  const store = yield* EventStore
  const { after = 0, limit = 1000 } = options
  const { finishedBy: types, olderThan, streamPrefix } = policy
  const until = (yield* Clock.currentTimeMillis) - Duration.toMillis(Duration.fromInputUnsafe(olderThan))
  const streams: Array<StreamId> = []
  let next = after
  let isLeft = false
  let complete = true
  yield* store.readAll({ after, types, streamPrefix }).pipe(
    Stream.runForEachWhile((event) =>
      Effect.gen(function* () {
        if (streams.length === limit) return (complete = false)
        const verdict = event.meta.timestamp > until ? "Later" : yield* archive(store, event, { policy, sink })
        if (verdict === "Archived") streams.push(event.stream)
        if (verdict === "Later") isLeft = true
        if (!isLeft) next = event.position
        return true
      })
    )
  )
  return { streams, next, complete }
})

type Verdict = "Archived" | "Nothing" | "Later"

const archive = <E, R>(
  store: EventStore["Service"],
  { stream, version }: StoredEvent,
  { policy, sink }: { readonly policy: Policy; readonly sink: Sink<E, R> }
): Effect.Effect<Verdict, E | EventStoreError, R> =>
  Effect.gen(function* () {
    // Not its last event, or deleted since: the stream is not finished by this one.
    if ((yield* versionOf(store, stream)) !== version) return "Nothing"
    const [oldest] = yield* store.readArray(stream, { max: 1 })
    const isSwept = policy.keep === "lastEvent" && oldest?.version === version
    const companions = yield* versionsOf(store, (policy.companions ?? companionsOf)(stream))
    for (const companion of companions) {
      yield* sink(companion.stream, store.read(companion.stream, { to: companion.version }))
    }
    if (!isSwept) yield* sink(stream, store.read(stream, { to: version }))
    // The stream itself goes last: as long as it is there, the next sweep finds what this one has left.
    for (const companion of companions) yield* store.delete(companion.stream, companion.version)
    if (isSwept) return "Nothing"
    yield* policy.keep === "nothing" ? store.delete(stream, version) : store.truncateBefore(stream, version)
    return "Archived"
  }).pipe(Effect.catchIf(isOvertaken, () => Effect.succeed<Verdict>("Later")))

/** 0 for a stream that was deleted: there is nothing of it. */
const versionOf = (store: EventStore["Service"], stream: StreamId): Effect.Effect<StreamVersion, EventStoreError> =>
  Effect.catchIf(store.version(stream), isOvertaken, () => Effect.succeed(0))

const versionsOf = (store: EventStore["Service"], streams: ReadonlyArray<StreamId>) =>
  Effect.map(
    Effect.forEach(streams, (stream) => Effect.map(versionOf(store, stream), (version) => ({ stream, version }))),
    (found) => found.filter(({ version }) => version > 0)
  )

/** Somebody has written to the stream, or has swept it, at the same time. */
const isOvertaken = (error: unknown): error is VersionConflict =>
  error instanceof VersionConflict || (error instanceof EventStoreError && error.reason._tag === "StreamDeleted")
