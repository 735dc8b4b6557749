import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { GraphInvalid } from "../../src/patterns/task-graph/GraphError.ts"
import * as GraphPicture from "../../src/patterns/task-graph/GraphPicture.ts"
import * as GraphPlan from "../../src/patterns/task-graph/GraphPlan.ts"

type Node = GraphPlan.PlanNode & { readonly after: ReadonlyArray<string> }

const planOf = (nodes: ReadonlyArray<GraphPlan.PlanNode>): GraphPlan.GraphPlan =>
  Result.getOrThrow(GraphPlan.make(nodes))
const invalid = (nodes: ReadonlyArray<GraphPlan.PlanNode>): GraphInvalid =>
  Result.getOrThrow(Result.flip(GraphPlan.make(nodes, { name: "release" })))

/** A random graph without cycles: edges go from smaller to larger numbers, and the list is shuffled. */
const RandomDag = Schema.Struct({
  size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })),
  seed: Schema.Int
})
const makeDag = ({ seed, size }: typeof RandomDag.Type): ReadonlyArray<Node> => {
  let state = seed | 0
  const next = (below: number) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) | 0
    return (state >>> 0) % below
  }
  const nodes = Array.from({ length: size }, (_, number) => ({
    id: `n${number}`,
    after: number === 0 ? [] : [...new Set(Array.from({ length: next(4) }, () => `n${next(number)}`))],
    cost: next(10),
    priority: next(3)
  }))
  for (let i = size - 1; i > 0; i--) {
    const j = next(i + 1)
    ;[nodes[i], nodes[j]] = [nodes[j]!, nodes[i]!]
  }
  return nodes
}

/** The same said by recursion: exponential, and plain to see. */
const oracle = (nodes: ReadonlyArray<Node>) => {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const level = (id: string): number => Math.max(0, ...byId.get(id)!.after.map((d) => level(d) + 1))
  const memo = new Map<string, number>()
  const finish = (id: string): number => {
    const known = memo.get(id)
    if (known !== undefined) return known
    const { after, cost } = byId.get(id)!
    const value = (cost ?? 1) + Math.max(0, ...after.map(finish))
    memo.set(id, value)
    return value
  }
  return { byId, level, longest: Math.max(0, ...nodes.map(({ id }) => finish(id))) }
}

describe("GraphPlan", () => {
  it.effect.prop("P1: a node stands one level below the lowest of its dependencies", { dag: RandomDag }, ({ dag }) =>
    Effect.sync(() => {
      const nodes = makeDag(dag)
      const { level } = oracle(nodes)
      const { levels, width } = planOf(nodes)
      levels.forEach((members, index) => members.forEach((id) => assert.strictEqual(level(id), index)))
      assert.strictEqual(levels.flat().length, nodes.length)
      assert.strictEqual(width, Math.max(...levels.map((members) => members.length)))
    })
  )

  it.effect.prop("P2: the order names every node once, after its dependencies", { dag: RandomDag }, ({ dag }) =>
    Effect.sync(() => {
      const nodes = makeDag(dag)
      const { byId } = oracle(nodes)
      const { levels, order } = planOf(nodes)
      const place = new Map(order.map((id, index) => [id, index]))
      assert.strictEqual(place.size, nodes.length)
      for (const { after, id } of nodes) for (const d of after) assert.isBelow(place.get(d)!, place.get(id)!)
      for (const members of levels) {
        const priorities = members.map((id) => byId.get(id)!.priority ?? 0)
        assert.deepStrictEqual(
          priorities,
          priorities.toSorted((a, b) => b - a)
        )
      }
    })
  )

  it.effect.prop("P3: the critical path is a path, and no path costs more", { dag: RandomDag }, ({ dag }) =>
    Effect.sync(() => {
      const nodes = makeDag(dag)
      const { byId, longest } = oracle(nodes)
      const { criticalPath, totalCost } = planOf(nodes)
      const path = criticalPath.nodes
      path.slice(1).forEach((id, index) => assert.include(byId.get(id)!.after, path[index]!))
      assert.strictEqual(
        path.reduce((sum, id) => sum + byId.get(id)!.cost!, 0),
        criticalPath.length
      )
      assert.strictEqual(criticalPath.length, longest)
      assert.strictEqual(
        totalCost,
        nodes.reduce((sum, node) => sum + node.cost!, 0)
      )
    })
  )

  const Planted = {
    dag: RandomDag,
    from: Schema.Int,
    length: Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 8 }))
  }
  it.effect.prop("P4: a planted cycle is always found, and is a cycle", Planted, ({ dag, from, length }) =>
    Effect.sync(() => {
      const nodes = makeDag({ ...dag, size: dag.size + 8 })
      const ring = Array.from({ length }, (_, i) => ((Math.abs(from) % nodes.length) + i) % nodes.length)
      const cyclic = nodes.map((node, number) => {
        const at = ring.indexOf(number)
        return at < 0 ? node : { ...node, after: [...node.after, nodes[ring[(at + 1) % length]!]!.id] }
      })
      const { problems } = invalid(cyclic)
      const byId = new Map(cyclic.map((node) => [node.id, node]))
      assert.isTrue(problems.every((problem) => problem._tag === "CycleFound"))
      for (const problem of problems) {
        if (problem._tag !== "CycleFound") continue
        const { cycle, path } = problem
        assert.strictEqual(cycle[0], cycle.at(-1))
        assert.isAbove(cycle.length, 2)
        cycle.slice(1).forEach((id, index) => assert.include(byId.get(id)!.after, cycle[index]!))
        const [number, , place] = path as [number, string, number]
        assert.strictEqual(cyclic[number]!.id, cycle[1])
        assert.strictEqual(cyclic[number]!.after[place], cycle[0])
      }
    })
  )

  it("P4: every problem is reported at once, with its place", () => {
    const error = invalid([
      { id: "a", after: ["c"] },
      { id: "b", after: ["a", "nowhere"] },
      { id: "c", after: ["b"], reads: ["b", "a"] },
      { id: "d", after: ["d"] },
      { id: "a" },
      { id: "e", cost: -1 },
      { id: "f", after: ["g"] },
      { id: "g", after: ["f"] }
    ])
    const found = error.problems.map((problem) => `${problem._tag} ${problem.path.join(".")}`)
    assert.deepStrictEqual(found.toSorted(), [
      "CostOutOfRange 5.cost",
      "CycleFound 1.after.0",
      "CycleFound 7.after.0",
      "DanglingReference 2.reads.1",
      "DuplicateNode 4.id",
      "SelfDependency 3.after.0",
      "UnknownNode 1.after.1"
    ])
    assert.include(error.message, `Graph "release" is invalid: `)
    assert.include(error.message, `node "b" depends on "nowhere", which does not exist (at 1.after.1)`)
    assert.include(error.message, "cycle a -> b -> c -> a (at 1.after.0)")
  })

  it("P4: an invalid graph survives JSON", () => {
    const error = invalid([
      { id: "a", after: ["b"] },
      { id: "b", after: ["a"] },
      { id: "c", cost: Number.NaN }
    ])
    const codec = Schema.toCodecJson(GraphInvalid)
    const json = JSON.parse(JSON.stringify(Schema.encodeSync(codec)(error)))
    const decoded = Schema.decodeUnknownSync(codec)(json)
    assert.instanceOf(decoded, GraphInvalid)
    assert.strictEqual(decoded.message, error.message)
  })

  it("plans the empty graph", () => {
    assert.deepStrictEqual(planOf([]), {
      order: [],
      levels: [],
      width: 0,
      criticalPath: { nodes: [], length: 0 },
      totalCost: 0
    })
  })

  it("plans a chain of 100,000 nodes without recursion", () => {
    const chain = Array.from({ length: 100_000 }, (_, i) => ({ id: `${i}`, after: i === 0 ? [] : [`${i - 1}`] }))
    const { criticalPath, levels, width } = planOf(chain)
    assert.deepStrictEqual([criticalPath.length, levels.length, width], [100_000, 100_000, 1])
  })
})

describe("GraphPicture", () => {
  it("escapes names, and tells kinds, joins and states", () => {
    const picture = GraphPicture.toMermaid(
      [
        { id: `say "hi" [now]` },
        { id: "end", after: [`say "hi" [now]`], kind: "Conditional" },
        { id: "each", after: ["end"], kind: "FanOut", join: "any" }
      ],
      { direction: "LR", states: { end: "Completed", each: "Running" } }
    )
    assert.deepStrictEqual(
      picture.split("\n").map((line) => line.trim()),
      [
        "flowchart LR",
        `0["say #quot;hi#quot; #91;now#93;"]`,
        `1{"end"}`,
        `2[["each"]]`,
        "0 --> 1",
        `1 -->|"any"| 2`,
        "linkStyle 1 stroke-dasharray:4",
        "classDef Completed fill:#dcfce7,stroke:#16a34a,color:#14532d",
        "class 1 Completed",
        "classDef Running fill:#dbeafe,stroke:#2563eb,color:#1e3a8a",
        "class 2 Running"
      ]
    )
  })
})
