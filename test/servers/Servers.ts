/**
 * Real servers for tests, benchmarks and the chaos suite.
 *
 * `url` is the server that all suites of a run share: the one that the environment names; else the one that vitest's run
 * started at the first need (`host.ts`); else one that lives as long as the scope. `postgres`, `redis` and `redisCluster`
 * are servers of one's own, to be killed and frozen.
 *
 *   TUTTI_TEST_POSTGRES_URL        postgres://user@host:port/database
 *   TUTTI_TEST_REDIS_URL           redis://host:port
 *   TUTTI_TEST_REDIS_CLUSTER_URL   redis://host:port,redis://host:port,…
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Postgres from "./Postgres.ts"
import * as Redis from "./Redis.ts"
import { ServerError } from "./ServerError.ts"

export type { Redis, RedisCluster } from "./Redis.ts"

export type Kind = "postgres" | "redis" | "redis-cluster"

export const { make: postgres } = Postgres
export const { make: redis, cluster: redisCluster } = Redis

/** Starts a server of its kind, for the scope. */
export const start: Record<Kind, Effect.Effect<string, ServerError, Scope.Scope>> = {
  postgres: Effect.map(postgres(), ({ url }) => url),
  redis: Effect.map(redis(), ({ url }) => url),
  "redis-cluster": Effect.map(redisCluster(), ({ url }) => url)
}

/** Where the run's host listens. */
export const hostVariable = "TUTTI_TEST_SERVERS_HOST"

const variableOf = (kind: Kind) => `TUTTI_TEST_${kind.toUpperCase().replace("-", "_")}_URL`

/** The URL of the shared server of a kind. Whoever uses it keeps to a schema or a key prefix of its own. */
export const url = (kind: Kind): Effect.Effect<string, ServerError, Scope.Scope> =>
  Effect.suspend(() => {
    const given = process.env[variableOf(kind)]
    if (given !== undefined && given !== "") return Effect.succeed(given)
    const host = process.env[hostVariable]
    return host === undefined ? start[kind] : askHost(host, kind)
  })

const askHost = (host: string, kind: Kind) =>
  Effect.gen(function* () {
    const { body, ok } = yield* Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(`${host}/${kind}`, { signal })
        return { ok: response.ok, body: await response.text() }
      },
      catch: (cause) => new ServerError({ server: `The host of ${kind}`, detail: `did not answer: ${String(cause)}` })
    })
    return ok ? body : yield* new ServerError(JSON.parse(body))
  })
