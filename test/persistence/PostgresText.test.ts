import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { fromJson, fromText, toJson, toText } from "../../src/persistence/PostgresText.ts"

/** Text of characters that PostgreSQL has trouble with, their neighbours, and ordinary ones. */
const Odd = Schema.Array(
  Schema.Literals(["\0", "\u0001", "\u0002", "a", "\\u0000", "\ud7ff", "\ud800", "\udbff", "\udc00", "\udfff"]).pipe(
    (low) => Schema.Union([low, Schema.Literals(["\ue000", "\ue001", "\uffff", "😀", "\u{10ffff}"])])
  )
).check(Schema.isMaxLength(6))

const text = (characters: ReadonlyArray<string>) => characters.join("")

/** What the server would refuse, or change on the way through UTF-8. */
const isStorable = (text: string) => !/\0|\p{Cs}/u.test(text)

/** As a database orders UTF-8 by its bytes. Halves of pairs stand where their code points would. */
const order = (one: string, other: string) => {
  const [ones, others] = [[...one], [...other]]
  for (const [index, character] of ones.entries()) {
    const difference = character.codePointAt(0)! - (others[index]?.codePointAt(0) ?? -1)
    if (difference !== 0) return Math.sign(difference)
  }
  return Math.sign(ones.length - others.length)
}

describe("PostgresText", () => {
  it.prop("any text can be stored and comes back", [Odd], ([characters]) => {
    const original = text(characters)
    assert.isTrue(isStorable(toText(original)))
    assert.strictEqual(fromText(toText(original)), original)
  })

  it.prop("the order of code points stays", [Odd, Odd], ([ones, others]) => {
    const [one, other] = [text(ones), text(others)]
    assert.strictEqual(order(toText(one), toText(other)), order(one, other))
  })

  it.prop("a beginning stays a beginning, and nothing else becomes one", [Odd, Odd], ([ones, others]) => {
    const [one, other] = [[...text(ones)], [...text(others)]]
    const begins = one.every((character, index) => other[index] === character)
    assert.strictEqual(toText(other.join("")).startsWith(toText(one.join(""))), begins)
  })

  it.prop("documents come back, in text that JSONB takes", [Odd, Odd], ([key, value]) => {
    const document = { [`k${text(key)}`]: [text(value), { deep: text(value) }, 1, null, true] }
    const json = toJson(document)
    JSON.parse(json, (key, value) => {
      assert.isTrue(isStorable(key) && isStorable(String(value)))
      return value
    })
    assert.deepStrictEqual(fromJson(json), document)
  })

  it("ordinary text is itself", () => {
    assert.strictEqual(toText("Ünïcode 日本 😀"), "Ünïcode 日本 😀")
    assert.strictEqual(toJson({ a: "b" }), '{"a":"b"}')
  })
})
