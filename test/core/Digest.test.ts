import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Digest from "../../src/core/Digest.ts"

describe("Digest", () => {
  it("never changes: old journals are compared with it", () => {
    const golden: ReadonlyArray<readonly [value: unknown, digest: string]> = [
      [undefined, "0"],
      [null, "1omwfhr5hyy"],
      ["", "3nj1ggyqd3"],
      [0, "uvqa3at41j"],
      [true, "1ncp0psxtys"],
      [{}, "24xpth6jso7"],
      [[], "1mjsfpb3rfi"],
      [{ code: "1 + 1" }, "g742mtdyrs"],
      [["é", "😀", "\u2028"], "1tfr8jgrx5u"],
      ["a".repeat(1000), "25wy088gr2r"]
    ]
    assert.strictEqual(Digest.ofText(""), "wvjl67o803")
    for (const [value, digest] of golden) assert.strictEqual(Digest.ofJson(value), digest, JSON.stringify(value))
  })

  it.prop("is a function of the JSON text", { value: Schema.Json }, ({ value }) => {
    assert.strictEqual(Digest.ofJson(value), Digest.ofJson(JSON.parse(JSON.stringify(value))))
    assert.match(Digest.ofJson(value), /^[0-9a-z]{1,11}$/)
  })

  it.prop("tells two values apart", { a: Schema.Json, b: Schema.Json }, ({ a, b }) => {
    assert.strictEqual(Digest.ofJson(a) === Digest.ofJson(b), JSON.stringify(a) === JSON.stringify(b))
  })

  it.prop(
    "tells a text from the same text with one character changed",
    { text: Schema.NonEmptyString, at: Schema.Int },
    ({ at, text }) => {
      const index = Math.abs(at % text.length)
      const changed = text.slice(0, index) + String.fromCharCode(text.charCodeAt(index) ^ 1) + text.slice(index + 1)
      assert.notStrictEqual(Digest.ofText(changed), Digest.ofText(text))
    }
  )

  it("does not collide on neighbours", () => {
    const digests = new Set(Array.from({ length: 50_000 }, (_, index) => Digest.ofJson({ index })))
    assert.strictEqual(digests.size, 50_000)
  })

  it("counts the order of keys", () => {
    assert.notStrictEqual(Digest.ofJson({ a: 1, b: 2 }), Digest.ofJson({ b: 2, a: 1 }))
  })
})
