/** Schemas of the shared PostgreSQL, each for one test. */
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import type * as Postgres from "../src/backends/Postgres.ts"
import * as PostgresClient from "../src/backends/PostgresClient.ts"
import * as Servers from "./servers/Servers.ts"

/** Where a schema of one's own is. It is dropped when the scope closes. */
export const temporarySchema = Effect.gen(function* () {
  const url = Redacted.make(yield* Servers.url("postgres"))
  const schema = `test_${randomUUID().replaceAll("-", "")}`
  yield* Effect.addFinalizer(() =>
    SqlClient.SqlClient.use((sql) => sql.unsafe(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)).pipe(
      Effect.provide(PostgresClient.layer({ url }), { local: true }),
      Effect.orDie
    )
  )
  return { url, schema } satisfies Postgres.Options
})
