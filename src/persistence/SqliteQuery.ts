/** How queries of documents become SQL. The table is described in `SqlitePersistence.ts`. */
import type { Query } from "./Persistence.ts"
import type { SqliteValue } from "./Sqlite.ts"

/** Keeps documents that have not expired; its parameter is the present. */
export const live = "(expires IS NULL OR expires > ?)"

const textOf = (value: string): string => `'${value.replaceAll("'", "''")}'`

/** Field names are data: quoted as JSON for the path, and as SQL for the statement. */
const pathOf = (name: string): string => textOf(`$.${JSON.stringify(name)}`)

const fieldOf = (name: string): string => `body ->> ${pathOf(name)}`

const indexOf = (collection: string, field: string): string =>
  `tutti_documents_by ${JSON.stringify([collection, field])}`

/** The primary key follows in every index by itself, so that ids are in order below equal values. */
export const createIndex = (collection: string, field: string): string =>
  `CREATE INDEX IF NOT EXISTS ${quoted(indexOf(collection, field))}
   ON tutti_documents (collection, ${fieldOf(field)}) WHERE collection = ${textOf(collection)}`

const quoted = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`

/**
 * Says which index to use: without statistics, the planner takes the primary key to be as good. An index may have been
 * declared by another process since; then the planner is left to itself.
 */
const by = (indexes: ReadonlySet<string>, collection: string, { where = {} }: Query): string => {
  const index = Object.keys(where)
    .map((field) => indexOf(collection, field))
    .find((name) => indexes.has(name))
  return index === undefined ? "" : ` INDEXED BY ${quoted(index)}`
}

/** The statement that answers a query, and its parameters. */
export const select = (
  collection: string,
  query: Query,
  { indexes, now }: { readonly indexes: ReadonlySet<string>; readonly now: number }
): { readonly sql: string; readonly parameters: ReadonlyArray<SqliteValue> } => {
  const parameters: Array<SqliteValue> = [now]
  const table = `tutti_documents${by(indexes, collection, query)}`
  // The collection is written out, so that the planner may use the partial indexes.
  let sql = `SELECT id, version, body FROM ${table} WHERE collection = ${textOf(collection)} AND ${live}`
  for (const [name, wanted] of Object.entries(query.where ?? {})) {
    const values = Array.isArray(wanted) ? wanted : [wanted]
    sql += ` AND (${oneOf(name, values, parameters)})`
  }
  const direction = query.descending ? "DESC" : "ASC"
  sql += ` ORDER BY ${query.orderBy === undefined ? "" : `${fieldOf(query.orderBy)} ${direction}, `}id ${direction} LIMIT ? OFFSET ?`
  parameters.push(query.limit ?? 100, query.offset ?? 0)
  return { sql, parameters }
}

/**
 * The type is compared, too: SQL knows JSON's `true` as 1, and an array by its text. Values of one type are one `IN`, which
 * an index serves.
 */
const oneOf = (name: string, values: ReadonlyArray<unknown>, parameters: Array<SqliteValue>): string => {
  const field = fieldOf(name)
  const type = `json_type(body, ${pathOf(name)})`
  const among = (wanted: ReadonlyArray<string | number>, types: string) => {
    if (wanted.length === 0) return []
    parameters.push(...wanted)
    return [`${field} IN (${wanted.map(() => "?").join(", ")}) AND ${type} IN (${types})`]
  }
  const terms = [
    ...among(
      values.filter((value) => typeof value === "string"),
      "'text'"
    ),
    ...among(
      values.filter((value) => typeof value === "number"),
      "'integer', 'real'"
    ),
    ...(values.includes(true) ? among([1], "'true'") : []),
    ...(values.includes(false) ? among([0], "'false'") : []),
    ...(values.includes(null) ? [`${field} IS NULL`] : [])
  ]
  return terms.join(" OR ") || "FALSE"
}
