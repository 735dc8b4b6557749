/**
 * Turns what the analyses found into a score for each area, from 0 to 100.
 *
 * A score is rounded down, so 100 means: nothing to find. An area that has
 * nothing to judge (no Markdown, no lock file to expect) has no score, and does
 * not count. History is told, not judged.
 */
import * as Schema from "effect/Schema"
import { SourceTree } from "./Collect.ts"
import { ImportGraph } from "./Cycles.ts"
import { type Area, compareFindings, type Finding } from "./Finding.ts"
import { HistoryResult } from "./History.ts"
import { LinkCheck } from "./Links.ts"
import { LockfileResult } from "./Lockfile.ts"
import { longFile, Measurement } from "./Measure.ts"

/** Everything that the agents of an audit have found out. */
export const AuditResults = Schema.Struct({
  /** Name of the repository, for the title. */
  name: Schema.String,
  tree: SourceTree,
  measurements: Schema.Array(Measurement),
  imports: ImportGraph,
  links: Schema.Array(LinkCheck),
  lockfile: LockfileResult,
  history: HistoryResult
})
export type AuditResults = typeof AuditResults.Type

export interface AreaScore {
  readonly area: Area
  /** `undefined`: nothing to judge. */
  readonly score: number | undefined
  /** What was looked at, in a few words. */
  readonly basis: string
}

export interface Scores {
  readonly areas: ReadonlyArray<AreaScore>
  /** Mean of the areas that have a score; `undefined` if none has. */
  readonly overall: number | undefined
}

/** Scores every area, in the order of the report. */
export const scores = (results: AuditResults): Scores => {
  const areas = [
    sources(results.tree),
    size(results.measurements),
    imports(results.imports),
    links(results.links),
    lockfile(results.lockfile),
    history(results.history)
  ]
  const judged = areas.flatMap((area) => area.score ?? [])
  const overall =
    judged.length === 0 ? undefined : Math.floor(judged.reduce((sum, score) => sum + score, 0) / judged.length)
  return { areas, overall }
}

/** All findings of all areas, worst first. */
export const findings = (results: AuditResults): ReadonlyArray<Finding> =>
  [
    ...results.tree.findings,
    ...results.measurements.flatMap((each) => each.findings),
    ...results.imports.findings,
    ...results.links.flatMap((each) => each.findings),
    ...results.lockfile.findings
  ].toSorted(compareFindings)

/** `1 file`, `2 files`, `12 345 files`. */
export const count = (amount: number, noun: string): string =>
  `${String(amount).replace(/\B(?=(\d{3})+$)/g, " ")} ${amount === 1 ? noun : `${noun}s`}`

const percent = (part: number, whole: number): number => (whole === 0 ? 100 : Math.floor((100 * part) / whole))

const sources = (tree: SourceTree): AreaScore => {
  const unreadable = tree.findings.length
  return {
    area: "sources",
    score: tree.fileCount + unreadable === 0 ? undefined : percent(tree.fileCount, tree.fileCount + unreadable),
    basis: `${count(tree.fileCount, "file")}${unreadable === 0 ? "" : `, ${unreadable} unreadable`}`
  }
}

/** Half for the share of code in files within the limit, half for the share of functions within theirs. */
const size = (measurements: ReadonlyArray<Measurement>): AreaScore => {
  const files = measurements.flatMap((each) => each.files).filter((file) => file.kind === "source")
  const sum = (pick: (file: (typeof files)[number]) => number) => files.reduce((total, file) => total + pick(file), 0)
  const code = sum((file) => file.code)
  const functions = sum((file) => file.functions)
  const short = percent(
    sum((file) => (file.code > longFile ? 0 : file.code)),
    code
  )
  const brief = percent(functions - sum((file) => file.longFunctions), functions)
  return {
    area: "size",
    score: code === 0 ? undefined : Math.floor((short + brief) / 2),
    basis: `${count(code, "code line")}, ${count(functions, "function")}`
  }
}

/** The share of files outside cycles at load, less five for each import that leads nowhere. */
const imports = (graph: ImportGraph): AreaScore => {
  const atLoad = graph.cycles.filter((cycle) => cycle.effect === "AtLoad")
  const inCycles = atLoad.reduce((sum, cycle) => sum + cycle.size, 0)
  return {
    area: "imports",
    score:
      graph.files + graph.broken === 0
        ? undefined
        : Math.max(0, percent(graph.files - inCycles, graph.files) - 5 * graph.broken),
    basis: `${count(graph.edges, "import")}, ${count(atLoad.length, "cycle")}`
  }
}

const links = (checks: ReadonlyArray<LinkCheck>): AreaScore => {
  const sum = (pick: (check: LinkCheck) => number) => checks.reduce((total, check) => total + pick(check), 0)
  const checked = sum((check) => check.checked)
  const external = sum((check) => check.external)
  return {
    area: "links",
    score: checked === 0 ? undefined : percent(checked - sum((check) => check.dead), checked),
    basis: `${count(checked, "link")}${external === 0 ? "" : `, ${external} to the web not followed`}`
  }
}

/** Ten less for each error, two less for each warning. */
const lockfile = (result: LockfileResult): AreaScore => {
  const errors = result.findings.filter((finding) => finding.severity === "error").length
  const warnings = result.findings.filter((finding) => finding.severity === "warning").length
  if (result._tag === "NotChecked") {
    const score = errors > 0 ? 0 : warnings > 0 ? 50 : undefined
    return { area: "lockfile", score, basis: result.reason }
  }
  return {
    area: "lockfile",
    score: Math.max(0, 100 - 10 * errors - 2 * warnings),
    basis: `${count(result.packages, "package")}, ${count(result.checked, "range")} checked`
  }
}

const history = (result: HistoryResult): AreaScore => ({
  area: "history",
  score: undefined,
  basis:
    result._tag === "NoHistory"
      ? result.reason
      : `${count(result.commits, "commit")} by ${count(result.authors, "author")}`
})
