import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EventStore from "../../src/event-store/EventStore.ts"
import * as EventStoreConformance from "../../src/testing/conformance/EventStoreConformance.ts"
import { eventStoreSaboteurs } from "../../src/testing/conformance/saboteurs.ts"
import { backends } from "../backends.ts"

for (const { layer, name: backend } of backends) {
  describe(`event store: ${backend}`, () => {
    for (const { check, id, name } of EventStoreConformance.cases) {
      it.effect(`${id}: ${name}`, () => check.pipe(Effect.provide(layer)))
    }
  })
}

describe("saboteurs", () => {
  it("there is one for each invariant", () => {
    const invariants = EventStoreConformance.cases.map(({ id }) => id)
    assert.deepStrictEqual([...new Set(eventStoreSaboteurs.map(({ invariant }) => invariant))], invariants)
  })

  for (const { invariant, layer, name } of eventStoreSaboteurs) {
    it.effect(`${invariant} catches a driver that ${name}`, () =>
      Effect.gen(function* () {
        const { check } = EventStoreConformance.cases.find(({ id }) => id === invariant)!
        const failure = yield* check.pipe(
          Effect.provide(EventStore.layerWith({}).pipe(Layer.provideMerge(layer))),
          Effect.flip
        )
        assert.strictEqual(failure.invariant, invariant, String(failure))
      })
    )
  }
})
