/** Random programs as data: a small grammar, the trees a seed gives, and the smaller trees that a failing one is shrunk to. */

export const simpleKinds = [
  "Say",
  "Fail",
  "Flaky",
  "Reconciled",
  "Limited",
  "Undoable",
  "Irreversible",
  "Sleep",
  "Receive",
  "Verify"
] as const

/** Never the last in a sequence: a branch should end with a step, a signal or a timer. */
export const silentKinds = ["Note", "Yield"] as const

export const composedKinds = [
  "Seq",
  "All",
  "Each",
  "Race",
  "Catch",
  "OrElse",
  "Saga",
  "Compose",
  "Retry",
  "Timeout",
  "AgentRace",
  "Hedge",
  "Supervisor",
  "Router",
  "MapReduce",
  "Fork",
  "Child",
  "ByChance",
  "ByTime"
] as const

export type Kind = (typeof simpleKinds | typeof silentKinds | typeof composedKinds)[number]

export interface Tree {
  readonly kind: Kind
  /** Names the agents of this node. */
  readonly id: number
  /** From 0 to 7: what it means depends on the kind. */
  readonly size: number
  readonly kids: ReadonlyArray<Tree>
}

export type Draw = (bound: number) => number

/** Numbers below a bound, the same for the same seed. Source: mulberry32, Tommy Ettinger, 2017, public domain. */
export const drawing = (seed: number): Draw => {
  let state = Math.imul(seed + 1, 0x9e3779b1)
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * bound)
  }
}

const kidsOf: { readonly [K in Kind]?: readonly [least: number, more: number] } = {
  Seq: [2, 3],
  All: [2, 2],
  Race: [2, 2],
  Catch: [2, 1],
  OrElse: [2, 1],
  AgentRace: [2, 2],
  Router: [2, 2],
  ByChance: [2, 1],
  ByTime: [2, 1]
}

/** The program of a seed. */
export const generate = (draw: Draw): Tree => {
  let ids = 0
  const of = (kind: Kind, kids: (id: number) => ReadonlyArray<Tree>): Tree => {
    const id = ids++
    return { kind, id, size: draw(8), kids: kids(id) }
  }
  const one = <A>(values: ReadonlyArray<A>): A => values[draw(values.length)]!
  const simple = () => of(one(simpleKinds), () => [])
  const silent = () => of(one(silentKinds), () => [])
  const tree = (depth: number): Tree => {
    if (depth === 0 || draw(6) === 0) return simple()
    const kind = one(composedKinds)
    const [least, more] = kidsOf[kind] ?? [1, 1]
    return of(kind, () => {
      const count = least + draw(more)
      const kids = Array.from({ length: count }, () => tree(depth - 1))
      return kind === "Seq" ? kids.flatMap((kid) => (draw(3) === 0 ? [silent(), kid] : [kid])) : kids
    })
  }
  return of("Seq", () => Array.from({ length: 1 + draw(3) }, () => tree(3)))
}

/** Trees with a little less, the smallest first. */
export const smaller = (tree: Tree): ReadonlyArray<Tree> => {
  const [least] = kidsOf[tree.kind] ?? [1, 1]
  const floor = tree.kind === "Seq" ? 1 : least
  const dropped =
    tree.kids.length > floor ? tree.kids.map((kid) => ({ ...tree, kids: tree.kids.filter((one) => one !== kid) })) : []
  const within = tree.kids.flatMap((kid, place) =>
    smaller(kid).map((less) => ({ ...tree, kids: tree.kids.with(place, less) }))
  )
  const plainer: ReadonlyArray<Tree> =
    tree.kind === "Say" || silentKinds.some((kind) => kind === tree.kind) ? [] : [{ ...tree, kind: "Say", kids: [] }]
  return [...plainer, ...tree.kids, ...dropped, ...within, ...(tree.size > 0 ? [{ ...tree, size: 0 }] : [])]
}

export const countOf = (tree: Tree): number => tree.kids.reduce((sum, kid) => sum + countOf(kid), 1)

/** Nodes that are orchestrations of their own. */
export const childrenOf = (tree: Tree): ReadonlyArray<Tree> => [
  ...(tree.kind === "Child" ? [tree] : []),
  ...tree.kids.flatMap(childrenOf)
]

/** The program on one line, as a person reads it. */
export const show = ({ id, kids, kind, size }: Tree): string =>
  `${kind}#${id}/${size}${kids.length === 0 ? "" : `(${kids.map(show).join(", ")})`}`

const failing: ReadonlySet<Kind> = new Set(["Fail", "Limited", "Retry", "Timeout", "AgentRace", "Supervisor"])
const chancy: ReadonlySet<Kind> = new Set([
  "Race",
  "Timeout",
  "Receive",
  "AgentRace",
  "Hedge",
  "ByChance",
  "ByTime",
  "Supervisor"
])
const concurrent: ReadonlySet<Kind> = new Set(["All", "Each", "MapReduce", "Fork"])

const any = (tree: Tree, kinds: ReadonlySet<Kind>): boolean =>
  kinds.has(tree.kind) || tree.kids.some((kid) => any(kid, kinds))

/** Has it one outcome, whatever the timing? Of branches that may fail, the first decides. */
export const isCertain = (tree: Tree): boolean => !any(tree, chancy) && !hasRacingFailure(tree)

const hasRacingFailure = (tree: Tree): boolean =>
  concurrent.has(tree.kind) ? any(tree, failing) : tree.kids.some(hasRacingFailure)
