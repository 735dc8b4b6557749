import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EventStore from "../../src/event-store/EventStore.ts"
import * as MemoryEventStore from "../../src/event-store/MemoryEventStore.ts"
import * as EventStoreConformance from "../../src/testing/conformance/EventStoreConformance.ts"
import * as EventStoreSaboteurs from "../../src/testing/conformance/EventStoreSaboteurs.ts"
import * as Saboteur from "../../src/testing/conformance/Saboteur.ts"
import { backends } from "../backends.ts"

for (const { layer, name: backend } of backends) {
  describe(`event store: ${backend}`, () => {
    for (const { check, id, name } of EventStoreConformance.cases) {
      it.effect(`${id}: ${name}`, () => check.pipe(Effect.provide(layer)))
    }
  })
}

it("there is a saboteur for each invariant", () => {
  const invariants = EventStoreConformance.cases.map(({ id }) => id)
  assert.deepStrictEqual([...new Set(EventStoreSaboteurs.all.map(({ invariant }) => invariant))], invariants)
})

for (const { layer, name: backend } of backends) {
  describe(`saboteurs: ${backend}`, () => {
    for (const saboteur of EventStoreSaboteurs.all) {
      it.effect(`${saboteur.invariant} catches a driver that ${saboteur.name}`, () =>
        Effect.map(Saboteur.caught(saboteur, EventStoreConformance.cases, layer), ({ invariant }) =>
          assert.strictEqual(invariant, saboteur.invariant)
        )
      )
    }
  })
}

// #region driver
const driver = MemoryEventStore.layerDriver

describe("a driver of one's own", () => {
  for (const { check, id, name } of EventStoreConformance.cases) {
    it.effect(`${id}: ${name}`, () => Effect.provide(check, Layer.provideMerge(EventStore.layer, driver)))
  }
  for (const saboteur of EventStoreSaboteurs.all) {
    it.effect(`${saboteur.invariant} would catch one that ${saboteur.name}`, () =>
      Saboteur.caught(saboteur, EventStoreConformance.cases, driver)
    )
  }
})
// #endregion

it.effect("a saboteur that a suite overlooks is told", () =>
  Effect.gen(function* () {
    const honest: EventStoreSaboteurs.EventStoreSaboteur = {
      invariant: "E1",
      name: "keeps its word",
      sabotage: (layer) => Layer.provideMerge(EventStore.layer, layer)
    }
    const overlooked = yield* Effect.flip(Saboteur.caught(honest, EventStoreConformance.cases, driver))
    assert.strictEqual(overlooked.message, "No check of E1 notices a backend that keeps its word.")
  })
)
