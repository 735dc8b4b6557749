/** The pure parts of work queues. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Heap } from "../../src/queues/Heap.ts"
import * as RateLimit from "../../src/queues/RateLimit.ts"
import * as RetryDelay from "../../src/queues/RetryDelay.ts"

describe("Heap", () => {
  it.effect.prop(
    "gives its items in order, whatever is pushed between",
    [Schema.Array(Schema.Array(Schema.Int))],
    ([rounds]) =>
      Effect.sync(() => {
        const heap = new Heap<number>((left, right) => left < right)
        let model: Array<number> = []
        for (const round of rounds) {
          for (const item of round) heap.push(item)
          model = [...model, ...round].toSorted((left, right) => left - right)
          assert.strictEqual(heap.peek(), model[0])
          assert.strictEqual(heap.pop(), model.shift())
        }
        while (model.length > 0) assert.strictEqual(heap.pop(), model.shift())
        assert.isUndefined(heap.pop())
      })
  )
})

describe("RateLimit", () => {
  const Steps = Schema.Array(
    Schema.Struct({
      wait: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 500 })),
      want: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))
    })
  )

  it.effect.prop("never hands out more than the limit and what has grown back", [Steps], ([steps]) =>
    Effect.sync(() => {
      const bucket = { limit: 7, window: 1000 }
      let fullAt = 0
      let now = 5000
      const began: Array<number> = []
      for (const { wait, want } of steps) {
        now += wait
        const count = Math.min(want, RateLimit.available(bucket, fullAt, now))
        for (let index = 0; index < count; index++) began.push(now)
        fullAt = RateLimit.spend(bucket, fullAt, { now, count })
      }
      for (const from of began) {
        for (const to of began) {
          const between = began.filter((at) => at >= from && at <= to).length
          if (to >= from) assert.isAtMost(between, bucket.limit + ((to - from) * bucket.limit) / bucket.window + 1e-6)
        }
      }
    })
  )

  it("says when the next may begin, and not later", () => {
    const bucket = { limit: 3, window: 1000 }
    const fullAt = RateLimit.spend(bucket, 0, { now: 5000, count: 3 })
    const next = RateLimit.nextAt(bucket, fullAt)
    assert.strictEqual(next, 5334)
    assert.deepStrictEqual(
      [RateLimit.available(bucket, fullAt, next - 1), RateLimit.available(bucket, fullAt, next)],
      [0, 1]
    )
  })
})

describe("RetryDelay", () => {
  it.effect("follows the schedule by the number of failures alone", () =>
    Effect.gen(function* () {
      const schedule = Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 }))
      const delays = yield* Effect.forEach([1, 2, 3, 4, 99], (failures) => RetryDelay.after(schedule, failures))
      assert.deepStrictEqual(
        delays.map((delay) => delay && Duration.toMillis(delay)),
        [1000, 2000, 4000, undefined, undefined]
      )
    })
  )

  it.effect("tells the schedule how much time its delays have taken", () =>
    Effect.gen(function* () {
      const schedule = Schedule.spaced("10 seconds").pipe(Schedule.upTo({ duration: "25 seconds" }))
      const delays = yield* Effect.forEach([2, 3, 4, 5], (failures) => RetryDelay.after(schedule, failures))
      assert.deepStrictEqual(
        delays.map((delay) => delay !== undefined),
        [true, true, false, false]
      )
    })
  )
})
