import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as MemoryPersistence from "../../src/persistence/MemoryPersistence.ts"
import * as PersistenceConformance from "../../src/testing/conformance/PersistenceConformance.ts"
import * as PersistenceSaboteurs from "../../src/testing/conformance/PersistenceSaboteurs.ts"
import * as Saboteur from "../../src/testing/conformance/Saboteur.ts"
import { documentStores } from "./documentStores.ts"

for (const { layer, name: backend } of documentStores) {
  describe(`persistence: ${backend}`, () => {
    for (const { check, id, name } of PersistenceConformance.cases) {
      it.effect(`${id}: ${name}`, () => Effect.provide(check, layer))
    }
  })
}

it.effect("memory gives back the room of what was removed in a commit of others", () =>
  Effect.gen(function* () {
    const state = MemoryPersistence.makeState()
    const persistence = MemoryPersistence.make(state)
    const a = { collection: "c", id: "a", body: {} }
    yield* persistence.putAll([a])
    yield* persistence.putAll([
      { ...a, expected: 1, expiresAt: 0 },
      { ...a, id: "b" }
    ])
    assert.deepStrictEqual([...state.all("c").keys()], ["b"])
  })
)

it("there is a saboteur for each invariant", () => {
  assert.deepStrictEqual(
    PersistenceSaboteurs.ofDocuments.map(({ invariant }) => invariant),
    PersistenceConformance.cases.map(({ id }) => id)
  )
})

for (const { layer, name: backend } of documentStores) {
  describe(`saboteurs: ${backend}`, () => {
    for (const saboteur of PersistenceSaboteurs.ofDocuments) {
      it.effect(`${saboteur.invariant} catches a store that ${saboteur.name}`, () =>
        Effect.map(Saboteur.caught(saboteur, PersistenceConformance.cases, layer), ({ invariant }) =>
          assert.strictEqual(invariant, saboteur.invariant)
        )
      )
    }
  })
}
