import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Metric, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Hedge from "../../src/policies/Hedge.ts"

class Failed extends Schema.TaggedError<Failed>()("Failed", { call: Schema.Int }) {}

/** How one call goes: when it ends, in milliseconds after its beginning, and whether well. */
interface Call {
  readonly takes: number
  readonly fails?: boolean
}

/** An effect whose calls go as planned, and what became of them. */
const planned = (calls: ReadonlyArray<Call>) => {
  const log: Array<string> = []
  let begun = 0
  let underWay = 0
  const effect = Effect.suspend(() => {
    const number = begun++
    const { fails, takes } = calls[number]!
    underWay++
    log.push(`begin ${number}`)
    return Effect.sleep(takes).pipe(
      Effect.andThen(
        Effect.suspend(() => (fails === true ? Effect.fail(new Failed({ call: number })) : Effect.succeed(number)))
      ),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          underWay--
          log.push(`${Exit.isSuccess(exit) ? "succeed" : Exit.hasInterrupts(exit) ? "interrupt" : "fail"} ${number}`)
        })
      )
    )
  })
  return { effect, log, underWay: () => underWay }
}

const run = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    for (let n = 0; n < 400 && fiber.pollUnsafe() === undefined; n++) yield* TestClock.adjust(1)
    return yield* Fiber.await(fiber)
  })

describe("Hedge", () => {
  it.effect("G1, G2: a slow call gets company, and the first to succeed interrupts the other", () =>
    Effect.gen(function* () {
      const { effect, log, underWay } = planned([{ takes: 100 }, { takes: 10 }])
      const further = Metric.counter("tutti_hedge_calls_total", { incremental: true })
      const before = (yield* Metric.value(further)).count
      assert.deepStrictEqual(yield* run(effect.pipe(Hedge.after(20))), Exit.succeed(1))
      assert.deepStrictEqual(log, ["begin 0", "begin 1", "succeed 1", "interrupt 0"])
      assert.strictEqual(underWay(), 0)
      assert.strictEqual((yield* Metric.value(further)).count, before + 1)
    })
  )

  it.effect("G2: a call that is fast enough stays alone", () =>
    Effect.gen(function* () {
      const { effect, log } = planned([{ takes: 10 }])
      assert.deepStrictEqual(yield* run(effect.pipe(Hedge.after(20, { calls: 5 }))), Exit.succeed(0))
      assert.deepStrictEqual(log, ["begin 0", "succeed 0"])
    })
  )

  it.effect("G3: a failure alone is the answer at once; beside another it waits; the last one leaves", () =>
    Effect.gen(function* () {
      const alone = planned([{ takes: 10, fails: true }])
      assert.deepStrictEqual(yield* run(alone.effect.pipe(Hedge.after(20))), Exit.fail(new Failed({ call: 0 })))
      assert.deepStrictEqual(alone.log, ["begin 0", "fail 0"])
      const beside = planned([{ takes: 30, fails: true }, { takes: 50 }])
      assert.deepStrictEqual(yield* run(beside.effect.pipe(Hedge.after(20))), Exit.succeed(1))
      const both = planned([
        { takes: 90, fails: true },
        { takes: 10, fails: true }
      ])
      assert.deepStrictEqual(yield* run(both.effect.pipe(Hedge.after(20))), Exit.fail(new Failed({ call: 0 })))
    })
  )

  it.effect("G4: interrupted, it interrupts all of its calls", () =>
    Effect.gen(function* () {
      const { effect, log, underWay } = planned([{ takes: 100 }, { takes: 100 }])
      const fiber = yield* Effect.forkChild(effect.pipe(Hedge.after(20)), { startImmediately: true })
      yield* TestClock.adjust(50)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(underWay(), 0)
      assert.deepStrictEqual(log.toSorted(), ["begin 0", "begin 1", "interrupt 0", "interrupt 1"])
    })
  )

  const Whole = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
  const Plan = Schema.Struct({
    delay: Whole(1, 30),
    calls: Schema.NonEmptyArray(Schema.Struct({ takes: Whole(1, 100), fails: Schema.Boolean }))
  })

  /** What must come of a plan: the same rules, without any fiber. */
  const model = (calls: ReadonlyArray<Call>, delay: number) => {
    const ends = calls.map(({ takes, fails }, index) => ({ at: index * delay + takes, fails: fails === true, index }))
    let last: { readonly at: number; readonly index: number } | undefined
    for (const [index, end] of ends.entries()) {
      const before = ends.slice(0, index)
      const won = before.filter(({ fails }) => !fails).map(({ at }) => at)
      const begins = index * delay
      if (Math.min(...won) < begins) break
      if (index > 0 && before.every(({ at, fails }) => fails && at < begins)) break
      last = end
    }
    const begun = ends.slice(0, (last?.index ?? 0) + 1)
    const successes = begun.filter(({ fails }) => !fails)
    return { begun: begun.length, successes, ends }
  }

  it.effect.prop(
    "G1, G2, G3, G4: any calls at any distance have one winner, and leave nobody behind",
    { plan: Plan },
    ({ plan: { calls: all, delay } }) =>
      Effect.gen(function* () {
        // No two things at one moment: which of them is first is not what this is about.
        const calls = all.slice(0, 6).map((call, index) => ({ ...call, takes: call.takes * 10 + index + 1 }))
        const gap = delay * 10
        const { effect, log, underWay } = planned(calls)
        const fiber = yield* Effect.forkChild(effect.pipe(Hedge.after(gap, { calls: calls.length })), {
          startImmediately: true
        })
        for (let n = 0; n < 3000 && fiber.pollUnsafe() === undefined; n++) yield* TestClock.adjust(1)
        const exit = yield* Fiber.await(fiber)
        const expected = model(calls, gap)
        assert.strictEqual(log.filter((line) => line.startsWith("begin")).length, expected.begun)
        assert.strictEqual(underWay(), 0)
        assert.isAtMost(log.filter((line) => line.startsWith("succeed")).length, 1)
        const first = expected.successes.toSorted((a, b) => a.at - b.at)[0]
        if (first === undefined) {
          const lastFailure = expected.ends.slice(0, expected.begun).toSorted((a, b) => b.at - a.at)[0]!
          assert.deepStrictEqual(exit, Exit.fail(new Failed({ call: lastFailure.index })))
        } else assert.deepStrictEqual(exit, Exit.succeed(first.index))
      })
  )

  it.effect("an agent that performs a task: one idempotency key, one answer", () =>
    Effect.gen(function* () {
      const { effect, log } = planned([{ takes: 100 }, { takes: 10 }])
      const work = Agent.make("work", {
        task: Task.make("Work", { input: {}, output: Schema.Int, error: Failed }),
        run: () => effect
      }).pipe(Hedge.after(20))
      assert.deepStrictEqual(yield* run(work.run({})), Exit.succeed(1))
      assert.strictEqual(log.length, 4)
    })
  )

  it("numbers that cannot hold are refused when they are written", () => {
    assert.throws(() => Hedge.after(0), "delay must be positive and finite, got 0")
    assert.throws(() => Hedge.after(1, { calls: 0 }), "calls must be a positive integer, got 0")
  })
})
