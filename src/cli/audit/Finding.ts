/**
 * What an analysis has to say about one place in a repository.
 */
import * as Schema from "effect/Schema"

export const Area = Schema.Literals(["sources", "size", "imports", "links", "lockfile", "history"])
export type Area = typeof Area.Type

/** `error`: something is broken. `warning`: it will hurt. `info`: worth knowing. */
export const Severity = Schema.Literals(["error", "warning", "info"])
export type Severity = typeof Severity.Type

export const Finding = Schema.Struct({
  area: Area,
  severity: Severity,
  /** Name of the rule, such as `dead-link`. */
  rule: Schema.String,
  message: Schema.String,
  /** Relative to the root, with `/`. */
  file: Schema.optionalKey(Schema.String),
  /** 1-based. */
  line: Schema.optionalKey(Schema.Int)
})
export type Finding = typeof Finding.Type

const severities: ReadonlyArray<Severity> = ["error", "warning", "info"]
const areas: ReadonlyArray<Area> = Area.literals

/** Worst first; then by area, file, line and message, so that the order never depends on chance. */
export const compareFindings = (a: Finding, b: Finding): number =>
  severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
  areas.indexOf(a.area) - areas.indexOf(b.area) ||
  compareText(a.file ?? "", b.file ?? "") ||
  (a.line ?? 0) - (b.line ?? 0) ||
  compareText(a.message, b.message)

/** By code unit: the same on every machine, whatever its locale. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const unreadableFile = "unreadable-file"

/** The files and folders that could not be read, each once. */
export const unreadIn = (findings: ReadonlyArray<Finding>): ReadonlyArray<string> => {
  const files = findings.flatMap(({ file, rule }) => (rule === unreadableFile && file !== undefined ? [file] : []))
  return [...new Set(files)].toSorted(compareText)
}

/** The finding of every analysis about a file that it could not read. */
export const unreadable = (area: Area, file: string, code: string): Finding => ({
  area,
  severity: "warning",
  rule: unreadableFile,
  message: `could not be read (${code})`,
  file
})
