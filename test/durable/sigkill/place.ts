/** Where the child process keeps its data. Backends are loaded when they are needed: the process starts again and again. */
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { Engine } from "../../../src/durable/Engine.ts"
import type { EventStore } from "../../../src/event-store/EventStore.ts"
import type { EventStoreDriver } from "../../../src/event-store/EventStoreDriver.ts"
import type { Persistence } from "../../../src/persistence/Persistence.ts"

export type Place =
  | { readonly kind: "embedded"; readonly filename: string }
  | { readonly kind: "postgres"; readonly url: string; readonly schema: string }
  | { readonly kind: "redis"; readonly url: string; readonly prefix: string }

type Stores = EventStore | EventStoreDriver | Persistence

/** Everything, as a user's program has it. */
export const deployment = async (place: Place): Promise<Layer.Layer<Engine | Stores, unknown>> => {
  switch (place.kind) {
    case "embedded": {
      const Embedded = await import("../../../src/backends/Embedded.ts")
      return Embedded.layer({ filename: place.filename, pollInterval: "20 millis" })
    }
    case "postgres": {
      const Postgres = await import("../../../src/backends/Postgres.ts")
      return Postgres.layer({ url: Redacted.make(place.url), schema: place.schema })
    }
    case "redis": {
      const Redis = await import("../../../src/backends/Redis.ts")
      return Redis.layer({ url: place.url, prefix: place.prefix })
    }
  }
}

/** Only the stores: to look at the log. */
export const stores = async (place: Place): Promise<Layer.Layer<Stores, unknown>> => {
  switch (place.kind) {
    case "embedded": {
      const Embedded = await import("../../../src/backends/Embedded.ts")
      return Embedded.stores({ filename: place.filename, pollInterval: "20 millis" })
    }
    case "postgres": {
      const Postgres = await import("../../../src/backends/Postgres.ts")
      return Postgres.stores({ url: Redacted.make(place.url), schema: place.schema })
    }
    case "redis": {
      const Redis = await import("../../../src/backends/Redis.ts")
      return Redis.stores({ url: place.url, prefix: place.prefix })
    }
  }
}
