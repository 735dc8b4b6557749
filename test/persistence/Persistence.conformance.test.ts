import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as MemoryPersistence from "../../src/persistence/MemoryPersistence.ts"
import * as PersistenceConformance from "../../src/testing/conformance/PersistenceConformance.ts"
import { persistenceSaboteurs } from "../../src/testing/conformance/persistenceSaboteurs.ts"
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

describe("saboteurs", () => {
  it("there is one for each invariant", () => {
    const invariants = PersistenceConformance.cases.map(({ id }) => id)
    assert.deepStrictEqual(
      persistenceSaboteurs.map(({ invariant }) => invariant),
      invariants
    )
  })

  for (const { invariant, layer, name } of persistenceSaboteurs) {
    it.effect(`${invariant} catches a store that ${name}`, () =>
      Effect.gen(function* () {
        const { check } = PersistenceConformance.cases.find(({ id }) => id === invariant)!
        const failure = yield* check.pipe(Effect.provide(layer), Effect.flip)
        assert.strictEqual(failure.invariant, invariant, String(failure))
      })
    )
  }
})
