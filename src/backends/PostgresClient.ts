/**
 * `Postgres`, and Effect's `SqlClient`, on Effect's own wire client for PostgreSQL.
 *
 * **Gotchas**
 *
 * - Connections are opened when they are needed, so building the layer succeeds while the server is down.
 * - A lost connection inside `SqlClient.withTransaction` is a typed error here; the client itself makes a defect of it.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { Postgres, PostgresError, type PostgresValue } from "../persistence/Postgres.ts"
import { type Address, serverOf } from "./PostgresAddress.ts"
import { postgresError, slow } from "./PostgresFailure.ts"
import { type Options as Patience, patience } from "./PostgresPatience.ts"
import * as PostgresSchema from "./PostgresSchema.ts"

/**
 * Where the database is, and what to do when it is not there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Address, Patience {
  readonly ssl?: boolean
  /** Schema that holds the tables. It is created if it is missing. Default `"public"`. */
  readonly schema?: string
  /** Default 10. A process that subscribes needs one more than it uses. */
  readonly maxConnections?: number
  /** Default `"tutti"`. */
  readonly applicationName?: string
  /** A statement that takes longer has failed: for servers that are frozen or cut off. Default 30 seconds. */
  readonly timeout?: Duration.Input
  /** Default 5 seconds. */
  readonly connectTimeout?: Duration.Input
  /** Default true. False for a pooler that does not keep prepared statements apart. */
  readonly prepare?: boolean
}

/** The largest field PostgreSQL has: the client's own limit of 16 MiB would make a large event unreadable. */
const maxMessageSize = 2 ** 30

/**
 * Opens a pool for the current scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Client, PostgresError, Scope.Scope | Reactivity.Reactivity> {
  const server = yield* serverOf(options)
  const { connectTimeout, schema = "public", timeout, ...connection } = options
  const failed = (operation: string) => (error: SqlError) => postgresError({ server, operation, error })
  const pg = yield* Effect.mapError(
    PgClient.make({
      applicationName: "tutti",
      ...connection,
      connectTimeout: connectTimeout ?? "5 seconds",
      maxMessageSize
    }),
    failed("open the pool")
  )
  const sql = Object.assign(pg, { withTransaction: typed(pg.withTransaction) })
  const deadline = Duration.fromInputUnsafe(timeout ?? "30 seconds")
  const bounded = <A, R>(operation: string, effect: Effect.Effect<A, SqlError, R>) =>
    Effect.timeoutOrElse(Effect.mapError(effect, failed(operation)), {
      duration: deadline,
      orElse: () => Effect.fail(slow({ server, operation, deadline }))
    })
  return { sql, postgres: Postgres.of(portOf({ server, schema, sql, bounded, patiently: patience(options) })) }
})

/** The port, and the client under it. */
interface Client {
  readonly postgres: Postgres["Service"]
  readonly sql: SqlClient.SqlClient
}

interface Parts {
  readonly server: string
  readonly schema: string
  readonly sql: PgClient.PgClient
  /** An effect of the client with a deadline and an error of ours. */
  readonly bounded: <A, R>(
    operation: string,
    effect: Effect.Effect<A, SqlError, R>
  ) => Effect.Effect<A, PostgresError, R>
  readonly patiently: Postgres["Service"]["patiently"]
}

const portOf = ({ bounded, patiently, schema, server, sql }: Parts): Postgres["Service"] => {
  const channel = PostgresSchema.channelOf(schema)
  const lost = (error: SqlError) => postgresError({ server, operation: "listen for appends", error })
  return {
    schema: PostgresSchema.quote(schema),
    channel,
    patiently,
    run: (operation, statement, parameters) =>
      bounded(operation, sql.unsafe(statement, parameters.map(bindable)).values),
    listen: (heard, other) =>
      Effect.scoped(
        Effect.gen(function* () {
          const notifications = yield* bounded("listen for appends", sql.listen(other ?? channel))
          heard(undefined)
          const next = Effect.mapError(Queue.take(notifications), lost)
          return yield* Effect.forever(Effect.map(next, ({ payload }) => heard(payload)))
        })
      ),
    migrate: (component, steps) => {
      const operation = `prepare the tables of the ${component}`
      const migrated = sql
        .withTransaction(PostgresSchema.migrate(sql, schema, { component, steps }))
        // Whatever the role's default: behind the lock, what others have just committed must be visible.
        .pipe(Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL READ COMMITTED"))
      return Effect.flatMap(patiently(bounded(operation, migrated)), (newer) =>
        newer === undefined
          ? Effect.void
          : Effect.fail(new PostgresError({ server, operation, kind: "Newer", cause: new Error(newer) }))
      )
    }
  }
}

/** Arrays say what they are an array of: the client would look at each element, and wrap it. */
const bindable = (value: PostgresValue): unknown => {
  if (!Array.isArray(value) || value.length === 0) return value
  const element = typeof value[0] === "bigint" ? PgTypes.OID.int8 : PgTypes.OID.text
  return Result.getOrThrow(PgTypes.array(value, element))
}

/**
 * A pool for as long as the layer lives: for the stores of this package, and for whatever else needs a `SqlClient`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Postgres | SqlClient.SqlClient, PostgresError> =>
  Layer.effectContext(
    Effect.map(make(options), ({ postgres, sql }) =>
      Context.make(Postgres, postgres).pipe(Context.add(SqlClient.SqlClient, sql))
    )
  ).pipe(Layer.provide(Reactivity.layer))

/** The client's rollback of a connection that is no more dies with the `SqlError` that belongs in the error channel. */
const typed =
  (withTransaction: SqlClient.SqlClient["withTransaction"]): SqlClient.SqlClient["withTransaction"] =>
  (self) =>
    Effect.catchDefect(withTransaction(self), (defect) =>
      isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect)
    )
