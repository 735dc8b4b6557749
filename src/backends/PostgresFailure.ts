/** What a failure of the client means. No text of ours ever carries the URL: it holds the password. */
import * as Duration from "effect/Duration"
import type { SqlError } from "effect/sql/SqlError"
import { PostgresError } from "../persistence/Postgres.ts"

/** Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html; the longest match wins. */
const kinds: { readonly [prefix: string]: PostgresError["kind"] } = {
  "08": "Unreachable",
  "22": "Invalid",
  "23": "Invalid",
  "25006": "ReadOnly",
  "28": "Denied",
  "3D": "Denied",
  "40": "Busy",
  "42501": "Denied",
  // Out of connections, of memory, of what an administrator granted.
  "53": "Unreachable",
  "53100": "Full",
  "54": "Invalid",
  "55P03": "Busy",
  "57014": "Slow",
  // Shutting down, crashed, starting up, dropped for idling.
  "57P": "Unreachable",
  XX001: "Corrupt",
  XX002: "Corrupt"
}

interface Failure {
  readonly server: string
  readonly operation: string
  readonly error: SqlError
}

/** What a failure of the client means to us. */
export const postgresError = ({ error, operation, server }: Failure): PostgresError => {
  const cause = error.reason.cause
  const code = codeOf(cause)
  const kind =
    kinds[code] ??
    kinds[code.slice(0, 3)] ??
    kinds[code.slice(0, 2)] ??
    (error.reason._tag === "ConnectionError" ? "Unreachable" : "Other")
  return new PostgresError({ server, operation, kind, cause })
}

/** A statement that took too long. */
export const slow = (failure: Omit<Failure, "error"> & { readonly deadline: Duration.Duration }): PostgresError =>
  new PostgresError({
    server: failure.server,
    operation: failure.operation,
    kind: "Slow",
    cause: new Error(`no answer within ${Duration.format(failure.deadline)}`)
  })

/** SQLSTATE, if the server sent the error; a code such as ECONNREFUSED is none. */
const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" && cause.code.length === 5
    ? cause.code
    : ""
