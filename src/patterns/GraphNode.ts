/** One node of a task graph as it is kept at run time. Its types are guarded by `TaskGraph.add` and forgotten here. */
import type * as Agent from "../core/Agent.ts"
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
