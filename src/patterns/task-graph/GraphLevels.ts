/**
 * Topological levels and longest paths of a graph of numbered nodes, on typed arrays.
 *
 * Levels are Kahn's algorithm with the round in which each node falls: O(nodes + edges), no allocation per node or
 * edge. The longest path is one more comparison on each edge, in the same order.
 *
 * Source: A. B. Kahn, "Topological sorting of large networks", CACM 5(11), 1962.
 */

/** Edges as pairs of nodes, `from[i]` before `to[i]`. */
export interface Edges {
  readonly from: Int32Array
  readonly to: Int32Array
  readonly count: number
}

export interface Levelled {
  /** Nodes in topological order, level by level. Shorter than the graph if it has a cycle. */
  readonly order: Int32Array
  /** Where each level starts in `order`, and the end of the last one. */
  readonly starts: ReadonlyArray<number>
  /** Cost of the most expensive path that ends with this node. */
  readonly finish: Float64Array
  /** The node before it on that path. -1: none. */
  readonly previous: Int32Array
  /** Edges into the node that were never passed: more than 0 on a cycle and behind one. */
  readonly remaining: Int32Array
}

/** The successors of each node side by side: those of `node` stand from `head[node]` to `head[node + 1]`. */
const toRows = (size: number, edges: Edges) => {
  const head = new Int32Array(size + 1)
  const remaining = new Int32Array(size)
  for (let edge = 0; edge < edges.count; edge++) {
    head[edges.from[edge]! + 1]!++
    remaining[edges.to[edge]!]!++
  }
  for (let node = 0; node < size; node++) head[node + 1]! += head[node]!
  const next = head.slice(0, size)
  const successors = new Int32Array(edges.count)
  for (let edge = 0; edge < edges.count; edge++) successors[next[edges.from[edge]!]!++] = edges.to[edge]!
  return { head, successors, remaining }
}

export const of = (size: number, edges: Edges, costs: Float64Array): Levelled => {
  const { head, remaining, successors } = toRows(size, edges)
  const order = new Int32Array(size)
  const finish = costs.slice()
  const previous = new Int32Array(size).fill(-1)
  const level = new Int32Array(size)
  const starts: Array<number> = []
  let length = 0
  for (let node = 0; node < size; node++) if (remaining[node] === 0) order[length++] = node
  for (let position = 0; position < length; position++) {
    const node = order[position]!
    const finished = finish[node]!
    if (level[node] === starts.length) starts.push(position)
    for (let row = head[node]!; row < head[node + 1]!; row++) {
      const successor = successors[row]!
      // First in, first out: the edge passed last comes from the lowest of its dependencies.
      level[successor] = level[node]! + 1
      if (previous[successor] === -1 || finished + costs[successor]! > finish[successor]!) {
        finish[successor] = finished + costs[successor]!
        previous[successor] = node
      }
      if (--remaining[successor]! === 0) order[length++] = successor
    }
  }
  starts.push(length)
  return { order: length === size ? order : order.subarray(0, length), starts, finish, previous, remaining }
}
