import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { functionsOf } from "../../../src/cli/audit/Functions.ts"
import { kindOf, languageOf } from "../../../src/cli/audit/Language.ts"
import { measure } from "../../../src/cli/audit/Measure.ts"
import { scan } from "../../../src/cli/audit/SourceText.ts"
import { layerNode } from "../../../src/cli/audit/Workspace.ts"
import { folder, groupOf, rules } from "./fixture.ts"

const spans = (text: string, file = "a.ts") =>
  functionsOf(scan(text, languageOf(file).syntax!), file.endsWith(".py") ? "Python" : "Braces").map(
    (span) => `${span.name}:${span.line}+${span.lines}`
  )

describe("Measure", () => {
  it.layer(layerNode)((it) => {
    it.effect("counts code, comments and blank lines", () =>
      Effect.gen(function* () {
        const root = yield* folder({
          "a.ts":
            "// TODO: one\n\nconst a = `x\n\n  // text\n` // FIXME(me) two\n/* a\n   b */\nfoo() // no todo in here\n",
          "b.md": "# A\n\ntext\n",
          "empty.ts": ""
        })
        const result = yield* measure(groupOf(root, ["a.ts", "b.md", "empty.ts", "gone.ts"]))
        const [a, b, empty] = result.files
        assert.deepInclude(a, { lines: 9, code: 4, comment: 3, blank: 2, todos: 2 })
        assert.deepInclude(b, { lines: 3, code: 0, comment: 0, blank: 1 })
        assert.deepInclude(empty, { lines: 0, code: 0, comment: 0, blank: 0 })
        assert.deepStrictEqual(rules(result.findings), ["unreadable-file", "todo", "todo"])
        assert.deepStrictEqual(
          result.findings.map((each) => each.line),
          [undefined, 1, 6]
        )
        assert.deepStrictEqual(
          result.totals.map((each) => [each.language, each.files, each.code]),
          [
            ["TypeScript", 2, 4],
            ["Markdown", 1, 0]
          ]
        )
      })
    )

    it.effect("reports long files and long functions, but not in tests", () =>
      Effect.gen(function* () {
        const long = `export const long = () => {\n${"  x()\n".repeat(301)}}\n`
        const root = yield* folder({ "src/a.ts": long, "test/a.test.ts": long })
        const result = yield* measure(groupOf(root, ["src/a.ts", "test/a.test.ts"]))
        assert.deepStrictEqual(
          result.findings.map((each) => [each.rule, each.file]),
          [
            ["long-file", "src/a.ts"],
            ["long-function", "src/a.ts"]
          ]
        )
        assert.deepStrictEqual(result.longest, [{ name: "long", file: "src/a.ts", line: 1, lines: 303 }])
      })
    )

    it.effect("leaves out binary content under a text name", () =>
      Effect.gen(function* () {
        const root = yield* folder({ "a.ts": "x\0y" })
        assert.deepStrictEqual((yield* measure(groupOf(root, ["a.ts"]))).files, [])
      })
    )
  })
})

describe("Functions", () => {
  const cases: ReadonlyArray<readonly [name: string, text: string, expected: ReadonlyArray<string>]> = [
    ["declaration", "function a() {\n}\n", ["a:1+2"]],
    ["arrow", "const a = 1\nconst b = (x: { y: number }) => {\n}\n", ["b:2+2"]],
    ["arrow without parentheses", "const b = x => {\n}", ["b:1+2"]],
    ["return type", "function f(): { a: string } {\n}\n", ["f:1+2"]],
    ["generic return type", "const f = Effect.fn(function*(a: A): Effect.Return<A, never, B> {\n})", ["f:1+2"]],
    ["generator in a call", "export const f = Effect.gen(function*() {\n})", ["f:1+2"]],
    ["method", "class A {\n  private b = 1\n  c(x: number): void {\n  }\n}", ["c:3+2"]],
    ["field", "class A {\n  readonly c: T = make(() => {\n  })\n}", ["c:2+2"]],
    ["object methods", "make({\n  a: (x) => {\n  },\n  b() {\n  }\n})", ["a:2+2", "b:4+2"]],
    [
      "control flow is no function",
      "if (a) {\n} else if (b) {\n}\nfor (const x of y) {\n}\nwhile (z) {\n}\ntry {\n} catch (e) {\n}",
      []
    ],
    ["class is no function", "class A extends B<{ a: 1 }>(x) {\n}", []],
    ["types are no functions", "interface A {\n  b(c: D): E\n}\ntype F = {\n  g: (h: I) => J\n}", []],
    ["nested", "const a = () => {\n  const b = () => {\n  }\n}", ["b:2+2", "a:1+4"]],
    ["braces in strings", "const a = () => {\n  f(\"}\", '{')\n}", ["a:1+3"]],
    ["unbalanced text", "}}) {{ (", []]
  ]
  for (const [name, text, expected] of cases) it(name, () => assert.deepStrictEqual(spans(text), expected))

  it("Go, Rust and Java", () => {
    assert.deepStrictEqual(spans("func (s *S) Name(a int) (int, error) {\n}\n", "a.go"), ["Name:1+2"])
    assert.deepStrictEqual(spans("pub fn name(a: i32) -> i32 {\n}\n", "a.rs"), ["name:1+2"])
    assert.deepStrictEqual(spans("class A {\n  public int name(int a) throws B {\n  }\n}\n", "A.java"), ["name:2+2"])
  })

  it("Python, by indentation", () => {
    const text = "def a(\n    x,\n):\n    y\n\n    def b():\n        z\n\nasync def c():\n    w\n"
    assert.deepStrictEqual(spans(text, "a.py"), ["b:6+2", "a:1+7", "c:9+2"])
  })
})

describe("Language", () => {
  const kinds: ReadonlyArray<readonly [path: string, kind: string]> = [
    ["src/a.ts", "source"],
    ["test/a.ts", "test"],
    ["src/a.test.ts", "test"],
    ["pkg/test_a.py", "test"],
    ["src/contest.ts", "source"],
    ["vite.config.ts", "config"],
    ["README.md", "docs"],
    [".gitignore", "config"],
    ["Dockerfile", "config"],
    ["a.PNG", "asset"],
    ["LICENSE", "other"]
  ]
  for (const [path, kind] of kinds) it(`${path} is ${kind}`, () => assert.strictEqual(kindOf(path), kind))
})
