import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as MapReduce from "../../src/patterns/MapReduce.ts"
import { Lost, voices } from "./voices.ts"

interface Item {
  readonly text: string
  readonly seconds: number
}

const Items = Schema.Array(
  Schema.Struct({ text: Schema.String, seconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })) })
)

/** Counts how many of its calls are at work at once. */
const counting = () => {
  let atWork = 0
  const seen = { most: 0, calls: 0 }
  const agent = Agent.compose("worker", {
    run: ({ seconds, text }: Item): Effect.Effect<string, Lost> =>
      Effect.suspend(() => {
        seen.calls++
        seen.most = Math.max(seen.most, ++atWork)
        const done = seconds === 7 ? Effect.fail(new Lost({ who: text })) : Effect.succeed(text)
        return Effect.andThen(Effect.sleep(`${seconds} seconds`), done)
      }).pipe(Effect.ensuring(Effect.sync(() => void atWork--)))
  })
  return { agent, seen, atWork: () => atWork }
}

describe("MapReduce", () => {
  it.effect.prop(
    "M1, M2, M4: answers stand in the order of items, each mapped once, at most so many at a time",
    [Items, Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))],
    ([items, concurrency]) =>
      Effect.gen(function* () {
        const { agent, seen } = counting()
        const whole = MapReduce.make("whole", {
          split: (given: ReadonlyArray<Item>) => given,
          map: agent,
          reduce: ({ answers, input }) => {
            assert.strictEqual(input, items)
            return answers.map((answer) => (Result.isSuccess(answer) ? answer.success : `not ${answer.failure.who}`))
          },
          concurrency,
          onFailure: "collect"
        })
        const fiber = yield* Effect.forkChild(whole.run(items))
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(
          yield* Fiber.join(fiber),
          items.map(({ seconds, text }) => (seconds === 7 ? `not ${text}` : text))
        )
        assert.strictEqual(seen.calls, items.length)
        assert.isAtMost(seen.most, concurrency)
        assert.isAtLeast(seen.most, Math.min(1, items.length))
      })
  )

  it.effect("M2: without a bound all are worked on at once", () =>
    Effect.gen(function* () {
      const { agent, seen } = counting()
      const whole = MapReduce.make("whole", {
        split: () => Array.from({ length: 50 }, (_, index) => ({ text: `${index}`, seconds: 1 })),
        map: agent,
        reduce: ({ answers }) => answers.length,
        concurrency: "unbounded"
      })
      const fiber = yield* Effect.forkChild(whole.run(undefined))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), 50)
      assert.strictEqual(seen.most, 50)
    })
  )

  it.effect("M3: the first failure stops the others, waits for them, and nothing is reduced", () =>
    Effect.gen(function* () {
      const { log, voice } = voices()
      const slow = voice("slow", { takes: "1 hour", stopsIn: "5 seconds" })
      const bad = voice("bad", { takes: "1 second", fails: true })
      const whole = MapReduce.make("whole", {
        split: () => ["slow", "bad", "never"],
        map: Agent.compose("either", { run: (who: string) => (who === "bad" ? bad : slow).run(who) }),
        reduce: () => assert.fail("nothing is to be reduced"),
        concurrency: 2
      })
      const fiber = yield* Effect.forkChild(Effect.flip(whole.run(undefined)))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(fiber), new Lost({ who: "bad" }))
      assert.deepStrictEqual(log, ["slow slow", "bad bad", "bad failed", "slow stopped"])
    })
  )

  it.effect("M4: a defect is no answer", () =>
    Effect.gen(function* () {
      const { voice } = voices()
      const whole = MapReduce.make("whole", {
        split: () => ["1", "2"],
        map: voice("broken", { dies: true }),
        reduce: () => assert.fail("nothing is to be reduced"),
        concurrency: 1,
        onFailure: "collect"
      })
      const exit = yield* Effect.exit(whole.run(undefined))
      assert.match(exit.toString(), /broken broke/)
    })
  )

  it.effect("agents split and reduce", () =>
    Effect.gen(function* () {
      const Words = Task.make("Words", { input: Schema.String, output: Schema.Array(Schema.String) })
      const Join = Task.make("Join", {
        input: { input: Schema.String, answers: Schema.Array(Schema.String) },
        output: Schema.String
      })
      const whole = MapReduce.make("whole", {
        split: Agent.make("words", { task: Words, run: (text) => Effect.succeed(text.split(" ")) }),
        map: voices().voice("a"),
        reduce: Agent.make("join", {
          task: Join,
          run: ({ answers, input }) => Effect.succeed(`${input}: ${answers.join("+")}`)
        }),
        concurrency: 1
      })
      assert.strictEqual(yield* whole.run("x y"), "x y: a(x)+a(y)")
      assert.strictEqual((yield* Effect.flip(whole.run(3 as never)))._tag, "ContractViolation")
    })
  )

  it("takes a concurrency from 1", () => {
    const make = (concurrency: number) =>
      MapReduce.make("whole", { split: () => [], map: voices().voice("a"), reduce: () => 0, concurrency })
    for (const wrong of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => make(wrong), `concurrency of "whole" must be an integer from 1, got ${wrong}`)
    }
  })
})
