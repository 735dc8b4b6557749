/**
 * Brings an exported log into a backend.
 *
 * Events keep their ids, versions and metadata; positions are given anew, in the order of the file.
 *
 * Invariants (checked by `test/event-store/LogImport.test.ts`):
 *
 *   X1. What was exported and imported reads as it did before, on whatever backends.
 *   X2. An import that was stopped anywhere, and made again from the beginning, ends as if it had not been stopped.
 *   X3. Nothing that is there already is changed; where the file contradicts it, the import ends with its line.
 *   X4. A file that is torn or was changed is told from a whole one, with its line.
 *   X5. A stream whose beginning was forgotten keeps its versions.
 *
 * **Gotchas**
 *
 * - Import into a store that nobody works with yet. Where the beginning of a stream was forgotten (X5), events of the type
 *   `$forgotten` take its place until its first true event is stored; a live subscriber would see them.
 * - An append expecting `"Any"` that is repeated after the move is not recognised as the one before it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Persistence, type PersistenceError } from "../persistence/Persistence.ts"
import type { StreamId, StreamVersion } from "./Envelope.ts"
import { EventStore } from "./EventStore.ts"
import type { EventStoreError } from "./EventStoreError.ts"
import { worthSplitting } from "./Flights.ts"
import { ImportedStreams, type Part, partsOf } from "./ImportedStreams.ts"
import { type Entry, type LogFileInvalid, Reader, type Summary } from "./LogLine.ts"

export { LogFileInvalid, type Summary } from "./LogLine.ts"

/**
 * The store holds something else than the file says.
 *
 * @category errors
 * @since 0.1.0
 */
export class ImportConflict extends Schema.TaggedError<ImportConflict>()("ImportConflict", {
  line: Schema.Int,
  stream: Schema.String,
  version: Schema.Int,
  reason: Schema.Literals(["OtherEvent", "Gap", "Busy"])
}) {
  override get message(): string {
    return `Line ${this.line} of the exported log: event ${this.version} of stream "${this.stream}" ${sentences[this.reason]}.`
  }
}

const sentences = {
  OtherEvent: "is another one in this store",
  Gap: "has no predecessor in this store: import the part of the log before it first",
  Busy: "was written by somebody else meanwhile"
}

/**
 * What an import has done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Imported {
  readonly events: number
  /** Events that were there already, or were there and have been forgotten since. */
  readonly known: number
  readonly documents: number
  /** Documents that were left as they were, for one of their name was there. */
  readonly kept: number
  /** Streams that were deleted in this store, and stay so. */
  readonly barred: ReadonlyArray<StreamId>
}

/**
 * Reads a file to its end, and changes nothing.
 *
 * @category running
 * @since 0.1.0
 */
export const verify = <E, R>(text: Stream.Stream<string, E, R>): Effect.Effect<Summary, LogFileInvalid | E, R> =>
  Effect.suspend(() => {
    const reader = new Reader()
    return Effect.andThen(
      Stream.runDrain(entries(text, reader)),
      Effect.suspend(() => Effect.fromResult(reader.end))
    )
  })

/**
 * Imports a file. To be made again from the beginning if it fails or is stopped (X2).
 *
 * **Gotchas** A file that turns out to be torn was imported up to there. `verify` tells beforehand.
 *
 * **Errors** `ImportConflict`: the line and the event that the store contradicts (X3).
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* <E, R>(
  text: Stream.Stream<string, E, R>
): Effect.fn.Return<
  Imported,
  ImportConflict | LogFileInvalid | EventStoreError | PersistenceError | E,
  EventStore | Persistence | R
> {
  const reader = new Reader()
  const store = yield* EventStore
  const streams = new ImportedStreams(store, { reader, isEmpty: (yield* store.head) === 0 })
  const target = new Import(store, yield* Persistence, streams)
  yield* entries(text, reader).pipe(
    Stream.rechunk(chunk),
    Stream.runForEachArray((entries) => target.take(entries))
  )
  yield* Effect.fromResult(reader.end)
  return target.imported
})

/** So many events are on their way into the store at once. */
const chunk = 500

const entries = <E, R>(text: Stream.Stream<string, E, R>, reader: Reader) =>
  Stream.splitLines(text).pipe(
    Stream.mapEffect((line) => Effect.fromResult(reader.read(line))),
    Stream.filter((entry) => entry !== undefined)
  )

class Import {
  private readonly store: EventStore["Service"]
  private readonly persistence: Persistence["Service"]
  private readonly streams: ImportedStreams
  private readonly barred = new Set<StreamId>()
  private readonly counts = { events: 0, known: 0, documents: 0, kept: 0 }
  constructor(store: EventStore["Service"], persistence: Persistence["Service"], streams: ImportedStreams) {
    this.store = store
    this.persistence = persistence
    this.streams = streams
  }

  get imported(): Imported {
    return { ...this.counts, barred: [...this.barred] }
  }

  take(entries: ReadonlyArray<Entry>) {
    return Effect.gen({ self: this }, function* () {
      const parts = partsOf(entries.filter((entry) => entry._tag === "Event"))
      // All of it before the first append: so the order of the file is kept, and a contradiction is met in time (X3).
      const placed = yield* Effect.forEach(parts, (part) => this.place(part))
      yield* Effect.forEach(placed, (part) => this.compare(part), { concurrency: 16, discard: true })
      const fresh = placed.filter(({ events, known }) => known < events.length).map(freshOf)
      for (const group of inOneBatch(fresh)) yield* this.append(group)
      for (const { stream } of parts) yield* this.streams.finish(stream)
      this.streams.tidy()
      for (const entry of entries) if (entry._tag === "Document") yield* this.put(entry.put)
    })
  }

  private append(parts: ReadonlyArray<Part>) {
    return Effect.gen({ self: this }, function* () {
      const answers = yield* Effect.forEach(parts, ({ after, events, stream }) =>
        this.store.submit(stream, events, after)
      )
      for (const [index, answer] of answers.entries()) {
        const part = parts[index]!
        yield* Effect.catchTag(answer, "VersionConflict", () => conflict(part, part.after + 1, "Busy"))
        this.counts.events += part.events.length
      }
    })
  }

  /** Finds out how many events of a part the store has already. Of a stream that was deleted, it has them all. */
  private place(part: Part) {
    return this.streams.begin(part).pipe(
      Effect.catchTag("VersionConflict", () => conflict(part, part.after + 1, "Busy")),
      Effect.catchIf(
        (error): error is EventStoreError => error._tag === "EventStoreError" && error.reason._tag === "StreamDeleted",
        () =>
          Effect.as(
            Effect.sync(() => this.barred.add(part.stream)),
            "Barred" as const
          )
      ),
      Effect.flatMap((version): Effect.Effect<Placed, ImportConflict> => {
        if (version === "Gap") return conflict(part, part.after + 1, "Gap")
        const { length } = part.events
        const isBarred = version === "Barred"
        const known = isBarred ? length : Math.max(0, Math.min(length, version - part.after))
        return Effect.succeed({ ...part, known, isBarred })
      })
    )
  }

  /** Events that are there already must be the same. What was forgotten there may differ. */
  private compare(part: Placed) {
    const { after, events, isBarred, known, stream } = part
    if (known === 0 || isBarred) return Effect.void
    this.counts.known += known
    return Effect.flatMap(this.store.readArray(stream, { from: after + 1, to: after + known }), (stored) => {
      const other = stored.find(({ id, version }) => id !== events[version - after - 1]!.id)
      return other === undefined ? Effect.void : conflict(part, other.version, "OtherEvent")
    })
  }

  private put(put: Parameters<Persistence["Service"]["putAll"]>[0][number]) {
    return Effect.map(this.persistence.putAll([{ ...put, expected: 0 }]), (written) => {
      if (written) this.counts.documents++
      else this.counts.kept++
    })
  }
}

interface Placed extends Part {
  readonly known: number
  readonly isBarred: boolean
}

const freshOf = ({ after, events, known, lines, stream }: Placed): Part => ({
  stream,
  after: after + known,
  events: events.slice(known),
  lines: lines.slice(known)
})

/** Parts that a store does not take apart, so that they keep the order of the file, or single ones. */
const inOneBatch = (parts: ReadonlyArray<Part>): ReadonlyArray<ReadonlyArray<Part>> => {
  const groups: Array<Array<Part>> = []
  let size = Infinity
  for (const part of parts) {
    size += part.events.length
    if (size < worthSplitting) groups.at(-1)!.push(part)
    else {
      groups.push([part])
      size = part.events.length
    }
  }
  return groups
}

const conflict = (part: Part, version: StreamVersion, reason: ImportConflict["reason"]) =>
  Effect.fail(new ImportConflict({ line: part.lines[version - part.after - 1]!, stream: part.stream, version, reason }))
