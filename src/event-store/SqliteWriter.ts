/**
 * Writes the log's tables. The table layout and the fencing are described in `SqliteEventStore.ts`.
 *
 * All functions are to be called inside `sqlite.attempt`.
 */
import type { Sqlite, SqliteValue } from "../persistence/Sqlite.ts"
import * as SqlitePersistence from "../persistence/SqlitePersistence.ts"
import type { EncodedEvent, ExpectedVersion, Position, StreamId, StreamVersion } from "./Envelope.ts"
import {
  type Appended,
  type AppendOutcome,
  type AppendRequest,
  exactVersion,
  holds,
  tombstoneType
} from "./EventStoreDriver.ts"
import { DocumentConflict, StreamDeleted, VersionConflict } from "./EventStoreError.ts"
import { findStream, head } from "./SqliteReader.ts"

interface KnownStream {
  readonly id: number
  readonly deleted: boolean
  version: StreamVersion
}

const columnsPerRow = 6
/** Rows per statement: above this, binding costs more than stepping saves. */
const rowsPerInsert = 16
const insertRows = (count: number) =>
  "INSERT INTO tutti_events (position, stream, version, type, dedup, body) VALUES " +
  Array.from({ length: count }, () => "(?, ?, ?, ?, ?, ?)").join(", ")
const insertMany = insertRows(rowsPerInsert)
const insertOne = insertRows(1)
const insertBehind =
  "INSERT INTO tutti_events (position, stream, version, type, dedup, body) SELECT ?, ?, ?, ?, NULL, ? " +
  "WHERE (SELECT max(position) FROM tutti_events) = ?"
const insertStream = "INSERT INTO tutti_streams (name) VALUES (?)"
const barStream = "UPDATE tutti_streams SET deleted = 1 WHERE id = ?"
const eventsFrom =
  "SELECT version, position, body ->> 'id' AS id FROM tutti_events WHERE stream = ? AND version > ? ORDER BY version LIMIT ?"
const versionOfId = "SELECT version FROM tutti_events WHERE stream = ? AND dedup = ?"
const deleteBefore = "DELETE FROM tutti_events WHERE stream = ? AND version < ?"

const bodyOf = ({ data, id, meta, schemaVersion }: EncodedEvent): string =>
  JSON.stringify({ id, schemaVersion, data, meta })

/** Writes with the statements of one connection, and remembers what it wrote. */
export class SqliteWriter {
  private readonly sqlite: Sqlite["Service"]
  private readonly rememberedStreams: number
  private readonly streams = new Map<StreamId, KnownStream>()
  private position: Position = 0
  private dataVersion = -1
  /** Rows of the current transaction that are not inserted yet, flat. */
  private pending: Array<SqliteValue> = []
  /** Of the current transaction, in milliseconds since the Unix epoch: which documents have expired. */
  private now = 0
  constructor(sqlite: Sqlite["Service"], rememberedStreams: number) {
    this.sqlite = sqlite
    this.rememberedStreams = rememberedStreams
  }

  append(requests: ReadonlyArray<AppendRequest>, now: number): ReadonlyArray<AppendOutcome> {
    const alone = requests.length === 1 ? this.appendAlone(requests[0]!) : undefined
    if (alone !== undefined) return [alone]
    this.now = now
    return this.write(() => requests.map((request) => this.appendOne(request)))
  }

  truncateBefore(stream: StreamId, version: StreamVersion): StreamDeleted | undefined {
    return this.write(() => {
      const found = this.known(stream)
      if (found?.deleted) return new StreamDeleted({ stream })
      if (found !== undefined) this.sqlite.prepare(deleteBefore).run(found.id, Math.min(version, found.version))
      return undefined
    })
  }

  remove(stream: StreamId, expected: ExpectedVersion): VersionConflict | undefined {
    return this.write(() => {
      const found = this.known(stream)
      if (found?.deleted) return undefined
      const version = found?.version ?? 0
      if (!holds(expected, version)) return new VersionConflict({ stream, expected, actual: version })
      const { id } = found ?? this.create(stream)
      this.sqlite.prepare(barStream).run(id)
      this.sqlite.prepare(insertOne).run(++this.position, id, version + 1, tombstoneType, null, "{}")
      this.sqlite.prepare(deleteBefore).run(id, version + 1)
      this.streams.delete(stream)
      return undefined
    })
  }

  /**
   * The next event of a remembered stream is one statement, which is a transaction of its own. The newest event of the
   * log is never deleted: if it is still ours, no other connection has appended. `undefined`: not so simple.
   */
  private appendAlone({ documents, events, expected, stream }: AppendRequest): Appended | undefined {
    const [event] = events
    const found = this.streams.get(stream)
    if (event === undefined || events.length > 1 || documents !== undefined || found === undefined) return undefined
    if (found.deleted || exactVersion(expected) !== found.version) return undefined
    const position = this.position + 1
    const version = found.version + 1
    const insert = this.sqlite.prepare(insertBehind)
    if (insert.run(position, found.id, version, event.type, bodyOf(event), this.position).changes === 0)
      return undefined
    this.position = position
    found.version = version
    return { version, position, duplicate: false }
  }

  /** Runs `body` in a transaction, knowing that what is remembered is true. */
  private write<A>(body: () => A): A {
    try {
      return this.sqlite.transaction(() => {
        this.refresh()
        const result = body()
        this.insertPending()
        return result
      })
    } catch (cause) {
      // Rolled back: what was remembered on the way is not true.
      this.streams.clear()
      this.pending = []
      this.dataVersion = -1
      throw cause
    }
  }

  /** Forgets everything if another connection has written since. */
  private refresh(): void {
    const current = this.sqlite.dataVersion()
    if (current === this.dataVersion) return
    this.streams.clear()
    this.position = head(this.sqlite)
    this.dataVersion = current
  }

  private appendOne(request: AppendRequest): AppendOutcome {
    const { expected, stream } = request
    const found = this.known(stream)
    if (found === undefined) return holds(expected, 0) ? this.add(request, undefined) : conflict(request, 0)
    if (found.deleted) return new StreamDeleted({ stream })
    const recognised = this.recognise(found, request)
    if (recognised !== undefined) return recognised
    return holds(expected, found.version) ? this.add(request, found) : conflict(request, found.version)
  }

  private add(
    { documents, events, expected, stream }: AppendRequest,
    found: KnownStream | undefined
  ): Appended | DocumentConflict {
    // Before anything is remembered: this throws for data that is no JSON.
    const bodies = events.map(bodyOf)
    if (documents !== undefined) {
      const unmet = SqlitePersistence.put(this.sqlite, documents, this.now)
      if (unmet !== undefined) return new DocumentConflict({ collection: unmet.collection, id: unmet.id })
    }
    const target = found ?? this.create(stream)
    const isExact = exactVersion(expected) !== undefined
    for (let index = 0; index < events.length; index++) {
      const { id, type } = events[index]!
      this.pending.push(++this.position, target.id, ++target.version, type, isExact ? null : id, bodies[index]!)
    }
    return { version: target.version, position: this.position, duplicate: false }
  }

  /** The answer to a request some of whose events, or of whose versions, the stream has already. */
  private recognise(found: KnownStream, request: AppendRequest): AppendOutcome | undefined {
    const exact = exactVersion(request.expected)
    if (exact !== undefined && exact >= found.version) return undefined
    this.insertPending()
    const after = exact ?? this.firstKnown(found, request.events)
    if (after === undefined) return undefined
    return this.duplicate(found, request.events, after) ?? conflict(request, found.version)
  }

  /** The version before the first of the events that the stream has already. */
  private firstKnown(found: KnownStream, events: ReadonlyArray<EncodedEvent>): StreamVersion | undefined {
    for (let index = 0; index < events.length; index++) {
      const row = this.sqlite.prepare(versionOfId).get(found.id, events[index]!.id)
      if (row !== undefined) return (row as { readonly version: number }).version - index - 1
    }
    return undefined
  }

  /** The outcome of the first append, if exactly these events lie after that version. */
  private duplicate(
    found: KnownStream,
    events: ReadonlyArray<EncodedEvent>,
    after: StreamVersion
  ): Appended | undefined {
    type Row = { readonly version: number; readonly position: number; readonly id: string }
    const rows = this.sqlite.prepare(eventsFrom).all(found.id, after, events.length) as ReadonlyArray<Row>
    const last = rows.at(-1)
    if (last === undefined || rows.length < events.length) return undefined
    const same = rows.every((row, index) => row.version === after + index + 1 && row.id === events[index]!.id)
    return same ? { version: last.version, position: last.position, duplicate: true } : undefined
  }

  private insertPending(): void {
    const { pending } = this
    if (pending.length === 0) return
    const chunk = rowsPerInsert * columnsPerRow
    let from = 0
    for (; from + chunk <= pending.length; from += chunk) {
      this.sqlite.prepare(insertMany).run(...pending.slice(from, from + chunk))
    }
    for (; from < pending.length; from += columnsPerRow) {
      this.sqlite.prepare(insertOne).run(...pending.slice(from, from + columnsPerRow))
    }
    this.pending = []
  }

  private known(name: StreamId): KnownStream | undefined {
    const remembered = this.streams.get(name)
    if (remembered !== undefined) return remembered
    const found = findStream(this.sqlite, name)
    return found && this.remember(name, { ...found })
  }

  private create(name: StreamId): KnownStream {
    const id = Number(this.sqlite.prepare(insertStream).run(name).lastInsertRowid)
    return this.remember(name, { id, deleted: false, version: 0 })
  }

  private remember(name: StreamId, stream: KnownStream): KnownStream {
    if (this.streams.size >= this.rememberedStreams) {
      // A stream may have rows pending whose version only the memory knows.
      this.insertPending()
      this.streams.delete(this.streams.keys().next().value!)
    }
    this.streams.set(name, stream)
    return stream
  }
}

const conflict = ({ expected, stream }: AppendRequest, actual: StreamVersion) =>
  new VersionConflict({ stream, expected, actual })
