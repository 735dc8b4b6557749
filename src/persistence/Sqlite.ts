/**
 * One SQLite database: the narrow port that the SQLite drivers are written on.
 *
 * `backends/NodeSqlite.ts` implements it on Node's own SQLite. All calls are
 * synchronous and run on one connection, so a transaction is a function: nothing
 * of this process can come between its statements.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * A value SQLite can bind.
 *
 * @category models
 * @since 0.1.0
 */
export type SqliteValue = string | number | null

/**
 * A prepared statement.
 *
 * @category models
 * @since 0.1.0
 */
export interface SqliteStatement {
  readonly run: (...parameters: Array<SqliteValue>) => {
    readonly lastInsertRowid: number | bigint
    readonly changes: number | bigint
  }
  readonly get: (...parameters: Array<SqliteValue>) => unknown
  readonly all: (...parameters: Array<SqliteValue>) => ReadonlyArray<unknown>
}

/**
 * What SQLite refused, and how bad that is.
 *
 * @category errors
 * @since 0.1.0
 */
export class SqliteError extends Schema.TaggedError<SqliteError>()("SqliteError", {
  filename: Schema.String,
  operation: Schema.String,
  kind: Schema.Literals([
    "Busy",
    "NotADatabase",
    "Corrupt",
    "ReadOnly",
    "Full",
    "CannotOpen",
    "Newer",
    "Closed",
    "Other"
  ]),
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `SQLite could not ${this.operation}: ${this.detail}.`
  }
  /** Why, as the second half of a sentence that names the file. */
  get detail(): string {
    const sentence = sentences[this.kind].replace("{file}", `"${this.filename}"`)
    return this.kind === "Newer" ? `${sentence}: ${(this.cause as Error).message}` : sentence
  }
  /** The file is not what it should be: no retry will help, and nothing in it can be trusted. */
  get isCorruption(): boolean {
    return this.kind === "NotADatabase" || this.kind === "Corrupt" || this.kind === "Newer"
  }
}

const sentences: Record<SqliteError["kind"], string> = {
  Busy: "another process kept {file} locked for too long",
  NotADatabase: "{file} is not a SQLite database",
  Corrupt: "{file} is corrupt",
  ReadOnly: "{file} cannot be written to",
  Full: "the disk that holds {file} is full",
  CannotOpen: "{file} cannot be opened: a directory, not permitted, or below something that is no directory",
  Newer: "{file} was written by a newer version of Tutti",
  Closed: "{file} was closed",
  Other: "an operation on {file} failed"
}

/**
 * A connection to one database.
 *
 * @category services
 * @since 0.1.0
 */
export class Sqlite extends Context.Service<
  Sqlite,
  {
    readonly filename: string
    /** Prepares a statement, or returns it from a cache. */
    readonly prepare: (sql: string) => SqliteStatement
    /** Runs `body` in one write transaction: all of it or, if it throws, nothing. Only inside `attempt`. */
    readonly transaction: <A>(body: () => A) => A
    /** A number that changes whenever another connection commits. Only inside `attempt`. */
    readonly dataVersion: () => number
    /** Runs synchronous database work. Retries while another process holds the lock. */
    readonly attempt: <A>(operation: string, body: () => A) => Effect.Effect<A, SqliteError>
    /**
     * Brings the tables of one component to the version `steps.length`, in one
     * transaction. Fails with kind `Newer` if they are beyond it already.
     */
    readonly migrate: (component: string, steps: ReadonlyArray<string>) => Effect.Effect<void, SqliteError>
  }
>()("tutti/persistence/Sqlite") {}
