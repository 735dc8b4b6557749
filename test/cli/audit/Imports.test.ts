import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ImportEdge, imports } from "../../../src/cli/audit/Imports.ts"
import * as Resolve from "../../../src/cli/audit/Resolve.ts"
import { layerNode } from "../../../src/cli/audit/Workspace.ts"
import { folder, groupOf } from "./fixture.ts"

const scanOne = (file: string, text: string) =>
  Effect.gen(function* () {
    const root = yield* folder({ [file]: text })
    const { edges } = yield* imports(groupOf(root, [file]))
    return edges.map((edge) => `${edge.specifier} ${edge.load} ${edge.line}`)
  })

describe("Imports", () => {
  it.layer(layerNode)((it) => {
    const cases: ReadonlyArray<readonly [text: string, expected: ReadonlyArray<string>]> = [
      ['import a from "./a.ts"', ["./a.ts Static 1"]],
      ["import a, { b } from './a'\nimport * as c from \"../c\"", ["./a Static 1", "../c Static 2"]],
      ['import {\n  a,\n  b\n} from "./a.ts"', ["./a.ts Static 4"]],
      ['import{a}from"./a"', ["./a Static 1"]],
      ['import "./a.ts"', ["./a.ts Static 1"]],
      [
        'export * from "./a"\nexport * as b from "./b"\nexport { c } from "./c"',
        ["./a Static 1", "./b Static 2", "./c Static 3"]
      ],
      ['import type { A } from "./a"\nexport type * from "./b"', ["./a TypeOnly 1", "./b TypeOnly 2"]],
      ['import type from "./a"', ["./a Static 1"]],
      ['import { type A, type B } from "./a"', ["./a TypeOnly 1"]],
      ['import { type A, b } from "./a"', ["./a Static 1"]],
      ['const a = await import("./a")', ["./a Deferred 1"]],
      ["const a = require('./a')", ["./a Static 1"]],
      ['x.import("./a"); my_require("./b"); x.require(\'./c\')', []],
      ['import a from "a"', []],
      ['export const from = "./a"\nexport interface B { from: C }', []]
    ]
    for (const [text, expected] of cases) {
      it.effect(JSON.stringify(text), () =>
        Effect.map(scanOne("m.ts", text), (edges) => assert.deepStrictEqual(edges, expected))
      )
    }

    it.effect("I1: nothing from comments, strings and templates", () =>
      Effect.map(
        scanOne(
          "m.ts",
          '// import "./a"\n/* import b from \'./b\' */\nconst t = `import c from "./c"`\nconst s = "import d from \'./d\'"\n'
        ),
        (edges) => assert.deepStrictEqual(edges, [])
      )
    )

    it.effect("I2: whatever a declaration file imports is a type", () =>
      Effect.map(scanOne("m.d.ts", 'import { a } from "./a"'), (edges) =>
        assert.deepStrictEqual(edges, ["./a TypeOnly 1"])
      )
    )

    it.effect("Python: relative imports, and lazy ones inside functions", () =>
      Effect.map(
        scanOne(
          "p/m.py",
          "from .a import b\nfrom . import (c,\n  d as e)\nfrom ..f.g import h  # from .x import y\nimport os\ndef f():\n    from .z import q\n"
        ),
        (edges) =>
          assert.deepStrictEqual(edges, [
            ".a Static 1",
            ".c Static 2",
            ".d Static 2",
            "..f.g Static 4",
            ".z Deferred 7"
          ])
      )
    )
  })
})

describe("Resolve", () => {
  const files = new Set([
    "a.ts",
    "b/index.ts",
    "c.tsx",
    "d.js",
    "e.mts",
    "f.json",
    "g.d.ts",
    "h/h.ts",
    "p/x.py",
    "p/q/__init__.py",
    "p/__init__.py"
  ])
  const edge = (from: string, specifier: string): ImportEdge => ({ from, specifier, line: 1, load: "Static" })
  const cases: ReadonlyArray<readonly [from: string, specifier: string, to: string | undefined]> = [
    ["x.ts", "./a.ts", "a.ts"],
    ["x.ts", "./a", "a.ts"],
    ["x.ts", "./a.js", "a.ts"],
    ["x.ts", "./b", "b/index.ts"],
    ["x.ts", "./b/", "b/index.ts"],
    ["b/x.ts", ".", "b/index.ts"],
    ["h/h.ts", "../c.js", "c.tsx"],
    ["x.ts", "./d.js", "d.js"],
    ["x.ts", "./e.mjs", "e.mts"],
    ["x.ts", "./f.json?raw", "f.json"],
    ["x.ts", "./g", "g.d.ts"],
    ["x.ts", "./none", undefined],
    ["p/y.py", ".x", "p/x.py"],
    ["p/y.py", ".q", "p/q/__init__.py"],
    ["p/q/z.py", "..x", "p/x.py"],
    ["p/y.py", ".value", "p/__init__.py"]
  ]
  for (const [from, specifier, to] of cases) {
    it(`${specifier} from ${from} is ${to ?? "nowhere"}`, () =>
      assert.strictEqual(Resolve.target(edge(from, specifier), files), to))
  }
})
