/**
 * The document store in PostgreSQL.
 *
 * Table: `tutti_documents(collection, id, version, expires, token, body)`; `body` is JSONB, with a GIN index that serves
 * every query by the value of a top-level field. `token` is that of the call which put the document: a call that is made
 * again, because its answer was lost, knows by it that it was heard.
 *
 * Expired documents are invisible at once, and each write clears some of them away.
 *
 * **Gotchas**
 *
 * JSONB does not keep the order of keys. It cannot hold U+0000 or half a surrogate pair either: see `PostgresText.ts` for
 * what such text looks like to other programs.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Schema from "effect/Schema"
import { type Document, Persistence, PersistenceError, type Put, type Query } from "./Persistence.ts"
import { Postgres, type PostgresError, type PostgresRow, type PostgresValue } from "./Postgres.ts"
import * as PostgresDocuments from "./PostgresDocuments.ts"
import { fromJson, fromText, toJson, toText } from "./PostgresText.ts"

/**
 * Makes a document store on the database in the context, and its table.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Persistence["Service"], PersistenceError, Postgres> = Effect.gen(function* () {
  const postgres = yield* Postgres
  const { schema } = postgres
  yield* Effect.mapError(
    postgres.migrate(PostgresDocuments.component, PostgresDocuments.migrations(schema)),
    persistenceError
  )
  const table = `${schema}.tutti_documents`
  const attempt = (operation: string, statement: string, parameters: ReadonlyArray<PostgresValue>) =>
    Effect.mapError(postgres.patiently(postgres.run(operation, statement, parameters)), persistenceError)
  const selectOne = `SELECT id, version, body::text FROM ${table}
    WHERE collection = $1 AND id = $2 AND (expires IS NULL OR expires > $3::bigint)`
  const removeOne = `DELETE FROM ${table} WHERE collection = $1 AND id = $2`
  const put = `SELECT ${schema}.tutti_put($1, $2, $3, $4, $5, $6::bigint, $7::bigint, $8)`

  return Persistence.of({
    get: Effect.fnUntraced(function* (collection, id) {
      const now = yield* Clock.currentTimeMillis
      const rows = yield* attempt("read a document", selectOne, [toText(collection), toText(id), now])
      return (yield* decode(rows))[0]
    }),
    putAll: Effect.fnUntraced(function* (puts) {
      if (puts.length === 0) return true
      const now = yield* Clock.currentTimeMillis
      const token = yield* Random.nextInt
      let again = false
      const once = Effect.suspend(() =>
        postgres.run("write documents", put, [...columnsOf(puts), now, token, again])
      ).pipe(Effect.onError(() => Effect.sync(() => void (again = true))))
      const rows = yield* Effect.mapError(postgres.patiently(once), persistenceError)
      return Number(rows[0]?.[0]) === 0
    }),
    delete: (collection, id) =>
      Effect.asVoid(attempt("delete a document", removeOne, [toText(collection), toText(id)])),
    purge: Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.asVoid(attempt("purge documents", `DELETE FROM ${table} WHERE expires <= $1::bigint`, [now]))
    ),
    query: Effect.fnUntraced(function* (collection, query) {
      const now = yield* Clock.currentTimeMillis
      const { parameters, sql } = select(table, collection, { query: query ?? {}, now })
      return yield* decode(yield* attempt("query documents", sql, parameters))
    })
  })
})

/** Puts as the columns that `tutti_put` takes. */
export const columnsOf = (puts: ReadonlyArray<Put>): ReadonlyArray<PostgresValue> => [
  puts.map(({ collection }) => toText(collection)),
  puts.map(({ id }) => toText(id)),
  puts.map(({ body }) => toJson(body)),
  puts.map(({ expected }) => BigInt(expected ?? -1)),
  puts.map(({ expiresAt }) => BigInt(expiresAt ?? -1))
]

const select = (
  table: string,
  collection: string,
  { now, query }: { readonly query: Query; readonly now: number }
): { readonly sql: string; readonly parameters: ReadonlyArray<PostgresValue> } => {
  const parameters: Array<PostgresValue> = [toText(collection), now]
  const bind = (value: PostgresValue) => `$${parameters.push(value)}`
  let sql = `SELECT id, version, body::text FROM ${table}
    WHERE collection = $1 AND (expires IS NULL OR expires > $2::bigint)`
  for (const [name, wanted] of Object.entries(query.where ?? {})) {
    const values = Array.isArray(wanted) ? (wanted as ReadonlyArray<Schema.Json>) : [wanted as Schema.Json]
    sql += ` AND (${values.map((value) => equals(name, value, bind)).join(" OR ") || "FALSE"})`
  }
  const direction = query.descending ? "DESC" : "ASC"
  if (query.orderBy === undefined) sql += ` ORDER BY id ${direction}`
  else {
    const field = `body -> ${bind(toText(query.orderBy))}::text`
    sql += ` ORDER BY ${[...orderOf(field), "id"].map((one) => `${one} ${direction}`).join(", ")}`
  }
  return {
    sql: `${sql} LIMIT ${bind(query.limit ?? 100)}::bigint OFFSET ${bind(query.offset ?? 0)}::bigint`,
    parameters
  }
}

const equals = (name: string, value: Schema.Json, bind: (value: PostgresValue) => string): string => {
  if (value === null) return `coalesce(body -> ${bind(toText(name))}::text, 'null') = 'null'`
  const exact = `body -> ${bind(toText(name))}::text = ${bind(toJson(value))}::jsonb`
  // What the index can find holds more than what is asked for if the value itself has parts.
  const indexed = `body @> ${bind(toJson({ [name]: value }))}::jsonb`
  return `(${indexed} AND ${exact})`
}

/** Nothing, then numbers and booleans, then text by code point. */
const orderOf = (field: string): ReadonlyArray<string> => [
  `CASE jsonb_typeof(${field}) WHEN 'number' THEN 1 WHEN 'boolean' THEN 1 WHEN 'string' THEN 2
     WHEN 'array' THEN 3 WHEN 'object' THEN 3 ELSE 0 END`,
  `CASE jsonb_typeof(${field}) WHEN 'number' THEN (${field})::numeric WHEN 'boolean' THEN (${field})::boolean::int::numeric
     ELSE 0 END`,
  `(${field} #>> '{}') COLLATE "C"`
]

const decode = (rows: ReadonlyArray<PostgresRow>): Effect.Effect<ReadonlyArray<Document>, PersistenceError> =>
  Effect.try({
    try: () =>
      rows.map(([id, version, body]) => ({
        id: fromText(id as string),
        version: Number(version),
        body: fromJson(body as string) as Schema.JsonObject
      })),
    catch: (cause) => new PersistenceError({ operation: "decode a document", retryable: false, cause })
  })

const persistenceError = ({ cause, detail, isRetryable, operation }: PostgresError): PersistenceError =>
  new PersistenceError({ operation, detail, retryable: isRetryable, cause })
