import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as WorkQueue from "../../src/queues/WorkQueue.ts"
import { queueBackends } from "./drivers.ts"
import * as WorkQueueConformance from "../../src/testing/conformance/WorkQueueConformance.ts"
import { workQueueSaboteurs } from "../../src/testing/conformance/WorkQueueSaboteurs.ts"

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

describe("saboteurs", () => {
  it("there is one for each invariant", () => {
    const invariants = WorkQueueConformance.cases.map(({ id }) => id)
    assert.deepStrictEqual(
      invariants,
      Array.from({ length: 16 }, (_, index) => `W${index + 1}`)
    )
    assert.deepStrictEqual(
      workQueueSaboteurs.map(({ invariant }) => invariant),
      invariants
    )
  })

  for (const { invariant, layer, name } of workQueueSaboteurs) {
    it.effect(`${invariant} catches a driver that ${name}`, () =>
      Effect.gen(function* () {
        const { check } = WorkQueueConformance.cases.find(({ id }) => id === invariant)!
        const failure = yield* check.pipe(Effect.provide(layer), Effect.flip)
        assert.strictEqual(failure.invariant, invariant, String(failure))
        assert.notInclude(failure.what, "could not finish")
      })
    )
  }
})
