/** One node of a task graph as it is kept at run time. Its types are guarded by `TaskGraph.add` and forgotten here. */
import type * as Agent from "../../core/Agent.ts"
import type * as Join from "./Join.ts"

/** Outputs of the dependencies by name. `undefined`: not there, by the rules of the node's join. */
export type Dependencies = { readonly [node: string]: unknown }

/** What a node does: one call of its agent, or one for each item of a list known only when its dependencies are. */
export type Work =
  | { readonly _tag: "One"; readonly input: (dependencies: Dependencies, input: unknown) => unknown }
  | {
      readonly _tag: "Each"
      readonly over: (dependencies: Dependencies, input: unknown) => ReadonlyArray<unknown>
      readonly input: (item: unknown, dependencies: Dependencies, input: unknown) => unknown
      readonly key: (item: unknown, index: number) => string
      readonly concurrency: number
    }

export interface GraphNode {
  readonly id: string
  readonly agent: Agent.Any
  readonly after: ReadonlyArray<string>
  readonly join: Join.Join
  readonly when: ((dependencies: Dependencies, input: unknown) => boolean) | undefined
  /** Higher starts first among the nodes that are ready. */
  readonly priority: number
  readonly cost: number
  readonly work: Work
}

/**
 * The nodes of a graph under construction: immutable, and built in linear time.
 *
 * Graphs that were built one from the other share one array. The latest adds to it in place; one that was added to
 * before, and so is shorter than the array, goes on with a copy.
 */
export class NodeList {
  readonly size: number
  private readonly shared: Array<GraphNode>
  private readonly numbers: Map<string, number>

  constructor(shared: Array<GraphNode> = [], numbers: Map<string, number> = new Map(), size = 0) {
    this.shared = shared
    this.numbers = numbers
    this.size = size
  }

  has(id: string): boolean {
    return (this.numbers.get(id) ?? Infinity) < this.size
  }

  append(node: GraphNode): NodeList {
    if (this.shared.length > this.size) return this.copy.append(node)
    this.shared.push(node)
    this.numbers.set(node.id, this.size)
    return new NodeList(this.shared, this.numbers, this.size + 1)
  }

  get nodes(): ReadonlyArray<GraphNode> {
    return this.shared.slice(0, this.size)
  }

  private get copy(): NodeList {
    const { nodes } = this
    return new NodeList([...nodes], new Map(nodes.map(({ id }, number) => [id, number])), this.size)
  }
}
