import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as SubscriberConformance from "../../src/testing/conformance/SubscriberConformance.ts"
import { backends } from "../backends.ts"

/** What fails on purpose need not be read. */
const quietly = Effect.provideService(References.MinimumLogLevel, "None")

for (const { layer, name: backend } of backends) {
  describe(`subscriber: ${backend}`, () => {
    for (const { check, id, name } of SubscriberConformance.cases) {
      // The clock of the backend's own patience goes on.
      it.live(`${id}: ${name}`, () => check.pipe(Effect.provide(layer), quietly))
    }
  })
}
