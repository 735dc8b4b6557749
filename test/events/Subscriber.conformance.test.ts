import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Saboteur from "../../src/testing/conformance/Saboteur.ts"
import * as SubscriberConformance from "../../src/testing/conformance/SubscriberConformance.ts"
import * as SubscriberSaboteurs from "../../src/testing/conformance/SubscriberSaboteurs.ts"
import * as Memory from "../../src/backends/Memory.ts"
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

describe("saboteurs", () => {
  it("there is one for each invariant", () => {
    assert.deepStrictEqual(
      SubscriberSaboteurs.all.map(({ invariant }) => invariant),
      Array.from({ length: 12 }, (_, index) => `S${index + 1}`)
    )
    const checked = new Set(SubscriberConformance.cases.map(({ id }) => id))
    assert.deepStrictEqual(
      [...checked].toSorted(),
      SubscriberSaboteurs.all.map(({ invariant }) => invariant).toSorted()
    )
  })

  for (const saboteur of SubscriberSaboteurs.all) {
    it.live(`${saboteur.invariant} catches a store that ${saboteur.name}`, () =>
      Effect.map(
        Saboteur.caught(
          saboteur,
          SubscriberConformance.cases,
          Layer.suspend(() => Memory.storesOf(Memory.makeState()))
        ),
        ({ invariant, message }) => assert.strictEqual(invariant, saboteur.invariant, message)
      ).pipe(quietly)
    )
  }
})
