import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as LeaseConformance from "../../src/testing/conformance/LeaseConformance.ts"
import { leaseSaboteurs } from "../../src/testing/conformance/persistenceSaboteurs.ts"
import { documentStores } from "./documentStores.ts"

for (const { layer, name: backend } of documentStores) {
  describe(`lease: ${backend}`, () => {
    for (const { check, id, name } of LeaseConformance.cases) {
      it.effect(`${id}: ${name}`, () => Effect.provide(check, layer))
    }
  })
}

describe("saboteurs", () => {
  it("there is one for each invariant", () => {
    assert.deepStrictEqual(
      leaseSaboteurs.map(({ invariant }) => invariant),
      LeaseConformance.cases.map(({ id }) => id)
    )
  })

  for (const { invariant, layer, name } of leaseSaboteurs) {
    it.effect(`${invariant} catches a store that ${name}`, () =>
      Effect.gen(function* () {
        const { check } = LeaseConformance.cases.find(({ id }) => id === invariant)!
        const failure = yield* check.pipe(Effect.provide(layer), Effect.flip)
        assert.strictEqual(failure.invariant, invariant, String(failure))
      })
    )
  }
})
