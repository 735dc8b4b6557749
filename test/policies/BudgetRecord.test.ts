import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { disclose, enclose } from "../../src/policies/BudgetRecord.ts"

const spent = new Map([["tokens", 3]])

describe("BudgetRecord", () => {
  it("stands beside the fields of an outcome, and around another one", () => {
    assert.deepStrictEqual(enclose({ answer: 1 }, spent), { answer: 1, "~spent": { tokens: 3 } })
    assert.deepStrictEqual(enclose("answer", spent), { "~spent": { tokens: 3 }, "~outcome": "answer" })
    assert.deepStrictEqual(enclose([1], spent), { "~spent": { tokens: 3 }, "~outcome": [1] })
  })

  it("leaves alone what has spent nothing", () => {
    const outcome = { answer: 1 }
    assert.strictEqual(enclose(outcome, new Map()), outcome)
    assert.strictEqual(enclose(null, new Map()), null)
  })

  const Outcome = Schema.Union([
    Schema.Record(Schema.Literals(["~spent", "~outcome", "answer"]).pipe(Schema.toType), Schema.optional(Schema.Int)),
    Schema.Array(Schema.Int),
    Schema.String,
    Schema.Null
  ])
  it.effect.prop(
    "whatever the outcome is, it is read back with what was spent",
    { outcome: Outcome, tokens: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })) },
    ({ outcome, tokens }) =>
      Effect.sync(() => {
        const json = JSON.parse(JSON.stringify(outcome)) as Schema.Json
        const amounts = tokens === 0 ? new Map<string, number>() : new Map([["tokens", tokens]])
        const read = disclose(enclose(json, amounts))
        assert.deepStrictEqual(read, { outcome: json, spent: Object.fromEntries(amounts) })
      })
  )
})
