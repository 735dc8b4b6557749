import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { links } from "../../../src/cli/audit/Links.ts"
import * as Markdown from "../../../src/cli/audit/Markdown.ts"
import { layerNode } from "../../../src/cli/audit/Workspace.ts"
import { folder, groupOf } from "./fixture.ts"

const targets = (text: string) => Markdown.parse(text).links.map((link) => `${link.use} ${link.target} ${link.line}`)

describe("Markdown", () => {
  const cases: ReadonlyArray<readonly [name: string, text: string, expected: ReadonlyArray<string>]> = [
    ["inline", "a [b](c.md) d", ["Link c.md 1"]],
    ["title", "[b](c.md \"T (x)\") [d](e.md 'T')", ["Link c.md 1", "Link e.md 1"]],
    ["image", "![b](c.png)", ["Image c.png 1"]],
    ["image in a link", "\n[![b](c.png)](d.md)", ["Link d.md 2", "Image c.png 2"]],
    ["parentheses and angle brackets", "[a](b_(c).md) [d](<e f.md>)", ["Link b_(c).md 1", "Link e f.md 1"]],
    ["brackets in the text", "[a [b] c](d.md)", ["Link d.md 1"]],
    ["over two lines", "[a\nb](c.md)", ["Link c.md 1"]],
    ["definition", "[a]: b.md\n[^1]: not a link", ["Link b.md 1"]],
    ["html", '<img alt="x" src="a.png"> <a href=\'b.md\'>c</a>', ["Image a.png 1", "Link b.md 1"]],
    ["automatic", "<https://x.y>", ["Link https://x.y 1"]],
    ["M1: fence", "```md\n[a](b)\n```\n~~~\n[a](b)\n```\n[c](d)\n~~~\n[e](f)", ["Link f 9"]],
    ["M1: longer fence", "````\n```\n[a](b)\n```\n````\n[c](d)", ["Link d 6"]],
    ["M1: fence in a list", "- ```\n  [a](b)\n  ```\n- [c](d)", ["Link d 4"]],
    ["M1: inline code", "`[a](b)` ``[c](`d)`` [e](f)", ["Link f 1"]],
    ["M1: comment", "<!-- [a](b)\n -->[c](d)", ["Link d 2"]],
    ["a backtick alone hides nothing", "a ` b [c](d)\n\ne ` f", ["Link d 1"]]
  ]
  for (const [name, text, expected] of cases) it(name, () => assert.deepStrictEqual(targets(text), expected))

  const anchors: ReadonlyArray<readonly [text: string, expected: ReadonlyArray<string>]> = [
    ["# Hello, World!", ["hello-world"]],
    ["## The `code` of *a* [link](x.md)", ["the-code-of-a-link"]],
    ["## A\n## A\n## A", ["a", "a-1", "a-2"]],
    ["## snake_case and __bold__", ["snake_case-and-bold"]],
    ["## Übergröße – 1.2 ##", ["übergröße--12"]],
    ["Title\n=====\n\nSub\n---\n", ["title", "sub"]],
    ["<a id=\"x\"></a>\n<h2 name='y'>", ["x", "y"]],
    ["```\n# not\n```", []]
  ]
  for (const [text, expected] of anchors) {
    it(`M2: anchors of ${JSON.stringify(text)}`, () =>
      assert.deepStrictEqual([...Markdown.parse(text).anchors], expected))
  }
})

describe("Links", () => {
  it.layer(layerNode)((it) => {
    it.effect("finds dead links, dead anchors and missing images", () =>
      Effect.gen(function* () {
        const root = yield* folder({
          "README.md": [
            "# Top",
            "[ok](docs/a.md) [ok](docs/a.md#part-one) [ok](#top) [ok](docs) [ok](/docs/b%20c.md) [ok](src/x.ts#L3)",
            "[gone](docs/none.md)",
            "[anchor](docs/a.md#none)",
            "![image](none.png)",
            "[web](https://x.y/none.md) [mail](mailto:a@b.c) [out](../elsewhere.md)",
            "[here](#nowhere)"
          ].join("\n"),
          "docs/a.md": "## Part one\n[back](../README.md#Top) [hint](b%20c)\n",
          "docs/b c.md": "",
          "src/x.ts": ""
        })
        const check = yield* links(groupOf(root, ["README.md", "docs/a.md", "src/x.ts"]))
        assert.deepStrictEqual(
          check.findings.map((each) => `${each.file}:${each.line} ${each.rule} ${each.message}`),
          [
            "README.md:3 dead-link docs/none.md does not exist",
            "README.md:4 dead-anchor #none is no heading of docs/a.md",
            "README.md:5 missing-image none.png does not exist",
            "README.md:7 dead-anchor #nowhere is no heading of this page",
            "docs/a.md:2 dead-link b%20c does not exist (there is a b c.md)"
          ]
        )
        assert.deepInclude(check, { files: 2, checked: 13, dead: 5, external: 1, images: 1 })
      })
    )

    it.effect("bad percent-encoding is taken as it stands", () =>
      Effect.gen(function* () {
        const root = yield* folder({ "a.md": "[x](b%E0%A4.md) [y](c%.md)", "b%E0%A4.md": "", "c%.md": "" })
        assert.deepStrictEqual((yield* links(groupOf(root, ["a.md"]))).findings, [])
      })
    )
  })
})
