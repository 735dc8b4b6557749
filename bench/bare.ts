/**
 * The raw limit of a store: the rows that our driver writes, with the same durability, and nothing else. No JSON is made,
 * no version is checked, no id is drawn.
 */
import { Redis } from "ioredis"
import { DatabaseSync } from "node:sqlite"
import type { NewEvent } from "tutti"
import * as Peers from "./peers/peers.ts"

const data = { status: "ok", attempt: 1, durationMs: 12.5, output: "the quick brown fox jumps" }
const meta = {
  correlationId: "run/1",
  runId: "run/1",
  definition: "Bench",
  definitionVersion: 1,
  path: "a/b",
  epoch: 1
}

/** So many events of the same kind, for a store to append. */
export const events = (count: number): ReadonlyArray<NewEvent> =>
  Array.from({ length: count }, () => ({ type: "StepCompleted", data, meta }))

const id = "019aa5a4-0000-7000-8000-000012345678"
const stamped = { ...meta, timestamp: 1_763_700_000_000 }

export const streamLength = 100

/** Where one event lies. */
export interface Row {
  readonly stream: number
  readonly version: number
}

export interface BareLog {
  /** One durable commit. */
  readonly insert: (rows: ReadonlyArray<Row>) => unknown
  /**
   * Reads a stream, with every body parsed, and answers how many events it has. Expects streams 0, 1, 2 ... of
   * `streamLength` events each, one after the other.
   */
  readonly read: (stream: number) => number | Promise<number>
  readonly close: () => unknown
}

export const sqlite = (filename: string): BareLog => {
  const database = new DatabaseSync(filename)
  database.exec(`
    PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE events (position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, version INTEGER NOT NULL,
                         type TEXT NOT NULL, dedup TEXT, body TEXT NOT NULL, UNIQUE (stream, version))`)
  const body = JSON.stringify({ id, schemaVersion: 1, data, meta: stamped })
  const insert = database.prepare(
    "INSERT INTO events (stream, version, type, dedup, body) VALUES (?, ?, 'StepCompleted', NULL, ?)"
  )
  const select = database.prepare("SELECT * FROM events WHERE stream = ? ORDER BY version")
  return {
    insert: (rows) => {
      database.exec("BEGIN IMMEDIATE")
      for (const { stream, version } of rows) insert.run(stream, version, body)
      database.exec("COMMIT")
    },
    read: (stream) => select.all(stream).reduce((sum, row) => sum + JSON.parse(row["body"] as string).schemaVersion, 0),
    close: () => database.close()
  }
}

export const postgres = async (url: string): Promise<BareLog> => {
  const client = await Peers.connect(url)
  await client.query(`
    CREATE TABLE events (position bigint PRIMARY KEY, stream bigint NOT NULL, version bigint NOT NULL,
                         dedup boolean NOT NULL, type text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL,
                         body json NOT NULL, UNIQUE (stream, version))`)
  const body = JSON.stringify({ schemaVersion: 1, data, meta: stamped })
  const insert = `
    INSERT INTO events SELECT position, stream, version, false, type, id, body
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::json[])
      row(position, stream, version, type, id, body)`
  let position = 0
  return {
    insert: (rows) =>
      client.query({
        name: "insert",
        text: insert,
        values: [
          rows.map(() => ++position),
          rows.map(({ stream }) => stream),
          rows.map(({ version }) => version),
          rows.map(() => "StepCompleted"),
          rows.map(() => id),
          rows.map(() => body)
        ]
      }),
    // The client parses what is JSON.
    read: async (stream) => {
      const text = "SELECT position, version, type, id, body FROM events WHERE stream = $1 ORDER BY version"
      const { rows } = await client.query({ name: "read", text, values: [stream] })
      return rows.reduce((sum, row) => sum + row.body.schemaVersion, 0)
    },
    close: () => client.end()
  }
}

/** One pipeline of XADD a commit, as programs write to Redis. It is not atomic. */
export const redis = (url: string): BareLog =>
  onRedis(url, async (client, entries) => {
    const pipeline = client.pipeline()
    for (const { fields, position } of entries) pipeline.xadd("log", `${position}-0`, ...fields)
    const answers = await pipeline.exec()
    for (const [error] of answers!) if (error !== null) throw error
  })

const script = `
local first = tonumber(ARGV[1])
for k = 0, (#ARGV - 1) / 10 - 1 do
  redis.call('XADD', KEYS[1], string.format('%.0f-0', first + k), unpack(ARGV, 10 * k + 2, 10 * k + 11))
end`

/** One script of XADD a commit: atomic, and less to say and to write. */
export const redisScript = (url: string): BareLog =>
  onRedis(url, (client, entries) =>
    client.eval(script, 1, "log", entries[0]!.position, ...entries.flatMap(({ fields }) => fields))
  )

interface Entry {
  readonly position: number
  readonly fields: ReadonlyArray<string | number>
}

const onRedis = (url: string, write: (client: Redis, entries: ReadonlyArray<Entry>) => Promise<unknown>): BareLog => {
  const client = new Redis(url)
  const body = JSON.stringify([1, data, stamped])
  let position = 0
  return {
    insert: (rows) =>
      write(
        client,
        rows.map(({ stream, version }) => ({
          position: ++position,
          fields: ["i", id, "s", `bench/${stream}`, "v", version, "t", "StepCompleted", "b", body]
        }))
      ),
    read: async (stream) => {
      const entries = await client.xrange("log", `${stream * streamLength + 1}-0`, `${(stream + 1) * streamLength}-0`)
      return entries.reduce((sum, [, fields]) => sum + JSON.parse(fields[9]!)[0], 0)
    },
    close: () => client.quit()
  }
}
