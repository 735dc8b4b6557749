/**
 * The schema that holds the tables, and how they are brought up to date.
 *
 * Table: `tutti_schema(component, version)`.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** PostgreSQL cuts longer names off without a word; the channel's name carries a prefix. */
const longestName = 50

/** The name of a schema as it stands in statements. */
export const quote = (schema: string): string => {
  if (!/^[\p{L}\p{N}_-]+$/u.test(schema) || Buffer.byteLength(schema) > longestName) {
    throw new Error(
      `the name of a schema must have letters, digits, "_" and "-", at most ${longestName} bytes, got "${schema}"`
    )
  }
  return `"${schema}"`
}

/** Where the appends of a schema are announced. */
export const channelOf = (schema: string): string => `tutti/${schema}`

interface Component {
  readonly component: string
  readonly steps: ReadonlyArray<ReadonlyArray<string>>
}

/**
 * Brings one component's tables up to date. To be called in a transaction. Answers with a sentence if they are newer than
 * this program.
 */
export const migrate = Effect.fnUntraced(function* (
  sql: SqlClient,
  schema: string,
  { component, steps }: Component
): Effect.fn.Return<string | undefined, SqlError> {
  const run = (statement: string, parameters: ReadonlyArray<string | number> = []) =>
    sql.unsafe(statement, parameters).valuesUnprepared
  const name = quote(schema)
  // `IF NOT EXISTS` alone does not help processes that start at the same moment.
  yield* run("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", [`tutti/${schema}/schema`])
  // Looked for first: a role may be allowed to use what is there and not to create anything.
  const [there] = yield* run("SELECT to_regnamespace($1::text) IS NOT NULL, to_regclass($2::text) IS NOT NULL", [
    name,
    `${name}.tutti_schema`
  ])
  if (there?.[0] !== true) yield* run(`CREATE SCHEMA ${name}`)
  if (there?.[1] !== true) {
    yield* run(`CREATE TABLE ${name}.tutti_schema (component text PRIMARY KEY, version integer NOT NULL)`)
  }
  const [row] = yield* run(`SELECT version FROM ${name}.tutti_schema WHERE component = $1::text`, [component])
  const current = Number(row?.[0] ?? 0)
  if (current > steps.length) {
    return `the ${component} has schema version ${current}, this program knows ${steps.length}`
  }
  if (current === steps.length) return undefined
  for (const statement of steps.slice(current).flat()) yield* run(statement)
  yield* run(
    `INSERT INTO ${name}.tutti_schema VALUES ($1::text, $2::integer)
     ON CONFLICT (component) DO UPDATE SET version = excluded.version`,
    [component, steps.length]
  )
  return undefined
})
