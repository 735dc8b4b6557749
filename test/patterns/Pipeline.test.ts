import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Agent from "../../src/core/Agent.ts"
import * as Pipeline from "../../src/patterns/Pipeline.ts"
import { Lost, voices } from "./voices.ts"

describe("Pipeline", () => {
  it.effect("L1: each agent runs once, in its order, on the answer of the one before it", () =>
    Effect.gen(function* () {
      const { log, voice } = voices()
      const line = Pipeline.make("line", [voice("a"), voice("b", { takes: "0 seconds" }), voice("a")])
      assert.strictEqual(yield* line.run("1"), "a(b(a(1)))")
      assert.deepStrictEqual(log, ["a 1", "a done", "b a(1)", "b done", "a b(a(1))", "a done"])
    })
  )

  it.effect.prop(
    "L1: a pipeline of functions is their composition",
    [Schema.Array(Schema.Literals(["double", "add", "negate"])).check(Schema.isMinLength(1)), Schema.Int],
    ([names, input]) =>
      Effect.gen(function* () {
        const functions = { double: (n: number) => n * 2, add: (n: number) => n + 1, negate: (n: number) => -n }
        const stages = names.map((name) =>
          Agent.compose(name, { run: (n: number) => Effect.succeed(functions[name](n)) })
        )
        const line = Pipeline.make("line", stages as unknown as readonly [(typeof stages)[0]])
        assert.strictEqual(
          yield* line.run(input),
          names.reduce((n, name) => functions[name](n), input)
        )
      })
  )

  it.effect("L2: the first failure ends it, and nobody behind is called", () =>
    Effect.gen(function* () {
      const { log, voice } = voices()
      const line = Pipeline.make("line", [voice("a"), voice("b", { fails: true }), voice("c")])
      assert.deepStrictEqual(yield* Effect.flip(line.run("1")), new Lost({ who: "b" }))
      assert.deepStrictEqual(log, ["a 1", "a done", "b a(1)", "b failed"])
    })
  )

  it("needs an agent", () => {
    assert.throws(() => Pipeline.make("line", [] as never), `pipeline "line" needs an agent`)
  })

  it("is an agent that says what it is made by", () => {
    const { voice } = voices()
    const line = Pipeline.make("line", [voice("a")])
    assert.isTrue(Agent.isAgent(line))
    assert.strictEqual(line.pattern, "Pipeline")
  })
})
