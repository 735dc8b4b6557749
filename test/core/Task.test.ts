import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { expectTypeOf } from "vitest"
import * as Task from "../../src/core/Task.ts"

class Rejected extends Schema.TaggedError<Rejected>()("Rejected", { reason: Schema.String }) {}

describe("Task.make", () => {
  it("reads the fields of a struct as the struct", () => {
    const Review = Task.make("Review", { input: { code: Schema.String }, output: { ok: Schema.Boolean } })
    assert.strictEqual(Review.name, "Review")
    assert.isTrue(Schema.is(Review.input)({ code: "1 + 1" }))
    assert.isFalse(Schema.is(Review.input)({ code: 1 }))
    assert.isTrue(Schema.is(Review.output)({ ok: true }))
    expectTypeOf<Task.Input<typeof Review>>().toEqualTypeOf<{ readonly code: string }>()
    expectTypeOf<Task.Output<typeof Review>>().toEqualTypeOf<{ readonly ok: boolean }>()
    expectTypeOf(Review.name).toEqualTypeOf<"Review">()
  })

  it("keeps a schema as it is", () => {
    const Code = Schema.NonEmptyString
    const Review = Task.make("Review", { input: Code, output: Schema.Void })
    assert.strictEqual(Review.input, Code)
    expectTypeOf<Task.Input<typeof Review>>().toEqualTypeOf<string>()
    expectTypeOf<Task.Output<typeof Review>>().toEqualTypeOf<void>()
  })

  it("reads no fields as the empty struct", () => {
    assert.isTrue(Schema.is(Task.make("Ping", { input: {}, output: Schema.Void }).input)({}))
  })

  it("a task without `error` never fails", () => {
    const Ping = Task.make("Ping", { input: {}, output: Schema.Void })
    assert.strictEqual(Ping.error, Schema.Never)
    expectTypeOf<Task.Error<typeof Ping>>().toEqualTypeOf<never>()
  })

  it("names its failures", () => {
    const Review = Task.make("Review", { input: {}, output: Schema.Void, error: Rejected })
    assert.isTrue(Schema.is(Review.error)(new Rejected({ reason: "no tests" })))
    expectTypeOf<Task.Error<typeof Review>>().toEqualTypeOf<Rejected>()
  })
})
