import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { languageOf } from "../../../src/cli/audit/Language.ts"
import { lineIndex, scan } from "../../../src/cli/audit/SourceText.ts"

const syntaxOf = (path: string) => {
  const { syntax } = languageOf(path)
  if (syntax === undefined) throw new Error(`no syntax for ${path}`)
  return syntax
}
const typescript = syntaxOf("a.ts")

describe("SourceText", () => {
  const Pieces = Schema.Array(
    Schema.Literals(['"', "'", "`", "${", "{", "}", "/", "//", "/*", "*/", "\\", "\n", "a", " ", "(", "="])
  )

  it.prop("T1: the mask has the length and the line breaks of the text", { pieces: Pieces }, ({ pieces }) => {
    const text = pieces.join("")
    const { mask } = scan(text, typescript)
    assert.strictEqual(mask.length, text.length)
    for (let at = 0; at < text.length; at++) {
      if (text[at] === "\n") assert.strictEqual(mask[at], "\n")
      else assert.isTrue(mask[at] === text[at] || mask[at] === " ")
    }
  })

  const masked: ReadonlyArray<readonly [name: string, text: string, mask: string]> = [
    ["line comment", "a // b\nc", "a     \nc"],
    ["block comment", "a /* b\n */ c", "a     \n    c"],
    ["string with an escape", 'x = "a\\"//b" // c', 'x = "      "     '],
    ["comment opener in a string", "f('/*') + g", "f('  ') + g"],
    ["template with code inside", "`a${b + `c${d}`}e` + f", "` ${b + ` ${d}`} ` + f"],
    ["object in a template", "`${{ a: 1 }.a}x`", "`${{ a: 1 }.a} `"],
    ["quote in a regular expression", "s.replace(/[\"'/]/g, x)", "s.replace(/     /g, x)"],
    ["division is no regular expression", "a / b // c", "a / b     "],
    ["unclosed string ends with its line", "don't\ndo", "don' \ndo"]
  ]
  for (const [name, text, mask] of masked) {
    it(`T2: ${name}`, () => assert.strictEqual(scan(text, typescript).mask, mask))
  }

  it("T2: a Python docstring is a comment, another triple string is not", () => {
    const source = scan("def f():\n    \"\"\"Doc # x\"\"\"\n    y = '''a\nb'''  # c", syntaxOf("a.py"))
    assert.deepStrictEqual(
      source.comments.map((comment) => comment.text),
      ['"""Doc # x"""', "# c"]
    )
  })

  it("a # in a shell begins a comment only after a space", () => {
    assert.deepStrictEqual(
      scan("echo $# a#b # c", syntaxOf("a.sh")).comments.map((each) => each.text),
      ["# c"]
    )
  })

  it.prop(
    "lineIndex counts line breaks before the index",
    { text: Schema.Array(Schema.Literals(["a", "\n"])) },
    ({ text }) => {
      const joined = text.join("")
      const lineOf = lineIndex(joined)
      for (let at = 0; at <= joined.length; at++) {
        assert.strictEqual(lineOf(at), joined.slice(0, at).split("\n").length)
      }
    }
  )
})
