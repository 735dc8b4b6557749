import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { cycles, findCycles } from "../../../src/cli/audit/Cycles.ts"
import { layerNode } from "../../../src/cli/audit/Workspace.ts"
import { folder, rules } from "./fixture.ts"

const Node = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 12 }))
const Pairs = Schema.Array(Schema.Tuple([Node, Node]))
const name = (node: number) => `n${String(node).padStart(2, "0")}.ts`
const link = (from: number, to: number, load: "Static" | "TypeOnly" | "Deferred" = "Static") => ({
  from: name(from),
  to: name(to),
  load
})

/** Every edge leads to a larger number, so there is no way round. */
const acyclic = (pairs: ReadonlyArray<readonly [number, number]>) =>
  pairs.filter(([a, b]) => a !== b).map(([a, b]) => link(Math.min(a, b), Math.max(a, b)))

describe("Cycles", () => {
  it.prop("Y1: a graph without a cycle has none", { pairs: Pairs }, ({ pairs }) => {
    assert.deepStrictEqual(findCycles(acyclic(pairs)), [])
  })

  it.prop(
    "Y1, Y2: with an edge back there is one, and it is real",
    { pairs: Pairs, from: Node, to: Node },
    ({ from, pairs, to }) => {
      const [low, high] = [Math.min(from, to), Math.max(from, to)]
      const links = [...acyclic(pairs), link(low, high), link(high, low)]
      const found = findCycles(links)
      assert.isAbove(found.length, 0)
      const edges = new Set(links.map((each) => `${each.from} ${each.to}`))
      for (const { files } of found) {
        assert.isAtLeast(files.length, 1)
        assert.strictEqual(new Set(files).size, files.length)
        for (const [index, file] of files.entries()) {
          assert.isTrue(edges.has(`${file} ${files[(index + 1) % files.length]}`))
        }
      }
    }
  )

  it.prop("the order of the edges does not matter", { pairs: Pairs }, ({ pairs }) => {
    const links = pairs.map(([a, b]) => link(a, b))
    assert.deepStrictEqual(findCycles(links.toReversed()), findCycles(links))
  })

  it("Y3: a cycle through a type or a deferred import is harmless", () => {
    assert.deepStrictEqual(findCycles([link(1, 2), link(2, 1, "TypeOnly"), link(3, 4), link(4, 3, "Deferred")]), [
      { files: [name(1), name(2)], size: 2, effect: "Harmless" },
      { files: [name(3), name(4)], size: 2, effect: "Harmless" }
    ])
  })

  it("Y3: types around a cycle at load add no second one", () => {
    const found = findCycles([link(1, 2), link(2, 1), link(2, 3, "TypeOnly"), link(3, 1, "TypeOnly")])
    assert.deepStrictEqual(
      found.map((each) => each.effect),
      ["AtLoad"]
    )
  })

  it("a file that imports itself is a cycle; the shortest way round is shown", () => {
    assert.deepStrictEqual(findCycles([link(1, 1)]), [{ files: [name(1)], size: 1, effect: "AtLoad" }])
    const found = findCycles([link(1, 2), link(2, 3), link(3, 1), link(2, 1)])
    assert.deepStrictEqual(found, [{ files: [name(1), name(2)], size: 3, effect: "AtLoad" }])
  })

  it.effect("reports cycles and imports that lead nowhere, with their lines", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "ignored.ts": "" })
      const edge = (from: string, specifier: string, line: number) => ({
        from,
        specifier,
        line,
        load: "Static" as const
      })
      const graph = yield* cycles({
        root,
        files: ["a.ts", "b.ts"],
        edges: [
          edge("a.ts", "./b.js", 3),
          edge("b.ts", "./a", 1),
          edge("a.ts", "./gone.ts", 9),
          edge("a.ts", "./ignored.ts", 4),
          edge("a.ts", "./dist/made.js", 5),
          edge("a.ts", "../outside.ts", 6)
        ]
      })
      assert.deepInclude(graph, { files: 2, edges: 2, broken: 1 })
      assert.deepStrictEqual(rules(graph.findings), ["import-cycle", "broken-import"])
      assert.deepStrictEqual(
        graph.findings.map((each) => [each.message, each.line]),
        [
          ["a.ts → b.ts → a.ts", 3],
          ["imports ./gone.ts, which does not exist", 9]
        ]
      )
      assert.deepStrictEqual(graph.mostImported, [
        { file: "a.ts", importers: 1 },
        { file: "b.ts", importers: 1 }
      ])
    }).pipe(Effect.provide(layerNode))
  )
})
