/** Pictures of graphs in Mermaid: shapes tell what a node is, colours what became of it. */
import * as Graph from "effect/Graph"

export type NodeState = "Pending" | "Running" | "Completed" | "Skipped" | "Failed"

export interface PictureNode {
  readonly id: string
  readonly after?: ReadonlyArray<string> | undefined
  /** `Conditional`: a rhombus. `FanOut`: a box with double sides. */
  readonly kind?: "Plain" | "Conditional" | "FanOut" | undefined
  /** Stands on the edges from its dependencies, which are then dashed: it does not wait for each of them. */
  readonly join?: string | undefined
}

export interface PictureOptions {
  /** Where the graph grows to. Default `TD`, downwards. */
  readonly direction?: "TD" | "LR" | undefined
  /** Colours these nodes. */
  readonly states?: { readonly [node: string]: NodeState } | undefined
}

const shapes = { Plain: "rectangle", Conditional: "diamond", FanOut: "subroutine" } as const

const colours: { readonly [S in NodeState]: string } = {
  Pending: "fill:#f4f4f5,stroke:#a1a1aa,color:#27272a",
  Running: "fill:#dbeafe,stroke:#2563eb,color:#1e3a8a",
  Completed: "fill:#dcfce7,stroke:#16a34a,color:#14532d",
  Skipped: "fill:#fafafa,stroke:#a1a1aa,color:#71717a,stroke-dasharray:4",
  Failed: "fill:#fee2e2,stroke:#dc2626,color:#7f1d1d"
}

/**
 * Draws a graph. Names are labels only, escaped: any text will do.
 *
 * @category converting
 * @stability experimental
 * @since 0.1.0
 */
export const toMermaid = (nodes: ReadonlyArray<PictureNode>, options?: PictureOptions): string => {
  const numbers = new Map(nodes.map((node, number) => [node.id, number]))
  const dashed: Array<number> = []
  const graph = Graph.directed<PictureNode, string>((mutable) => {
    for (const node of nodes) Graph.addNode(mutable, node)
    nodes.forEach((node, target) => {
      for (const dependency of node.after ?? []) {
        const source = numbers.get(dependency)
        if (source === undefined) continue
        const edge = Graph.addEdge(mutable, source, target, node.join ?? "")
        if (node.join !== undefined) dashed.push(edge)
      }
    })
  })
  const picture = Graph.toMermaid(graph, {
    direction: options?.direction ?? "TD",
    nodeLabel: (node) => node.id,
    edgeLabel: (label) => label,
    nodeShape: (node) => shapes[node.kind ?? "Plain"]
  })
  const lines = dashed.length === 0 ? [] : [`  linkStyle ${dashed.join(",")} stroke-dasharray:4`]
  for (const [state, members] of byState(nodes, options?.states ?? {})) {
    lines.push(`  classDef ${state} ${colours[state]}`, `  class ${members.join(",")} ${state}`)
  }
  return [picture, ...lines].join("\n")
}

const byState = (nodes: ReadonlyArray<PictureNode>, states: { readonly [node: string]: NodeState }) => {
  const members = new Map<NodeState, Array<number>>()
  nodes.forEach((node, number) => {
    const state = Object.hasOwn(states, node.id) ? states[node.id] : undefined
    if (state === undefined) return
    const before = members.get(state)
    if (before === undefined) members.set(state, [number])
    else before.push(number)
  })
  return members
}
