import { assert, describe, it } from "@effect/vitest"
import { Data, Duration, Redacted, Schema } from "effect"
import * as AnyError from "../../src/core/AnyError.ts"

class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", { seat: Schema.Int, cause: Schema.Defect() }) {}
class Lost extends Data.TaggedError("Lost")<{ readonly items: ReadonlyArray<unknown>; readonly secret?: unknown }> {}

/** What comes back from a journal. */
const kept = (error: unknown): any => AnyError.decode(JSON.parse(JSON.stringify(AnyError.encode(error))))

describe("AnyError", () => {
  it("keeps name, message and cause of any error", () => {
    const error: any = kept(new TypeError("no function", { cause: new RangeError("too many") }))
    assert.isTrue(error instanceof Error)
    assert.deepStrictEqual([error.name, error.message], ["TypeError", "no function"])
    assert.deepStrictEqual([error.cause.name, error.cause.message], ["RangeError", "too many"])
  })

  it("keeps tag and fields of a tagged one, and of those inside it", () => {
    const error = kept(
      new SoldOut({ seat: 7, cause: new Lost({ items: [new SoldOut({ seat: 8, cause: "x" }), { a: [1] }] }) })
    )
    assert.deepStrictEqual([error._tag, error.seat], ["SoldOut", 7])
    assert.deepStrictEqual(
      [error.cause._tag, error.cause.items[0]._tag, error.cause.items[0].seat],
      ["Lost", "SoldOut", 8]
    )
    assert.strictEqual(error.cause.items[0].cause, "x")
    assert.deepStrictEqual(error.cause.items[1], { a: [1] })
  })

  it("leaves out what other errors carry, and secrets", () => {
    const request = Object.assign(new Error("refused"), { config: { headers: { authorization: "Bearer 123" } } })
    assert.deepStrictEqual(AnyError.encode(request), { name: "Error", message: "refused" })
    const lost = new Lost({ items: [], secret: Redacted.make("123") })
    assert.notInclude(JSON.stringify(AnyError.encode(lost)), "123")
  })

  it("comes to an end", () => {
    const error = new Error("a")
    error.cause = new Lost({ items: [error] })
    assert.strictEqual(kept(error).cause.items[0], "[Circular]")
    const circle: Record<string, unknown> = {}
    circle["circle"] = circle
    assert.doesNotThrow(() => kept(new Lost({ items: [circle] })))
  })

  it.each([null, 1, "text", { a: 1 }, [1, { b: 2 }]])("keeps %j as it is", (value) => {
    assert.deepStrictEqual(kept(value), value)
  })

  it("never fails", () => {
    assert.doesNotThrow(() => kept(new Lost({ items: [Duration.seconds(1), undefined, 1n, () => 1, Symbol.iterator] })))
  })

  it("reads what was written before there were fields", () => {
    const error: any = AnyError.decode({ name: "SoldOut", message: "gone", cause: { name: "Error", message: "why" } })
    assert.deepStrictEqual([error.name, error.message, error.cause.message], ["SoldOut", "gone", "why"])
  })
})
