import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as WorkQueue from "../../src/queues/WorkQueue.ts"
import { queueBackends } from "./drivers.ts"
import * as WorkQueueConformance from "../../src/testing/conformance/WorkQueueConformance.ts"
import * as WorkQueueSaboteurs from "../../src/testing/conformance/WorkQueueSaboteurs.ts"
import * as Saboteur from "../../src/testing/conformance/Saboteur.ts"

for (const { layer, name: backend } of queueBackends) {
  describe(`work queue: ${backend}`, () => {
    for (const { check, id, name } of WorkQueueConformance.cases) {
      it.live(`${id}: ${name}`, () => check.pipe(Effect.provide(layer)))
    }
  })
}

for (const { layer, name: backend } of queueBackends) {
  it.live(`a queue without bounds: ${backend}`, () =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue.make("unbounded", {
        item: Schema.String,
        capacity: Infinity,
        keyConcurrency: Infinity
      })
      yield* queue.run(() => Effect.void, { concurrency: Infinity })
      for (const item of ["a", "b", "c"]) yield* queue.awaitResult(yield* queue.offer(item, { key: "k" }))
    }).pipe(Effect.provide(layer))
  )
}

it("there is a saboteur for each invariant", () => {
  const invariants = WorkQueueConformance.cases.map(({ id }) => id)
  assert.deepStrictEqual(
    invariants,
    Array.from({ length: 16 }, (_, index) => `W${index + 1}`)
  )
  assert.deepStrictEqual(
    WorkQueueSaboteurs.all.map(({ invariant }) => invariant),
    invariants
  )
})

for (const { layer, name: backend } of queueBackends) {
  describe(`saboteurs: ${backend}`, () => {
    for (const saboteur of WorkQueueSaboteurs.all) {
      it.live(`${saboteur.invariant} catches a driver that ${saboteur.name}`, () =>
        Effect.map(Saboteur.caught(saboteur, WorkQueueConformance.cases, layer), ({ invariant, what }) => {
          assert.strictEqual(invariant, saboteur.invariant)
          assert.notInclude(what, "could not finish")
        })
      )
    }
  })
}
