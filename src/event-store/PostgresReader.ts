/** Reads the log's tables. The table layout is described in `PostgresEventStore.ts`. */
import * as Effect from "effect/Effect"
import type { PostgresRow, PostgresValue } from "../persistence/Postgres.ts"
import { fromText, toText } from "../persistence/PostgresText.ts"
import type { StoredEvent, StreamId, StreamVersion } from "./Envelope.ts"
import { type ReadAllOptions, type ReadOptions, tombstoneType } from "./EventStoreDriver.ts"
import { EventStoreError, StoreCorrupt, StreamDeleted } from "./EventStoreError.ts"

/** A statement and its parameters. */
export interface Query {
  readonly sql: string
  readonly parameters: ReadonlyArray<PostgresValue>
}

const columns = "e.position, e.version, e.type, e.id, e.body::text"

/** The highest position given so far. */
export const head = (schema: string): Query => ({
  sql: `SELECT coalesce(max(position), 0) FROM ${schema}.tutti_events`,
  parameters: []
})

/** Whether a stream is deleted, and its version. No row: no such stream. */
export const version = (schema: string, stream: StreamId): Query => ({
  sql: `SELECT s.deleted, (SELECT coalesce(max(e.version), 0) FROM ${schema}.tutti_events e WHERE e.stream = s.id)
    FROM ${schema}.tutti_streams s WHERE s.name = $1`,
  parameters: [toText(stream)]
})

/** One snapshot of both: a stream that is deleted meanwhile is read whole or not at all. */
export const range = (schema: string, stream: StreamId, options: ReadOptions): Query => {
  const direction = options.direction === "backwards" ? "DESC" : "ASC"
  return {
    sql: `SELECT s.deleted, ${columns} FROM ${schema}.tutti_streams s LEFT JOIN LATERAL (
        SELECT * FROM ${schema}.tutti_events e
        WHERE e.stream = s.id AND e.version BETWEEN $2::bigint AND $3::bigint ORDER BY e.version ${direction} LIMIT $4::bigint
      ) e ON true WHERE s.name = $1 ORDER BY e.version ${direction}`,
    parameters: [
      toText(stream),
      options.from ?? 0,
      options.to ?? Number.MAX_SAFE_INTEGER,
      options.max ?? Number.MAX_SAFE_INTEGER
    ]
  }
}

/** One page of the whole log. */
export const page = (schema: string, { after = 0, max, streamPrefix, types }: ReadAllOptions): Query => {
  const parameters: Array<PostgresValue> = [after]
  const bind = (value: PostgresValue) => `$${parameters.push(value)}`
  let filters = ""
  if (types !== undefined) filters += ` AND e.type = ANY (${bind(types.map(toText))}::text[])`
  if (streamPrefix !== undefined) filters += ` AND starts_with(s.name, ${bind(toText(streamPrefix))})`
  return {
    sql: `SELECT s.name, ${columns} FROM ${schema}.tutti_events e CROSS JOIN LATERAL (
        -- Looked up one by one, whatever the planner thinks of the filters: the page is read in its order.
        SELECT t.name FROM ${schema}.tutti_streams t WHERE t.id = e.stream OFFSET 0
      ) s
      WHERE e.position > $1::bigint AND e.type <> '${tombstoneType}'${filters} ORDER BY e.position LIMIT ${bind(max)}::bigint`,
    parameters
  }
}

/** The version of the stream, or that it is deleted. */
export const versionOf = (
  stream: StreamId,
  rows: ReadonlyArray<PostgresRow>
): Effect.Effect<StreamVersion, EventStoreError> => Effect.as(notDeleted(stream, rows), Number(rows[0]?.[1] ?? 0))

/** The events of a stream, or that it is deleted. */
export const eventsOf = (
  stream: StreamId,
  rows: ReadonlyArray<PostgresRow>
): Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError> =>
  Effect.andThen(
    notDeleted(stream, rows),
    // A stream of which nothing lies in the range is a row without an event.
    rows[0]?.[1] === null ? Effect.succeed([]) : decode(rows, () => stream)
  )

/** The events of a page. */
export const eventsOfLog = (
  rows: ReadonlyArray<PostgresRow>
): Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError> =>
  decode(rows, (name) => fromText(name as string) as StreamId)

/** Fails if the first column of the row, if there is one, says that the stream was deleted. */
export const notDeleted = (stream: StreamId, rows: ReadonlyArray<PostgresRow>): Effect.Effect<void, EventStoreError> =>
  rows[0]?.[0] === true ? Effect.fail(new EventStoreError({ reason: new StreamDeleted({ stream }) })) : Effect.void

const decode = (
  rows: ReadonlyArray<PostgresRow>,
  streamOf: (column: unknown) => StreamId
): Effect.Effect<ReadonlyArray<StoredEvent>, EventStoreError> =>
  Effect.suspend(() => {
    const events: Array<StoredEvent> = []
    for (const [first, position, version, type, id, body] of rows) {
      const parsed = parse(body as string)
      const stream = streamOf(first)
      if (parsed === undefined) {
        return Effect.fail(
          new EventStoreError({
            reason: new StoreCorrupt({
              operation: "read events",
              detail: `event ${Number(version)} of stream "${stream}" is not readable`
            })
          })
        )
      }
      const { data, meta, schemaVersion } = parsed
      events.push({
        id: fromText(id as string),
        stream,
        version: Number(version),
        position: Number(position),
        type: fromText(type as string),
        schemaVersion,
        data,
        meta
      })
    }
    return Effect.succeed(events)
  })

const parse = (body: string): Pick<StoredEvent, "schemaVersion" | "data" | "meta"> | undefined => {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
