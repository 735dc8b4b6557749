import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as LeaseConformance from "../../src/testing/conformance/LeaseConformance.ts"
import * as PersistenceSaboteurs from "../../src/testing/conformance/PersistenceSaboteurs.ts"
import * as Saboteur from "../../src/testing/conformance/Saboteur.ts"
import { documentStores } from "./documentStores.ts"

for (const { layer, name: backend } of documentStores) {
  describe(`lease: ${backend}`, () => {
    for (const { check, id, name } of LeaseConformance.cases) {
      it.effect(`${id}: ${name}`, () => Effect.provide(check, layer))
    }
  })
}

it("there is a saboteur for each invariant", () => {
  assert.deepStrictEqual(
    PersistenceSaboteurs.ofLeases.map(({ invariant }) => invariant),
    LeaseConformance.cases.map(({ id }) => id)
  )
})

for (const { layer, name: backend } of documentStores) {
  describe(`saboteurs: ${backend}`, () => {
    for (const saboteur of PersistenceSaboteurs.ofLeases) {
      it.effect(`${saboteur.invariant} catches a store that ${saboteur.name}`, () =>
        Effect.map(Saboteur.caught(saboteur, LeaseConformance.cases, layer), ({ invariant }) =>
          assert.strictEqual(invariant, saboteur.invariant)
        )
      )
    }
  })
}
