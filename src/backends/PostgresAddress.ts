/** Where the database is, and what may be said about it. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { PostgresError } from "../persistence/Postgres.ts"

/**
 * Where the database is, and who asks.
 *
 * @category models
 * @since 0.1.0
 */
export interface Address {
  /** `postgres://user:password@host:port/database?sslmode=require`. What is given below as well takes precedence. */
  readonly url?: Redacted.Redacted
  /** Default `localhost`. A directory means a Unix socket. */
  readonly host?: string
  /** Default 5432. */
  readonly port?: number
  readonly database?: string
  readonly username?: string
  readonly password?: Redacted.Redacted
}

/** Host, port and database for messages, without user and password. Fails with kind `Misconfigured` if there is nothing to connect to. */
export const serverOf = (options: Address): Effect.Effect<string, PostgresError> => {
  const text = options.url === undefined ? "postgres://" : Redacted.value(options.url)
  // Never `new URL` for one that is none: its error carries the whole text, and with it the password.
  if (!URL.canParse(text)) return misconfigured("the URL is not one")
  const url = new URL(text)
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    return misconfigured(`the URL begins with "${url.protocol}" instead of "postgres:"`)
  }
  if (options.username === undefined && url.username === "") return misconfigured("there is no user name")
  return Effect.succeed(`${hostOf(options, url)}/${options.database ?? url.pathname.slice(1)}`)
}

const hostOf = ({ host, port }: Address, url: URL): string =>
  `${host ?? (url.hostname || "localhost")}:${port ?? (url.port || 5432)}`

const misconfigured = (why: string) =>
  Effect.fail(
    new PostgresError({
      server: "PostgreSQL",
      operation: "open the pool",
      kind: "Misconfigured",
      cause: new Error(why)
    })
  )
