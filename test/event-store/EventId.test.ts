import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as EventId from "../../src/event-store/EventId.ts"

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe("EventId", () => {
  it.effect.prop(
    "I1: ids sort in the order they were made, whatever the clock does",
    {
      clock: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 48 - 1 })))
    },
    ({ clock }) =>
      Effect.gen(function* () {
        const random = yield* Random.Random
        const next = EventId.make()
        const ids = clock.flatMap((now) => [next(now, random), next(now, random)])
        for (const id of ids) assert.match(id, uuidV7)
        assert.deepStrictEqual(ids, ids.toSorted())
        assert.strictEqual(new Set(ids).size, ids.length)
      })
  )

  it.effect("I2: an id begins with its time", () =>
    Effect.gen(function* () {
      const id = EventId.make()(0x0199_1234_5678, yield* Random.Random)
      assert.isTrue(id.startsWith("01991234-5678-7"))
    })
  )

  it.effect("two generators make different ids at the same time", () =>
    Effect.gen(function* () {
      const random = yield* Random.Random
      assert.notStrictEqual(EventId.make()(7, random), EventId.make()(7, random))
    })
  )
})
