/**
 * What the live view knows: a tree of nodes, built from events.
 *
 * An event names its node by a path such as `audit/measure/src-core#2`; nodes
 * above that were never named appear by themselves. This module knows nothing
 * of the engine: whoever runs something translates its events into `ViewEvent`s.
 *
 * Invariants (checked by `test/cli/audit/TreeState.test.ts`):
 *
 *   V1. `reduce` never throws and never loses a node, whatever the order of events.
 *   V2. Children stay in the order in which they were first named.
 *   V3. An event that comes twice changes nothing the second time.
 */
import type { ReadonlyRecord } from "effect/Record"

/** `at`: milliseconds since the Unix epoch. */
export type ViewEvent =
  | { readonly _tag: "NodePlanned"; readonly path: string }
  | {
      readonly _tag: "NodeStarted"
      readonly path: string
      readonly at: number
      readonly attempt?: number
      readonly detail?: string
    }
  | { readonly _tag: "NodeProgressed"; readonly path: string; readonly detail: string }
  | {
      readonly _tag: "NodeRetried"
      readonly path: string
      readonly at: number
      readonly attempt: number
      readonly detail: string
    }
  | { readonly _tag: "NodeFinished"; readonly path: string; readonly at: number; readonly detail?: string }
  | { readonly _tag: "NodeFailed"; readonly path: string; readonly at: number; readonly detail: string }
  | { readonly _tag: "NodeSkipped"; readonly path: string; readonly at: number; readonly detail?: string }
  | { readonly _tag: "NodeUndone"; readonly path: string; readonly at: number; readonly detail?: string }
  | { readonly _tag: "Note"; readonly text: string }

export type NodeState = "waiting" | "running" | "retrying" | "done" | "failed" | "skipped" | "undone"

export interface TreeNode {
  readonly name: string
  readonly path: string
  /** What events said of this node itself; `stateOf` also looks at its children. */
  readonly state: NodeState
  readonly started: number | undefined
  readonly ended: number | undefined
  readonly detail: string
  /** 1-based. */
  readonly attempt: number
  readonly children: ReadonlyArray<TreeNode>
}

export interface TreeState {
  readonly nodes: ReadonlyArray<TreeNode>
  /** Oldest first. */
  readonly notes: ReadonlyArray<string>
}

export const empty: TreeState = { nodes: [], notes: [] }

/** The tree after an event. */
export const reduce = (state: TreeState, event: ViewEvent): TreeState => {
  if (event._tag === "Note") return { ...state, notes: [...state.notes, event.text] }
  const names = event.path.split("/").filter((name) => name !== "")
  if (names.length === 0) return state
  return { ...state, nodes: updateAt(state.nodes, { names, depth: 0 }, (node) => changed(node, event)) }
}

/** The state to show: of a node that no event started, what its children are doing together. */
export const stateOf = (node: TreeNode): NodeState => {
  if (node.state !== "waiting" || node.children.length === 0) return node.state
  const states = node.children.map(stateOf)
  const has = (state: NodeState) => states.includes(state)
  if (has("running") || has("retrying")) return "running"
  if (has("waiting")) return states.some((state) => state !== "waiting") ? "running" : "waiting"
  if (has("failed")) return "failed"
  if (has("done")) return "done"
  return has("undone") ? "undone" : "skipped"
}

/** When a node, or the first of its children, started. */
export const startedAt = (node: TreeNode): number | undefined =>
  node.started ?? earliest(node.children.flatMap((child) => startedAt(child) ?? []))

/** When a node, or the last of its children, ended; `undefined` while it goes on. */
export const endedAt = (node: TreeNode): number | undefined => {
  if (!isEnded(stateOf(node))) return undefined
  return node.ended ?? latest(node.children.flatMap((child) => endedAt(child) ?? []))
}

export const isEnded = (state: NodeState): boolean => !active[state]

/** Nodes without children: the work itself. */
export const leaves = (nodes: ReadonlyArray<TreeNode>): ReadonlyArray<TreeNode> =>
  nodes.flatMap((node) => (node.children.length === 0 ? [node] : leaves(node.children)))

/** The node of a path, if it was ever named. */
export const find = (state: TreeState, path: string): TreeNode | undefined => {
  const names = path.split("/").filter((name) => name !== "")
  let node: TreeNode | undefined
  let among = state.nodes
  for (const name of names) {
    node = among.find((each) => each.name === name)
    if (node === undefined) return undefined
    among = node.children
  }
  return node
}

const active: ReadonlyRecord<NodeState, boolean> = {
  waiting: true,
  running: true,
  retrying: true,
  done: false,
  failed: false,
  skipped: false,
  undone: false
}

const earliest = (times: ReadonlyArray<number>): number | undefined =>
  times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b))

const latest = (times: ReadonlyArray<number>): number | undefined =>
  times.length === 0 ? undefined : times.reduce((a, b) => Math.max(a, b))

/** `names` from `depth` on lead to the node; those before lead to `nodes`. */
const updateAt = (
  nodes: ReadonlyArray<TreeNode>,
  { depth, names }: { readonly names: ReadonlyArray<string>; readonly depth: number },
  change: (node: TreeNode) => TreeNode
): ReadonlyArray<TreeNode> => {
  const name = names[depth] ?? ""
  const index = nodes.findIndex((node) => node.name === name)
  const before = nodes[index] ?? created(name, names.slice(0, depth + 1).join("/"))
  const changing =
    depth === names.length - 1
      ? change(before)
      : { ...before, children: updateAt(before.children, { names, depth: depth + 1 }, change) }
  const after = unlessSame(before, changing)
  if (after === nodes[index]) return nodes
  return index < 0 ? [...nodes, after] : nodes.with(index, after)
}

/** The node before, if nothing changed: then every node above is the same too (V3). */
const unlessSame = (before: TreeNode, after: TreeNode): TreeNode =>
  nodeKeys.every((key) => before[key] === after[key]) ? before : after

const nodeKeys: ReadonlyArray<keyof TreeNode> = ["state", "started", "ended", "detail", "attempt", "children"]

const created = (name: string, path: string): TreeNode => ({
  name,
  path,
  state: "waiting",
  started: undefined,
  ended: undefined,
  detail: "",
  attempt: 1,
  children: []
})

const changed = (node: TreeNode, event: NodeEvent): TreeNode => {
  switch (event._tag) {
    case "NodePlanned":
      return node
    case "NodeProgressed":
      return { ...node, detail: event.detail }
    case "NodeStarted":
    case "NodeRetried":
      return {
        ...node,
        state: event._tag === "NodeStarted" ? "running" : "retrying",
        started: node.started ?? event.at,
        ended: undefined,
        detail: event.detail ?? "",
        attempt: event.attempt ?? node.attempt
      }
    default:
      // What a node was last busy with says nothing once it has ended.
      return { ...node, state: endings[event._tag], ended: event.at, detail: event.detail ?? "" }
  }
}

type NodeEvent = Exclude<ViewEvent, { readonly _tag: "Note" }>

const endings = {
  NodeFinished: "done",
  NodeFailed: "failed",
  NodeSkipped: "skipped",
  NodeUndone: "undone"
} as const
