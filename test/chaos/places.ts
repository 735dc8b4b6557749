/** Places on the shared servers, each for one test. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Place } from "../durable/sigkill/place.ts"
import { temporarySchema } from "../postgres.ts"
import { temporaryPrefix } from "../redis.ts"

export const temporaryPlace = {
  postgres: Effect.map(temporarySchema, ({ schema, url }): Place => ({
    kind: "postgres",
    url: Redacted.value(url),
    schema
  })),
  redis: Effect.map(temporaryPrefix("redis"), ({ prefix, url }): Place => ({ kind: "redis", url, prefix }))
}
