/**
 * The document store in SQLite.
 *
 * Table: `tutti_documents(collection, id, version, body, expires)`; `body` is
 * JSON. A declared index is an expression index on one field of one collection.
 * The run catalogue (collection `runs`) has two from the start, by `status` and
 * by `definition`; queries by other fields read their whole collection.
 *
 * Expired documents are invisible at once and are removed by the next write.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Document, Persistence, PersistenceError, type Put } from "./Persistence.ts"
import { Sqlite, type SqliteError } from "./Sqlite.ts"
import * as SqliteQuery from "./SqliteQuery.ts"

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

const { live } = SqliteQuery
const selectOne = `SELECT id, version, body FROM tutti_documents WHERE collection = ? AND id = ? AND ${live}`
const upsert = `INSERT INTO tutti_documents (collection, id, version, body, expires) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (collection, id) DO UPDATE SET version = excluded.version, body = excluded.body, expires = excluded.expires`
const selectVersion = `SELECT version FROM tutti_documents WHERE collection = ? AND id = ? AND ${live}`
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
  yield* Effect.mapError(prepare(sqlite), persistenceError)
  const attempt = <A>(operation: string, body: (now: number) => A): Effect.Effect<A, PersistenceError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.mapError(
        sqlite.attempt(operation, () => body(now)),
        persistenceError
      )
    )
  const find = (collection: string, id: string, now: number) =>
    sqlite.prepare(selectOne).get(collection, id, now) as Row | undefined

  let indexes = yield* attempt("read the indexes", () => indexesOf(sqlite))

  return Persistence.of({
    get: (collection, id) =>
      Effect.flatMap(
        attempt("read a document", (now) => find(collection, id, now)),
        (row) => (row === undefined ? Effect.succeed(undefined) : Effect.map(decode([row]), ([document]) => document))
      ),
    putAll: (puts) =>
      attempt("write documents", (now) => sqlite.transaction(() => put(sqlite, puts, now)) === undefined),
    delete: (collection, id) => attempt("delete a document", () => void sqlite.prepare(removeOne).run(collection, id)),
    index: (collection, fields) =>
      attempt("index a collection", () => {
        for (const field of fields) sqlite.prepare(SqliteQuery.createIndex(collection, field)).run()
        indexes = indexesOf(sqlite)
      }),
    purge: attempt("purge documents", (now) => void sqlite.prepare(removeExpired).run(now)),
    query: (collection, query) =>
      Effect.flatMap(
        attempt("query documents", (now) => {
          const { parameters, sql } = SqliteQuery.select(collection, query ?? {}, { now, indexes })
          return sqlite.prepare(sql).all(...parameters) as ReadonlyArray<Row>
        }),
        decode
      )
  })
})

/** Names of the declared indexes: also those that another process has declared before. */
const indexesOf = (sqlite: Sqlite["Service"]): ReadonlySet<string> => {
  const rows = sqlite.prepare("SELECT name FROM sqlite_master WHERE type = 'index'").all()
  return new Set(rows.map((row) => (row as { readonly name: string }).name))
}

/** Makes the table of the document store. */
export const prepare = (sqlite: Sqlite["Service"]): Effect.Effect<void, SqliteError> =>
  sqlite.migrate("document store", migrations)

/**
 * Puts all documents, or none: then answers the first whose expectation does not hold. Only inside a transaction, so
 * that the event store can put documents in the commit of an append.
 */
export const put = (sqlite: Sqlite["Service"], puts: ReadonlyArray<Put>, now: number): Put | undefined => {
  sqlite.prepare(removeExpired).run(now)
  const versions = new Map<string, number>()
  // All expectations first: other appends of the transaction must not be rolled back for one that does not hold.
  const staged: Array<readonly [put: Put, version: number]> = []
  for (const one of puts) {
    const key = JSON.stringify([one.collection, one.id])
    const row = versions.has(key) ? undefined : sqlite.prepare(selectVersion).get(one.collection, one.id, now)
    const version = versions.get(key) ?? (row as { readonly version: number } | undefined)?.version ?? 0
    if (one.expected !== undefined && one.expected !== version) return one
    versions.set(key, version + 1)
    staged.push([one, version + 1])
  }
  for (const [{ body, collection, expiresAt, id }, version] of staged) {
    sqlite.prepare(upsert).run(collection, id, version, JSON.stringify(body), expiresAt ?? null)
  }
  return undefined
}

const decode = (rows: ReadonlyArray<Row>): Effect.Effect<ReadonlyArray<Document>, PersistenceError> =>
  Effect.try({
    try: () => rows.map(({ body, id, version }) => ({ id, version, body: JSON.parse(body) })),
    catch: (cause) => new PersistenceError({ operation: "decode a document", retryable: false, cause })
  })

const persistenceError = ({ cause, detail, kind, operation }: SqliteError): PersistenceError =>
  new PersistenceError({ operation, detail, retryable: kind === "Busy", cause })
