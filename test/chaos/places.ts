/** Places for one test each: on the shared servers, or on a server of one's own. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { EventStore } from "../../src/event-store/EventStore.ts"
import type { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import type { Persistence } from "../../src/persistence/Persistence.ts"
import { type Place, stores } from "../durable/sigkill/place.ts"
import { temporarySchema } from "../postgres.ts"
import { temporaryPrefix } from "../redis.ts"
import type { Server } from "../servers/ServerProcess.ts"
import type { ServerError } from "../servers/ServerError.ts"
import * as Servers from "../servers/Servers.ts"

export const kinds = ["postgres", "redis"] as const
type Kind = (typeof kinds)[number]

export const temporaryPlace = {
  postgres: Effect.map(temporarySchema, ({ schema, url }): Place => ({
    kind: "postgres",
    url: Redacted.value(url),
    schema
  })),
  redis: Effect.map(temporaryPrefix("redis"), ({ prefix, url }): Place => ({ kind: "redis", url, prefix }))
}

interface Own {
  readonly server: Server
  readonly place: Place
}

/** What the server acknowledged is on the disk. */
export const ownServer: Record<Kind, Effect.Effect<Own, ServerError, Scope.Scope>> = {
  postgres: Effect.map(Servers.postgres({ fsync: true }), (server) => ({
    server,
    place: { kind: "postgres", url: server.url, schema: "public" }
  })),
  redis: Effect.map(Servers.redis({ settings: { appendfsync: "always" } }), (server) => ({
    server,
    place: { kind: "redis", url: server.url, prefix: "chaos" }
  }))
}

/** A test that looks at the stores of a place. */
export const inPlace = <E>(
  place: Place,
  test: (place: Place) => Effect.Effect<void, E, EventStore | EventStoreDriver | Persistence | Scope.Scope>
) =>
  Effect.flatMap(
    Effect.promise(() => stores(place)),
    (stores) => Effect.provide(Effect.scoped(test(place)), stores)
  )
