/**
 * One schema of a PostgreSQL database: the narrow port that the PostgreSQL drivers are written on.
 *
 * `backends/PostgresClient.ts` implements it. A call is one statement, one round trip and one transaction: what belongs
 * together is a function in the database.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * A value PostgreSQL can bind. Whole numbers in arrays are `bigint`, and no array has a null.
 *
 * @category models
 * @since 0.1.0
 */
export type PostgresValue = string | number | bigint | boolean | null | ReadonlyArray<string> | ReadonlyArray<bigint>

/**
 * Columns by position. `bigint` columns arrive as such.
 *
 * @category models
 * @since 0.1.0
 */
export type PostgresRow = ReadonlyArray<unknown>

/**
 * What PostgreSQL refused, or why it did not answer, and how bad that is.
 *
 * @category errors
 * @since 0.1.0
 */
export class PostgresError extends Schema.TaggedError<PostgresError>()("PostgresError", {
  /** Host, port and database; never a user or a password. */
  server: Schema.String,
  operation: Schema.String,
  kind: Schema.Literals([
    "Unreachable",
    "Slow",
    "Full",
    "ReadOnly",
    "Busy",
    "Denied",
    "Misconfigured",
    "Invalid",
    "Corrupt",
    "Newer",
    "Other"
  ]),
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `PostgreSQL could not ${this.operation}: ${this.detail}.`
  }
  /** Why, as the second half of a sentence that names the server. */
  get detail(): string {
    const sentence = sentences[this.kind].replace("{server}", `"${this.server}"`)
    const why = this.cause instanceof Error ? this.cause.message : ""
    return why === "" ? sentence : `${sentence} (${why})`
  }
  /** Nothing is wrong with the request: the same one may succeed later. It may also have succeeded already. */
  get isRetryable(): boolean {
    return isDown(this) || this.kind === "Busy"
  }
  /** The database is not what it should be: no retry will help, and nothing in it can be trusted. */
  get isCorruption(): boolean {
    return this.kind === "Corrupt" || this.kind === "Newer"
  }
}

const sentences: Record<PostgresError["kind"], string> = {
  Unreachable: "the server {server} cannot be reached",
  Slow: "the server {server} did not answer in time",
  Full: "the disk of {server} is full",
  ReadOnly: "the server {server} takes no writes",
  Busy: "another transaction on {server} came in between",
  Denied: "the server {server} refused access",
  Misconfigured: "the connection to {server} is not well described",
  Invalid: "the server {server} cannot store the data",
  Corrupt: "the database {server} is corrupt",
  Newer: "the database {server} was written by a newer version of Tutti",
  Other: "an operation on {server} failed"
}

/** The server will not do, for now, what it will do later. */
const down: ReadonlySet<PostgresError["kind"]> = new Set(["Unreachable", "Slow", "Full", "ReadOnly"])

/**
 * Whether the error says that the server is down, full or read-only for now.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isDown = (error: PostgresError): boolean => down.has(error.kind)

/**
 * A pool of connections to one database, and the schema that holds the tables.
 *
 * @category services
 * @since 0.1.0
 */
export class Postgres extends Context.Service<
  Postgres,
  {
    /** Quoted, ready to stand before a table: `"public"`. */
    readonly schema: string
    /** Names the notifications of this schema. */
    readonly channel: string
    /**
     * Runs one statement, once. After a failure that is retryable, and after an interruption, it is not known
     * whether the statement took effect.
     */
    readonly run: (
      operation: string,
      statement: string,
      parameters: ReadonlyArray<PostgresValue>
    ) => Effect.Effect<ReadonlyArray<PostgresRow>, PostgresError>
    /**
     * Runs an effect that may be run again: for ever while the server is down, if the deployment waits; not at all for
     * that reason, if it does not. A transaction that lost against another is run again in both.
     */
    readonly patiently: <A, R>(effect: Effect.Effect<A, PostgresError, R>) => Effect.Effect<A, PostgresError, R>
    /**
     * Calls back for each notification on the channel, or on another one, and once when it begins to listen, until the
     * connection is lost.
     */
    readonly listen: (
      heard: (payload: string | undefined) => void,
      channel?: string
    ) => Effect.Effect<never, PostgresError>
    /**
     * Brings the tables of one component to the version `steps.length`, in one transaction, alone among all processes.
     * Fails with kind `Newer` if they are beyond it already. A step is a list of statements.
     */
    readonly migrate: (
      component: string,
      steps: ReadonlyArray<ReadonlyArray<string>>
    ) => Effect.Effect<void, PostgresError>
  }
>()("tutti/persistence/Postgres") {}
