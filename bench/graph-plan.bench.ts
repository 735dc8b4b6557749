/**
 * Planning of random graphs, against the floor: Kahn's algorithm over typed arrays of numbered nodes, in the same run.
 *
 * A plan does more than the floor: it reads names, checks every reference, and finds the critical path.
 */
import * as Result from "effect/Result"
import * as GraphPlan from "../src/patterns/task-graph/GraphPlan.ts"

const sizes = [1_000, 10_000, 100_000]

/** Numbers from 0 to 1, the same in every run. */
const random = (seed: number) => () => (
  (seed = (Math.imul(seed ^ (seed >>> 15), 2246822519) + 0x9e3779b9) | 0),
  (seed >>> 0) / 4294967296
)

/** Some three edges a node, from nodes not far before it, in a random numbering. */
const makeEdges = (size: number): ReadonlyArray<readonly [from: number, to: number]> => {
  const next = random(42)
  const names = Array.from({ length: size }, (_, index) => index)
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    ;[names[i], names[j]] = [names[j]!, names[i]!]
  }
  const window = Math.max(50, size / 20)
  const seen = new Set<number>()
  const edges: Array<readonly [number, number]> = []
  for (let to = 1; to < size; to++) {
    for (let k = 0; k < 3; k++) {
      const from = Math.max(0, to - 1 - Math.floor(next() * window))
      if (seen.has(from * size + to)) continue
      seen.add(from * size + to)
      edges.push([names[from]!, names[to]!])
    }
  }
  return edges
}

/** Build and levels of numbered nodes: nothing can plan a graph with less work. */
const floor = (size: number, edges: ReadonlyArray<readonly [number, number]>): number => {
  const head = new Int32Array(size + 1)
  const remaining = new Int32Array(size)
  const level = new Int32Array(size)
  for (const [from, to] of edges) {
    head[from + 1]!++
    remaining[to]!++
  }
  for (let node = 0; node < size; node++) head[node + 1]! += head[node]!
  const place = head.slice(0, size)
  const successors = new Int32Array(edges.length)
  for (const [from, to] of edges) successors[place[from]!++] = to
  const queue = new Int32Array(size)
  let end = 0
  for (let node = 0; node < size; node++) if (remaining[node] === 0) queue[end++] = node
  for (let start = 0; start < end; start++) {
    const node = queue[start]!
    for (let row = head[node]!; row < head[node + 1]!; row++) {
      const successor = successors[row]!
      level[successor] = level[node]! + 1
      if (--remaining[successor]! === 0) queue[end++] = successor
    }
  }
  return level[queue[end - 1]!]! + 1
}

const median = (runs: number, work: () => unknown): number => {
  const times = Array.from({ length: runs + 3 }, () => {
    const start = performance.now()
    work()
    return performance.now() - start
  })
  return times.slice(3).toSorted((a, b) => a - b)[Math.floor(runs / 2)]!
}

const rows = sizes.map((size) => {
  const edges = makeEdges(size)
  const nodes = Array.from({ length: size }, (_, index) => ({ id: `node-${index}`, after: [] as Array<string> }))
  for (const [from, to] of edges) nodes[to]!.after.push(`node-${from}`)
  const runs = size >= 100_000 ? 9 : 25
  const floorTime = median(runs, () => floor(size, edges))
  const planTime = median(runs, () => GraphPlan.make(nodes))
  const { levels } = Result.getOrThrow(GraphPlan.make(nodes))
  if (levels.length !== floor(size, edges)) throw new Error("the plan and the floor disagree")
  return { size, edges: edges.length, levels: levels.length, floorTime, planTime }
})

/** 1: time grows as the graph does. The floor's own exponent says what of it is the memory's. */
const exponent = (index: number, time: "floorTime" | "planTime"): string => {
  const [before, row] = [rows[index - 1], rows[index]!]
  if (before === undefined) return "-"
  return (Math.log(row[time] / before[time]) / Math.log(row.size / before.size)).toFixed(2)
}

console.log("   nodes    edges  levels   floor ms    plan ms   ratio  growth: floor   plan")
rows.forEach((row, index) => {
  console.log(
    String(row.size).padStart(8),
    String(row.edges).padStart(8),
    String(row.levels).padStart(7),
    row.floorTime.toFixed(2).padStart(10),
    row.planTime.toFixed(2).padStart(10),
    (row.planTime / row.floorTime).toFixed(1).padStart(7),
    exponent(index, "floorTime").padStart(14),
    exponent(index, "planTime").padStart(6)
  )
})
