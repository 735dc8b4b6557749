/**
 * Finds import cycles and imports that lead nowhere, over the whole repository.
 *
 * Invariants (checked by `test/cli/audit/Cycles.test.ts`):
 *
 *   Y1. No cycle is reported in a graph that has none; one is reported for each
 *       group of files that all reach each other.
 *   Y2. A reported cycle is real: each file imports the next, the last the first.
 *   Y3. A cycle through a type-only or deferred import is `Harmless`: nothing
 *       goes round when the modules load.
 */
import * as Effect from "effect/Effect"
import * as Graph from "effect/Graph"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { compareText, Finding } from "./Finding.ts"
import { ImportEdge } from "./Imports.ts"
import * as Resolve from "./Resolve.ts"
import { Workspace } from "./Workspace.ts"

export const CyclesInput = Schema.Struct({
  root: Schema.String,
  /** Every file of the repository. */
  files: Schema.Array(Schema.String),
  edges: Schema.Array(ImportEdge)
})
export type CyclesInput = typeof CyclesInput.Type

export const ImportCycle = Schema.Struct({
  /** A way round: each imports the next, the last the first. */
  files: Schema.Array(Schema.String),
  /** How many files reach each other around it. */
  size: Schema.Natural,
  effect: Schema.Literals(["AtLoad", "Harmless"])
})
export type ImportCycle = typeof ImportCycle.Type

export const ImportGraph = Schema.Struct({
  /** Files that import or are imported. */
  files: Schema.Natural,
  /** Different pairs of importing and imported file. */
  edges: Schema.Natural,
  cycles: Schema.Array(ImportCycle),
  broken: Schema.Natural,
  /** The files that most others import, at most five. */
  mostImported: Schema.Array(Schema.Struct({ file: Schema.String, importers: Schema.Natural })),
  findings: Schema.Array(Finding)
})
export type ImportGraph = typeof ImportGraph.Type

interface Link extends ImportEdge {
  readonly to: string
}

/** Resolves all edges and looks for cycles. */
export const cycles = Effect.fnUntraced(function* (
  input: CyclesInput
): Effect.fn.Return<ImportGraph, never, Workspace> {
  const files = new Set(input.files)
  const links: Array<Link> = []
  const unresolved: Array<ImportEdge> = []
  for (const edge of input.edges) {
    const to = Resolve.target(edge, files)
    if (to !== undefined) links.push({ ...edge, to })
    else unresolved.push(edge)
  }
  const broken = yield* brokenImports(input.root, unresolved)
  const found = findCycles(links)
  return {
    files: new Set(links.flatMap((link) => [link.from, link.to])).size,
    edges: new Set(links.map((link) => `${link.from}\n${link.to}`)).size,
    cycles: found,
    broken: broken.length,
    mostImported: mostImported(links),
    findings: [...found.map((cycle) => describe(cycle, links)), ...broken]
  }
})

/** Cycles of resolved links: first those at load, then those that exist only on paper. */
export const findCycles = (
  links: ReadonlyArray<{ readonly from: string; readonly to: string; readonly load: ImportEdge["load"] }>
): ReadonlyArray<ImportCycle> => {
  const atLoad = cyclesOf(
    links.filter((link) => link.load === "Static"),
    "AtLoad"
  )
  const known = atLoad.map((cycle) => cycle.members)
  const any = cyclesOf(links, "Harmless")
  // A larger component around a cycle at load says nothing new.
  const harmless = any.filter((cycle) => !known.some((members) => [...members].some((file) => cycle.members.has(file))))
  return [...atLoad, ...harmless].map((cycle) => cycle.cycle)
}

interface Component {
  readonly cycle: ImportCycle
  readonly members: ReadonlySet<string>
}

const cyclesOf = (
  links: ReadonlyArray<{ readonly from: string; readonly to: string }>,
  effect: ImportCycle["effect"]
): ReadonlyArray<Component> => {
  const names = [...new Set(links.flatMap((link) => [link.from, link.to]))].toSorted(compareText)
  const successors = new Map<string, Set<string>>()
  for (const { from, to } of links) successors.set(from, (successors.get(from) ?? new Set()).add(to))
  const graph = Graph.directed<string, null>((mutable) => {
    const index = new Map(names.map((file) => [file, Graph.addNode(mutable, file)]))
    for (const [from, all] of successors) {
      for (const to of all) Graph.addEdge(mutable, index.get(from) ?? 0, index.get(to) ?? 0, null)
    }
  })
  return Graph.stronglyConnectedComponents(graph)
    .map((component) => component.flatMap((node) => Option.toArray(Graph.getNode(graph, node))).toSorted(compareText))
    .filter((files) => files.length > 1 || files.some((file) => successors.get(file)?.has(file)))
    .toSorted((a, b) => b.length - a.length || compareText(a[0] ?? "", b[0] ?? ""))
    .map((files) => ({
      cycle: { files: shortestRound(files, successors), size: files.length, effect },
      members: new Set(files)
    }))
}

/** The shortest way from the first file back to itself: breadth first, in a stable order. */
const shortestRound = (
  component: ReadonlyArray<string>,
  successors: ReadonlyMap<string, ReadonlySet<string>>
): ReadonlyArray<string> => {
  const first = component[0] ?? ""
  const inside = new Set(component)
  const cameFrom = new Map<string, string>()
  const queue = [first]
  for (const file of queue) {
    for (const next of [...(successors.get(file) ?? [])].toSorted(compareText)) {
      if (next === first) return trace(file, cameFrom)
      if (!inside.has(next) || cameFrom.has(next)) continue
      cameFrom.set(next, file)
      queue.push(next)
    }
  }
  return component
}

const trace = (last: string, cameFrom: ReadonlyMap<string, string>): ReadonlyArray<string> => {
  const files: Array<string> = []
  for (let file: string | undefined = last; file !== undefined; file = cameFrom.get(file)) files.push(file)
  return files.toReversed()
}

const describe = (cycle: ImportCycle, links: ReadonlyArray<Link>): Finding => {
  const [first = "", second = first] = cycle.files
  const line = links.find((link) => link.from === first && link.to === second)?.line
  const round = [...cycle.files, first].map((file) => file.slice(file.lastIndexOf("/") + 1)).join(" → ")
  const others = cycle.size > cycle.files.length ? ` (${cycle.size} files reach each other)` : ""
  return {
    area: "imports",
    severity: cycle.effect === "AtLoad" ? "warning" : "info",
    rule: cycle.effect === "AtLoad" ? "import-cycle" : "type-cycle",
    message: `${round}${others}`,
    file: first,
    ...(line === undefined ? {} : { line })
  }
}

const mostImported = (links: ReadonlyArray<Link>): ImportGraph["mostImported"] => {
  const importers = new Map<string, Set<string>>()
  for (const { from, to } of links) importers.set(to, (importers.get(to) ?? new Set()).add(from))
  return [...importers]
    .map(([file, from]) => ({ file, importers: from.size }))
    .toSorted((a, b) => b.importers - a.importers || compareText(a.file, b.file))
    .slice(0, 5)
}

/** A file that is ignored, or lies outside the root, is no file of the audit, and yet it may be there. */
const brokenImports = Effect.fnUntraced(function* (
  root: string,
  edges: ReadonlyArray<ImportEdge>
): Effect.fn.Return<ReadonlyArray<Finding>, never, Workspace> {
  const doubtful = edges.filter((edge) => !Resolve.isPython(edge) && !Resolve.named(edge).startsWith(".."))
  const missing = yield* Effect.filter(doubtful, (edge) => Effect.map(isOnDisk(root, edge), (there) => !there), {
    concurrency: 16
  })
  return missing.map((edge) => ({
    area: "imports",
    severity: "error",
    rule: "broken-import",
    message: `imports ${edge.specifier}, which does not exist`,
    file: edge.from,
    line: edge.line
  }))
})

/** Generated folders count as there: they are made by a build, not kept. */
const isOnDisk = Effect.fnUntraced(function* (
  root: string,
  edge: ImportEdge
): Effect.fn.Return<boolean, never, Workspace> {
  if (/(^|\/)(dist|build|generated|node_modules)\//.test(Resolve.named(edge))) return true
  const workspace = yield* Workspace
  for (const candidate of Resolve.candidates(edge)) {
    const found = yield* Effect.result(workspace.inspect(`${root}/${candidate}`))
    if (Result.isFailure(found) || found.success.kind !== "Missing") return true
  }
  return false
})
