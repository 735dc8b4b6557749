/**
 * Writes the log's tables. The table layout and the fencing are described in `SqliteEventStore.ts`.
 *
 * All functions are to be called inside `sqlite.attempt`.
 */
import type { Sqlite, SqliteValue } from "../persistence/Sqlite.ts"
import type { EncodedEvent, ExpectedVersion, Position, StreamId, StreamVersion } from "./Envelope.ts"
import {
  type Appended,
  type AppendOutcome,
  type AppendRequest,
  exactVersion,
  holds,
  tombstoneType
} from "./EventStoreDriver.ts"
import { StreamDeleted, VersionConflict } from "./EventStoreError.ts"
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
const insertStream = "INSERT INTO tutti_streams (name, deleted) VALUES (?, ?)"
const barStream = "UPDATE tutti_streams SET deleted = 1 WHERE id = ?"
const eventsFrom =
  "SELECT version, position, body ->> 'id' AS id FROM tutti_events WHERE stream = ? AND version > ? ORDER BY version LIMIT ?"
const versionOfId = "SELECT version FROM tutti_events WHERE stream = ? AND dedup = ?"
const deleteBefore = "DELETE FROM tutti_events WHERE stream = ? AND version < ?"

const bodyOf = ({ data, id, meta, schemaVersion }: EncodedEvent): string =>
  JSON.stringify({ id, schemaVersion, data, meta })

/** Writes with the statements of one connection, and remembers what it wrote. */
export const make = (sqlite: Sqlite["Service"], rememberedStreams: number) => {
  const streams = new Map<StreamId, KnownStream>()
  let position: Position = 0
  let dataVersion = -1
  /** Rows of the current transaction that are not inserted yet, flat. */
  let pending: Array<SqliteValue> = []

  const forget = () => {
    streams.clear()
    pending = []
    dataVersion = -1
  }

  /** Runs `body` knowing that what is remembered is true (see "fenced" above). */
  const write = <A>(body: () => A): A => {
    try {
      return sqlite.transaction(() => {
        const current = sqlite.dataVersion()
        if (current !== dataVersion) {
          streams.clear()
          position = head(sqlite)
          dataVersion = current
        }
        const result = body()
        insertPending()
        return result
      })
    } catch (cause) {
      forget()
      throw cause
    }
  }

  const insertPending = () => {
    const { length } = pending
    if (length === 0) return
    const chunk = rowsPerInsert * columnsPerRow
    let from = 0
    for (; from + chunk <= length; from += chunk) sqlite.prepare(insertMany).run(...pending.slice(from, from + chunk))
    for (; from < length; from += columnsPerRow) {
      sqlite.prepare(insertOne).run(...pending.slice(from, from + columnsPerRow))
    }
    pending = []
  }

  const known = (name: StreamId): KnownStream | undefined => {
    const remembered = streams.get(name)
    if (remembered !== undefined) return remembered
    const found = findStream(sqlite, name)
    return found && remember(name, { ...found })
  }

  const remember = (name: StreamId, stream: KnownStream): KnownStream => {
    if (streams.size >= rememberedStreams) {
      // A stream may have rows pending whose version only the memory knows.
      insertPending()
      streams.delete(streams.keys().next().value!)
    }
    streams.set(name, stream)
    return stream
  }

  const create = (name: StreamId, deleted: boolean): KnownStream => {
    const id = Number(sqlite.prepare(insertStream).run(name, deleted ? 1 : 0).lastInsertRowid)
    return remember(name, { id, deleted, version: 0 })
  }

  const append = (request: AppendRequest): AppendOutcome => {
    const { events, expected, stream } = request
    const found = known(stream)
    if (found?.deleted) return new StreamDeleted({ stream })
    const version = found?.version ?? 0
    const exact = exactVersion(expected)
    if (found !== undefined && (exact === undefined || exact < version)) {
      insertPending()
      const after = exact ?? firstKnown(found, events)
      if (after !== undefined) {
        return duplicate(found, events, after) ?? new VersionConflict({ stream, expected, actual: version })
      }
    }
    if (!holds(expected, version)) return new VersionConflict({ stream, expected, actual: version })
    const bodies = events.map(bodyOf)
    const target = found ?? create(stream, false)
    for (let index = 0; index < events.length; index++) {
      const event = events[index]!
      const dedup = exact === undefined ? event.id : null
      pending.push(++position, target.id, ++target.version, event.type, dedup, bodies[index]!)
    }
    return { version: target.version, position, duplicate: false }
  }

  /** The version before the first of the events that the stream has already. */
  const firstKnown = (found: KnownStream, events: ReadonlyArray<EncodedEvent>): StreamVersion | undefined => {
    for (let index = 0; index < events.length; index++) {
      const row = sqlite.prepare(versionOfId).get(found.id, events[index]!.id)
      if (row !== undefined) return (row as { version: number }).version - index - 1
    }
    return undefined
  }

  /** The outcome of the first append, if exactly these events lie after that version. */
  const duplicate = (
    found: KnownStream,
    events: ReadonlyArray<EncodedEvent>,
    after: StreamVersion
  ): Appended | undefined => {
    type Row = { readonly version: number; readonly position: number; readonly id: string }
    const rows = sqlite.prepare(eventsFrom).all(found.id, after, events.length) as ReadonlyArray<Row>
    const last = rows.at(-1)
    if (last === undefined || rows.length < events.length) return undefined
    const same = rows.every((row, index) => row.version === after + index + 1 && row.id === events[index]!.id)
    return same ? { version: last.version, position: last.position, duplicate: true } : undefined
  }

  return {
    append: (requests: ReadonlyArray<AppendRequest>): ReadonlyArray<AppendOutcome> => write(() => requests.map(append)),

    truncateBefore: (stream: StreamId, version: StreamVersion): void | StreamDeleted =>
      write(() => {
        const found = known(stream)
        if (found?.deleted) return new StreamDeleted({ stream })
        if (found !== undefined) sqlite.prepare(deleteBefore).run(found.id, Math.min(version, found.version))
      }),

    remove: (stream: StreamId, expected: ExpectedVersion): VersionConflict | undefined =>
      write(() => {
        const found = known(stream)
        if (found?.deleted) return undefined
        const version = found?.version ?? 0
        if (!holds(expected, version)) return new VersionConflict({ stream, expected, actual: version })
        const { id } = found ?? create(stream, true)
        sqlite.prepare(barStream).run(id)
        sqlite.prepare(insertOne).run(++position, id, version + 1, tombstoneType, null, "{}")
        sqlite.prepare(deleteBefore).run(id, version + 1)
        streams.delete(stream)
        return undefined
      })
  }
}
