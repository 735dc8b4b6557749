import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { queueBackends } from "./drivers.ts"
import * as WorkQueueConformance from "../../src/testing/conformance/WorkQueueConformance.ts"

for (const { layer, name: backend } of queueBackends) {
  describe(`work queue: ${backend}`, () => {
    for (const { check, id, name } of WorkQueueConformance.cases) {
      it.live(`${id}: ${name}`, () => check.pipe(Effect.provide(layer)))
    }
  })
}

it("the suite has a check for each invariant, in order", () => {
  assert.deepStrictEqual(
    WorkQueueConformance.cases.map(({ id }) => id),
    Array.from({ length: 16 }, (_, index) => `W${index + 1}`)
  )
})
