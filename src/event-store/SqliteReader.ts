/** Reads the log's tables. The table layout is described in `SqliteEventStore.ts`. */
import * as Effect from "effect/Effect"
import type { Sqlite, SqliteValue } from "../persistence/Sqlite.ts"
import type { EncodedEvent, Position, StoredEvent, StreamId, StreamVersion } from "./Envelope.ts"
import { type ReadAllOptions, type ReadOptions, tombstoneType } from "./EventStoreDriver.ts"
import { EventStoreError, StoreCorrupt, StreamDeleted } from "./EventStoreError.ts"

/** A stream as the tables know it. */
export interface StreamRow {
  readonly id: number
  readonly deleted: boolean
  readonly version: StreamVersion
}

/** An event as the tables know it. */
export interface EventRow {
  readonly position: Position
  readonly stream: string
  readonly version: StreamVersion
  readonly type: string
  readonly body: string
}

const columns = "e.position, s.name AS stream, e.version, e.type, e.body"

const streamByName = `
  SELECT id, deleted, (SELECT ifnull(max(version), 0) FROM tutti_events WHERE stream = tutti_streams.id) AS version
  FROM tutti_streams WHERE name = ?`

const lastPosition = "SELECT ifnull(max(position), 0) AS position FROM tutti_events"

/** CROSS JOIN keeps the order of the loops: by position, whatever the planner thinks of the filters. */
const pageOfLog = `
  SELECT ${columns} FROM tutti_events e CROSS JOIN tutti_streams s ON s.id = e.stream
  WHERE e.position > ? AND e.type <> '${tombstoneType}'`

const rangeOfStream = (direction: "ASC" | "DESC") => `
  SELECT ${columns} FROM tutti_streams s CROSS JOIN tutti_events e ON e.stream = s.id
  WHERE s.name = ? AND e.version BETWEEN ? AND ? ORDER BY e.version ${direction} LIMIT ?`

/** The row of a stream, by its name. */
export const findStream = (sqlite: Sqlite["Service"], name: StreamId): StreamRow | undefined => {
  const row = sqlite.prepare(streamByName).get(name) as { id: number; deleted: number; version: number } | undefined
  return row && { id: row.id, deleted: row.deleted === 1, version: row.version }
}

/** The highest position given so far. */
export const head = (sqlite: Sqlite["Service"]): Position =>
  (sqlite.prepare(lastPosition).get() as { readonly position: number }).position

/** Reads with the statements of one connection. All functions are to be called inside `sqlite.attempt`. */
export const make = (sqlite: Sqlite["Service"]) => ({
  head: () => head(sqlite),
  version: (stream: StreamId): StreamVersion | StreamDeleted => {
    const row = findStream(sqlite, stream)
    return row?.deleted ? new StreamDeleted({ stream }) : (row?.version ?? 0)
  },
  read: (stream: StreamId, options: ReadOptions): ReadonlyArray<EventRow> | StreamDeleted => {
    const direction = options.direction === "backwards" ? "DESC" : "ASC"
    const rows = sqlite
      .prepare(rangeOfStream(direction))
      .all(
        stream,
        options.from ?? 0,
        options.to ?? Number.MAX_SAFE_INTEGER,
        options.max ?? -1
      ) as ReadonlyArray<EventRow>
    // Looked up after the events, so that a deletion in between is noticed.
    return findStream(sqlite, stream)?.deleted ? new StreamDeleted({ stream }) : rows
  },
  readAll: ({ after = 0, max, streamPrefix, types }: ReadAllOptions): ReadonlyArray<EventRow> => {
    let sql = pageOfLog
    const parameters: Array<SqliteValue> = [after]
    if (types !== undefined) {
      sql += " AND e.type IN (SELECT value FROM json_each(?))"
      parameters.push(JSON.stringify(types))
    }
    if (streamPrefix !== undefined) {
      sql += " AND s.name >= ? AND s.name < ?"
      parameters.push(streamPrefix, `${streamPrefix}\u{10FFFF}`)
    }
    return sqlite.prepare(`${sql} ORDER BY e.position LIMIT ?`).all(...parameters, max) as ReadonlyArray<EventRow>
  }
})

/** Restores events from their rows. */
export const decode = (rows: ReadonlyArray<EventRow>): Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError> =>
  Effect.suspend(() => {
    const events: Array<StoredEvent> = []
    for (const { body, position, stream, type, version } of rows) {
      const parsed = parse(body)
      if (parsed === undefined) {
        return Effect.fail(
          new EventStoreError({
            reason: new StoreCorrupt({
              operation: "read events",
              detail: `event ${version} of stream "${stream}" is not readable`
            })
          })
        )
      }
      const { data, id, meta, schemaVersion } = parsed
      events.push({ id, stream: stream as StreamId, version, position, type, schemaVersion, data, meta })
    }
    return Effect.succeed(events)
  })

const parse = (body: string): Omit<EncodedEvent, "type"> | undefined => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
