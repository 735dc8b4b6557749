/**
 * The document store in SQLite.
 *
 * Table: `tutti_documents(collection, id, version, body, expires)`; `body` is
 * JSON. The run catalogue (collection `runs`) is indexed by `status` and by
 * `definition`; other queries read their whole collection.
 *
 * Expired documents are invisible at once and are removed by the next write to
 * their collection.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Document, Persistence, PersistenceError, type Put, type Query } from "./Persistence.ts"
import { Sqlite, type SqliteError, type SqliteValue } from "./Sqlite.ts"

const migrations = [
  `CREATE TABLE tutti_documents (
     collection TEXT NOT NULL,
     id TEXT NOT NULL,
     version INTEGER NOT NULL,
     body TEXT NOT NULL,
     expires INTEGER,
     PRIMARY KEY (collection, id)
   ) WITHOUT ROWID;
   CREATE INDEX tutti_documents_expires ON tutti_documents (expires) WHERE expires IS NOT NULL;
   CREATE INDEX tutti_runs_status ON tutti_documents (collection, body ->> '$."status"') WHERE collection = 'runs';
   CREATE INDEX tutti_runs_definition ON tutti_documents (collection, body ->> '$."definition"') WHERE collection = 'runs'`
]

const live = "(expires IS NULL OR expires > ?)"
const selectOne = `SELECT id, version, body FROM tutti_documents WHERE collection = ? AND id = ? AND ${live}`
const upsert = `INSERT INTO tutti_documents (collection, id, version, body, expires) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (collection, id) DO UPDATE SET version = excluded.version, body = excluded.body, expires = excluded.expires`
const removeOne = "DELETE FROM tutti_documents WHERE collection = ? AND id = ?"
const removeExpired = "DELETE FROM tutti_documents WHERE expires <= ?"

interface Row {
  readonly id: string
  readonly version: number
  readonly body: string
}

/**
 * Makes a document store on the database in the context, and its table.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Persistence["Service"], PersistenceError, Sqlite> = Effect.gen(function* () {
  const sqlite = yield* Sqlite
  yield* Effect.mapError(sqlite.migrate("document store", migrations), persistenceError)
  const attempt = <A>(operation: string, body: (now: number) => A): Effect.Effect<A, PersistenceError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.mapError(
        sqlite.attempt(operation, () => body(now)),
        persistenceError
      )
    )
  const find = (collection: string, id: string, now: number) =>
    sqlite.prepare(selectOne).get(collection, id, now) as Row | undefined

  const putAll = (puts: ReadonlyArray<Put>, now: number): void => {
    sqlite.prepare(removeExpired).run(now)
    for (const { body, collection, expected, expiresAt, id } of puts) {
      const version = find(collection, id, now)?.version ?? 0
      if (expected !== undefined && expected !== version) throw unmet
      sqlite.prepare(upsert).run(collection, id, version + 1, JSON.stringify(body), expiresAt ?? null)
    }
  }

  return Persistence.of({
    get: (collection, id) =>
      Effect.flatMap(
        attempt("read a document", (now) => find(collection, id, now)),
        (row) => (row === undefined ? Effect.succeed(undefined) : Effect.map(decode([row]), ([document]) => document))
      ),
    putAll: (puts) => attempt("write documents", (now) => committed(() => sqlite.transaction(() => putAll(puts, now)))),
    delete: (collection, id) => attempt("delete a document", () => void sqlite.prepare(removeOne).run(collection, id)),
    query: (collection, query) =>
      Effect.flatMap(
        attempt("query documents", (now) => {
          const { parameters, sql } = select(collection, query ?? {}, now)
          return sqlite.prepare(sql).all(...parameters) as ReadonlyArray<Row>
        }),
        decode
      )
  })
})

/** Thrown to roll a transaction back, and turned into `false`. */
const unmet = new Error("an expected version did not hold")

const committed = (transaction: () => void): boolean => {
  try {
    transaction()
    return true
  } catch (cause) {
    if (cause === unmet) return false
    throw cause
  }
}

/** Field names are data: quoted as JSON for the path, and as SQL for the statement. */
const pathOf = (name: string): string => `'${`$.${JSON.stringify(name)}`.replaceAll("'", "''")}'`

const fieldOf = (name: string): string => `body ->> ${pathOf(name)}`

const select = (collection: string, query: Query, now: number) => {
  const parameters: Array<SqliteValue> = [now]
  // The collection is written out, so that the planner may use the partial indexes.
  let sql = `SELECT id, version, body FROM tutti_documents WHERE collection = '${collection.replaceAll("'", "''")}' AND ${live}`
  for (const [name, wanted] of Object.entries(query.where ?? {})) {
    const values: ReadonlyArray<unknown> = Array.isArray(wanted) ? wanted : [wanted]
    sql += ` AND (${values.map((value) => equals(name, value, parameters)).join(" OR ") || "FALSE"})`
  }
  const direction = query.descending ? "DESC" : "ASC"
  sql += ` ORDER BY ${query.orderBy === undefined ? "" : `${fieldOf(query.orderBy)} ${direction}, `}id ${direction} LIMIT ? OFFSET ?`
  parameters.push(query.limit ?? 100, query.offset ?? 0)
  return { sql, parameters }
}

/** The type is compared, too: SQL knows JSON's `true` as 1, and an array by its text. */
const equals = (name: string, value: unknown, parameters: Array<SqliteValue>): string => {
  const field = fieldOf(name)
  const type = `json_type(body, ${pathOf(name)})`
  if (value === null) return `${field} IS NULL`
  if (typeof value === "boolean") return `${type} = '${value}'`
  parameters.push(typeof value === "number" ? value : String(value))
  return `${field} = ? AND ${type} ${typeof value === "number" ? "IN ('integer', 'real')" : "= 'text'"}`
}

const decode = (rows: ReadonlyArray<Row>): Effect.Effect<ReadonlyArray<Document>, PersistenceError> =>
  Effect.try({
    try: () => rows.map(({ body, id, version }) => ({ id, version, body: JSON.parse(body) })),
    catch: (cause) => new PersistenceError({ operation: "decode a document", retryable: false, cause })
  })

const persistenceError = ({ cause, detail, kind, operation }: SqliteError): PersistenceError =>
  new PersistenceError({ operation, detail, retryable: kind === "Busy", cause })
