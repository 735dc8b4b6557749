/**
 * What can be said about a graph before it runs: its levels, its width, its critical path, or all that is wrong with it.
 *
 * Planning is a pure function over typed arrays (`GraphLevels`): Effect's `Graph` keeps maps of objects, which cost many
 * times as much at 100,000 nodes. It serves where the graph is small or the answer rare: cycle reports and pictures.
 *
 * Invariants (checked by `test/patterns/GraphPlan.test.ts`):
 *
 *   P1. A node stands one level below the lowest of its dependencies, and on the first level without any.
 *   P2. The order names every node once, after its dependencies, higher priority first within a level.
 *   P3. The critical path is a path of the graph, and no path costs more.
 *   P4. Every problem is reported, each with its place; a graph with a cycle is never planned.
 */
import * as Graph from "effect/Graph"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { GraphInvalid, type GraphProblem } from "./GraphError.ts"
import * as GraphLevels from "./GraphLevels.ts"

/** A node as data. */
export interface PlanNode {
  readonly id: string
  readonly after?: ReadonlyArray<string> | undefined
  /** Nodes whose output its input reads: each must be one of `after`. */
  readonly reads?: ReadonlyArray<string> | undefined
  /** Of running the node, in any unit. Default 1. */
  readonly cost?: number | undefined
  /** Higher first. Default 0. */
  readonly priority?: number | undefined
}

export interface GraphPlan {
  /** A topological order: level by level. */
  readonly order: ReadonlyArray<string>
  /** Nodes that can run side by side once the levels before are done. */
  readonly levels: ReadonlyArray<ReadonlyArray<string>>
  /** Size of the largest level. */
  readonly width: number
  /** The most expensive path: with nothing to wait for but dependencies, the graph takes as long as this. */
  readonly criticalPath: { readonly nodes: ReadonlyArray<string>; readonly length: number }
  /** Cost of all nodes together: how long one worker takes. */
  readonly totalCost: number
}

interface Indexed {
  readonly edges: GraphLevels.Edges
  readonly costs: Float64Array
  readonly problems: Array<GraphProblem>
}

const numberNodes = (nodes: ReadonlyArray<PlanNode>, problems: Array<GraphProblem>): ReadonlyMap<string, number> => {
  const numbers = new Map<string, number>()
  for (let index = 0; index < nodes.length; index++) {
    const node = nodes[index]!.id
    // The size tells whether the id was new, for the price of one look-up.
    const before = numbers.size
    if (numbers.set(node, numbers.get(node) ?? index).size === before) {
      problems.push({ _tag: "DuplicateNode", path: [index, "id"], node })
    }
  }
  return numbers
}

const index = (nodes: ReadonlyArray<PlanNode>): Indexed => {
  const problems: Array<GraphProblem> = []
  const numbers = numberNodes(nodes, problems)
  const capacity = nodes.reduce((sum, node) => sum + (node.after?.length ?? 0), 0)
  const from = new Int32Array(capacity)
  const to = new Int32Array(capacity)
  const costs = new Float64Array(nodes.length)
  let count = 0
  nodes.forEach((node, number) => {
    costs[number] = node.cost ?? 1
    if (!(costs[number]! >= 0 && costs[number]! < Infinity)) {
      problems.push({ _tag: "CostOutOfRange", path: [number, "cost"], node: node.id, cost: String(node.cost) })
    }
    node.after?.forEach((dependency, place) => {
      const found = numbers.get(dependency)
      if (found === undefined) {
        problems.push({ _tag: "UnknownNode", path: [number, "after", place], node: node.id, dependency })
      } else if (dependency === node.id) {
        problems.push({ _tag: "SelfDependency", path: [number, "after", place], node: node.id })
      } else {
        from[count] = found
        to[count++] = number
      }
    })
    node.reads?.forEach((reference, place) => {
      if (node.after?.includes(reference) === true) return
      problems.push({ _tag: "DanglingReference", path: [number, "reads", place], node: node.id, reference })
    })
  })
  return { edges: { from, to, count }, costs, problems }
}

/** One cycle for each knot of nodes that depend on each other. Only what Kahn's algorithm left over is looked at. */
const findCycles = (
  nodes: ReadonlyArray<PlanNode>,
  edges: GraphLevels.Edges,
  remaining: Int32Array
): Array<GraphProblem> => {
  const left = Graph.directed<number, void>((mutable) => {
    const ids = new Map<number, number>()
    remaining.forEach((count, node) => {
      if (count > 0) ids.set(node, Graph.addNode(mutable, node))
    })
    for (let edge = 0; edge < edges.count; edge++) {
      const source = ids.get(edges.from[edge]!)
      const target = ids.get(edges.to[edge]!)
      if (source !== undefined && target !== undefined) Graph.addEdge(mutable, source, target, undefined)
    }
  })
  return Graph.stronglyConnectedComponents(left)
    .filter((knot) => knot.length > 1)
    .map((knot) => {
      const found = Option.getOrThrow(Graph.findCycle(Graph.inducedSubgraph(left, knot)))
      const cycle = found.path.map((id) => Option.getOrThrow(Graph.getNode(left, id)))
      const dependency = nodes[cycle[0]!]!.id
      const place = nodes[cycle[1]!]!.after!.indexOf(dependency)
      return {
        _tag: "CycleFound",
        path: [cycle[1]!, "after", place],
        cycle: cycle.map((node) => nodes[node]!.id)
      } as const
    })
}

const toPlan = (nodes: ReadonlyArray<PlanNode>, levelled: GraphLevels.Levelled, costs: Float64Array): GraphPlan => {
  const { finish, order, previous, starts } = levelled
  const prioritised = nodes.some((node) => (node.priority ?? 0) !== 0)
  const levels: Array<ReadonlyArray<string>> = []
  let width = 0
  for (let level = 0; level + 1 < starts.length; level++) {
    // Numbers are in the order of the list, so ties go by it.
    const members = order.subarray(starts[level], starts[level + 1]).toSorted()
    const ranked = prioritised
      ? members.toSorted((a, b) => (nodes[b]!.priority ?? 0) - (nodes[a]!.priority ?? 0))
      : members
    levels.push(Array.from(ranked, (node) => nodes[node]!.id))
    width = Math.max(width, members.length)
  }
  let last = -1
  for (let node = 0; node < nodes.length; node++) if (last === -1 || finish[node]! > finish[last]!) last = node
  const critical: Array<string> = []
  for (let node = last; node !== -1; node = previous[node]!) critical.push(nodes[node]!.id)
  return {
    order: levels.flat(),
    levels,
    width,
    criticalPath: { nodes: critical.toReversed(), length: last === -1 ? 0 : finish[last]! },
    totalCost: costs.reduce((sum, cost) => sum + cost, 0)
  }
}

/**
 * Plans a graph that is defined by data, or says all that is wrong with it.
 *
 * **Details** Nodes may stand in any order. Of each knot of nodes that depend on each other one cycle is reported: the
 * number of cycles in a knot can be exponential. What hangs on an unknown node is planned as if it did not.
 *
 * **Gotchas** Time and memory are linear in nodes and edges; 100,000 nodes with 300,000 edges take some 0.2 s,
 * most of it to look names up.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = (
  nodes: ReadonlyArray<PlanNode>,
  options?: { readonly name?: string }
): Result.Result<GraphPlan, GraphInvalid> => {
  const { costs, edges, problems } = index(nodes)
  const levelled = GraphLevels.of(nodes.length, edges, costs)
  if (levelled.order.length < nodes.length) problems.push(...findCycles(nodes, edges, levelled.remaining))
  const [problem, ...more] = problems
  return problem === undefined
    ? Result.succeed(toPlan(nodes, levelled, costs))
    : Result.fail(new GraphInvalid({ graph: options?.name ?? "graph", problems: [problem, ...more] }))
}
