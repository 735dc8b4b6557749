/** How the streams of an exported log come to lie in a store: in parts, and where their beginning was forgotten. */
import * as Effect from "effect/Effect"
import type { NewEvent, StreamId, StreamVersion } from "./Envelope.ts"
import type { EventStore } from "./EventStore.ts"
import type { Entry, Reader } from "./LogLine.ts"

/** Events that lie one after the other in the file and in their stream. */
export interface Part {
  readonly stream: StreamId
  /** The version before the first of them. */
  readonly after: StreamVersion
  readonly events: Array<NewEvent>
  readonly lines: Array<number>
}

/** Parts in the order of the file, so that positions are, too. */
export const partsOf = (entries: ReadonlyArray<Extract<Entry, { readonly _tag: "Event" }>>): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  for (const { event, line } of entries) {
    const { stream, version, ...fresh } = event
    let part = parts.at(-1)
    if (part === undefined || part.stream !== stream || part.after + part.events.length + 1 !== version) {
      parts.push((part = { stream, after: version - 1, events: [], lines: [] }))
    }
    part.events.push(fresh)
    part.lines.push(line)
  }
  return parts
}

/** Takes the place of events that were forgotten, until the first true one is stored. */
const fillerType = "$forgotten"
const fillersPerAppend = 500

/** Of so many streams it is remembered where they began. */
const remembered = 100_000

export class ImportedStreams {
  private readonly store: EventStore["Service"]
  private readonly reader: Reader
  /** Versions that streams had when their first part came. */
  private readonly versions = new Map<StreamId, StreamVersion>()
  /** Streams whose beginning is to be forgotten, from this version on they are kept. */
  private readonly forgotten = new Map<StreamId, StreamVersion>()
  private isEmpty: boolean
  /** `isEmpty`: the store held nothing when the import began, so that there is nothing to look up. */
  constructor(store: EventStore["Service"], options: { readonly reader: Reader; readonly isEmpty: boolean }) {
    this.store = store
    this.reader = options.reader
    this.isEmpty = options.isEmpty
  }

  /**
   * The version that a stream had before the import, brought to where its first part begins. `"Gap"`: that would pass over
   * events that no file before this one holds.
   *
   * An export of everything holds all that is kept of a stream: so what is missing before its first event was forgotten.
   */
  begin({ after, stream }: Part) {
    return Effect.gen({ self: this }, function* () {
      const before = this.versions.get(stream)
      if (before !== undefined) return before
      const version = this.isEmpty ? 0 : yield* this.store.version(stream)
      if (version < after && !(yield* this.fill(stream, version, after))) return "Gap"
      if (after > 0) yield* this.findFillers(stream)
      this.versions.set(stream, version)
      return version
    })
  }

  /** To be called when nothing of the import is under way: what was appended since is then part of the versions. */
  tidy(): void {
    if (this.versions.size < remembered) return
    this.versions.clear()
    this.isEmpty = false
  }

  /** Forgets what only took the place of something, also what an import before this one has left behind. */
  finish(stream: StreamId) {
    const from = this.forgotten.get(stream)
    if (from === undefined) return Effect.void
    this.forgotten.delete(stream)
    return this.store.truncateBefore(stream, from)
  }

  private fill(stream: StreamId, version: StreamVersion, after: StreamVersion) {
    return Effect.gen({ self: this }, function* () {
      if (this.reader.head.after > 0) return false
      const [last] = yield* this.store.readArray(stream, { direction: "backwards", max: 1 })
      if (last !== undefined && last.type !== fillerType) return false
      for (let from = version; from < after; from += fillersPerAppend) {
        const count = Math.min(fillersPerAppend, after - from)
        const fillers = Array.from({ length: count }, (_, index) => filler(stream, from + index + 1, after + 1))
        yield* this.store.append(stream, fillers, from)
      }
      return true
    })
  }

  private findFillers(stream: StreamId) {
    return Effect.map(this.store.readArray(stream, { max: 1 }), ([oldest]) => {
      if (oldest?.type === fillerType) this.forgotten.set(stream, firstKept(oldest.data))
    })
  }
}

const filler = (stream: StreamId, version: StreamVersion, until: StreamVersion): NewEvent => ({
  id: `${fillerType} ${version} ${stream}`,
  type: fillerType,
  data: { until }
})

const firstKept = (data: unknown): StreamVersion => (data as { readonly until: StreamVersion }).until
