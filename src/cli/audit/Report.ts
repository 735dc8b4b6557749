/**
 * Writes the report of an audit in Markdown.
 *
 * Pure and stable: the same results give the same text, byte for byte. There is
 * no clock in it; a date appears only if the caller passes one in `footer`.
 * Names from the repository are escaped: a commit subject cannot add a picture.
 */
import * as Schema from "effect/Schema"
import { type Area, compareText, type Finding, type Severity } from "./Finding.ts"
import { longestOf, totalsOf } from "./Measure.ts"
import { AuditResults, count, findings, type Scores, scores } from "./Score.ts"

export const ReportInput = Schema.Struct({
  results: AuditResults,
  /** The graph of the audit itself, in Mermaid. Empty: no picture. */
  picture: Schema.String,
  /** From the report to the root, such as `../`: places become links. Left out: they are plain text. */
  linkBase: Schema.optionalKey(Schema.String),
  /** Last line, such as the run and its date. */
  footer: Schema.optionalKey(Schema.String)
})
export type ReportInput = typeof ReportInput.Type

/** At most so many findings of each severity are printed; the rest is counted. */
const mostFindings = 40

/** The whole report. */
export const report = (input: ReportInput): string => {
  const { results } = input
  const page: Page = { place: placeIn(input.linkBase) }
  const all = findings(results)
  const sections = [
    heading(results, scores(results), all),
    picture(input.picture),
    findingSection(page, all),
    hotSpots(page, results),
    longFunctions(page, results),
    mostImported(page, results),
    languages(results),
    history(results),
    duplicates(results),
    input.footer === undefined ? "" : `---\n\n<sub>${escape(input.footer)}</sub>`
  ]
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`
}

/** `A` from 90, `B` from 75, `C` from 60, `D` from 40, else `E`. */
export const grade = (score: number): string =>
  score >= 90 ? "A" : score >= 75 ? "B" : score >= 60 ? "C" : score >= 40 ? "D" : "E"

interface Page {
  readonly place: (file: string, line?: number) => string
}

const titles: { readonly [area in Area]: string } = {
  sources: "Sources",
  size: "Size and structure",
  imports: "Imports",
  links: "Links",
  lockfile: "Lock file",
  history: "History"
}

const marks: { readonly [severity in Severity]: string } = { error: "🔴", warning: "🟠", info: "🔵" }

const heading = (results: AuditResults, { areas, overall }: Scores, all: ReadonlyArray<Finding>): string => {
  const amount = (severity: Severity) => all.filter((finding) => finding.severity === severity).length
  const verdict = overall === undefined ? "Nothing to judge" : `Grade ${grade(overall)} · ${overall} of 100`
  const found = [
    `${marks.error} ${count(amount("error"), "error")}`,
    `${marks.warning} ${count(amount("warning"), "warning")}`,
    `${marks.info} ${count(amount("info"), "note")}`
  ]
  const rows = areas.map((each) => {
    const own = all.filter((finding) => finding.area === each.area)
    return [
      `**${titles[each.area]}**`,
      each.score === undefined ? "–" : String(each.score),
      each.score === undefined ? "" : bar(each.score),
      escape(each.basis),
      own.length === 0 ? "" : tally(own)
    ]
  })
  return [
    `# Audit of ${escape(results.name)}`,
    `**${verdict}** — ${found.join(" · ")}`,
    table(["Area", "Score", "", "Looked at", "Found"], rows, "lrlll")
  ].join("\n\n")
}

const bar = (score: number): string => {
  const full = Math.floor(score / 10)
  return "▰".repeat(full) + "▱".repeat(10 - full)
}

const tally = (own: ReadonlyArray<Finding>): string =>
  (["error", "warning", "info"] as const)
    .flatMap((severity) => {
      const amount = own.filter((finding) => finding.severity === severity).length
      return amount === 0 ? [] : [`${marks[severity]} ${amount}`]
    })
    .join(" ")

const picture = (mermaid: string): string => {
  if (mermaid.trim() === "") return ""
  const longest = Math.max(2, ...[...mermaid.matchAll(/`+/g)].map((run) => run[0].length))
  const fence = "`".repeat(longest + 1)
  return `## How it was done\n\n${fence}mermaid\n${mermaid.trim()}\n${fence}`
}

const findingSection = (page: Page, all: ReadonlyArray<Finding>): string => {
  if (all.length === 0) return "## Findings\n\nNone. Every check passed."
  const blocks = (["error", "warning", "info"] as const).flatMap((severity) => {
    const own = all.filter((finding) => finding.severity === severity)
    if (own.length === 0) return []
    const title = { error: "Errors", warning: "Warnings", info: "Notes" }[severity]
    const lines = own.slice(0, mostFindings).map((finding) => bullet(page, finding))
    const rest = own.length - lines.length
    if (rest > 0) lines.push(`- … and ${rest} more`)
    return [`### ${marks[severity]} ${title} (${own.length})\n\n${lines.join("\n")}`]
  })
  return ["## Findings", ...blocks].join("\n\n")
}

const bullet = (page: Page, finding: Finding): string => {
  const where = finding.file === undefined ? "" : `${page.place(finding.file, finding.line)} — `
  return `- ${where}${escape(finding.message)} · _${finding.rule}_`
}

/** Files that are both large and often changed: where a clean-up pays first. */
const hotSpots = (page: Page, { history, measurements }: AuditResults): string => {
  if (history._tag === "NoHistory") return ""
  const code = new Map(measurements.flatMap((each) => each.files).map((file) => [file.path, file.code]))
  const rows = history.hotFiles
    .map((file) => ({ ...file, code: code.get(file.path) ?? 0 }))
    .filter((file) => file.code > 0 && file.changes > 1)
    .map((file) => ({ ...file, heat: file.changes * file.code }))
    .toSorted((a, b) => b.heat - a.heat || compareText(a.path, b.path))
  if (rows.length === 0) return ""
  const hottest = rows[0]?.heat ?? 1
  return section(
    "Hot spots",
    "Large and often changed: where a clean-up pays first.",
    table(
      ["File", "Changes", "Code lines", "Heat"],
      rows.map((row) => [
        page.place(row.path),
        String(row.changes),
        String(row.code),
        "▰".repeat(Math.max(1, Math.round((10 * row.heat) / hottest)))
      ]),
      "lrrl"
    )
  )
}

const longFunctions = (page: Page, { measurements }: AuditResults): string => {
  const longest = longestOf(measurements.flatMap((each) => each.longest)).slice(0, 5)
  if (longest.length === 0) return ""
  const rows = longest.map((each) => [code(each.name), page.place(each.file, each.line), String(each.lines)])
  return section("Longest functions", "", table(["Function", "Where", "Lines"], rows, "llr"))
}

const mostImported = (page: Page, { imports }: AuditResults): string => {
  if (imports.mostImported.length === 0) return ""
  const rows = imports.mostImported.map((each) => [page.place(each.file), String(each.importers)])
  return section("Most imported", "What the rest stands on.", table(["File", "Importers"], rows, "lr"))
}

const languages = ({ measurements }: AuditResults): string => {
  const totals = totalsOf(measurements.flatMap((each) => each.files))
  if (totals.length === 0) return ""
  const rows = totals.map((each) => [
    each.language,
    ...[each.files, each.lines, each.code, each.comment, each.blank].map(String)
  ])
  return section("Languages", "", table(["Language", "Files", "Lines", "Code", "Comments", "Blank"], rows, "lrrrrr"))
}

const history = ({ history: told }: AuditResults): string => {
  if (told._tag === "NoHistory") return section("History", `None: ${escape(told.reason)}.`, "")
  const { date, hash, subject } = told.lastCommit
  const depth = told.depth === "Shallow" ? " (a shallow clone: there were more)" : ""
  return section(
    "History",
    `${count(told.commits, "commit")}${depth} by ${count(told.authors, "author")} over ` +
      `${count(told.ageInDays, "day")}, from ${told.firstCommit.slice(0, 10)} to ${date.slice(0, 10)}. ` +
      `The last one is ${code(hash)}: ${escape(subject)}`,
    ""
  )
}

const duplicates = ({ lockfile }: AuditResults): string => {
  if (lockfile._tag === "NotChecked" || lockfile.duplicates.length === 0) return ""
  const rows = lockfile.duplicates.map((each) => [code(each.name), each.versions.map(escape).join(", ")])
  return section("Packages in several versions", "", table(["Package", "Versions"], rows, "ll"))
}

const section = (title: string, text: string, body: string): string =>
  [`## ${title}`, text, body].filter((part) => part !== "").join("\n\n")

/** `align` holds one letter a column: `l` or `r`. */
const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>, align: string): string => {
  const line = (cells: ReadonlyArray<string>) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`
  const rule = [...align].map((side) => (side === "r" ? "---:" : "---"))
  return [line(head), line(rule), ...rows.map(line)].join("\n")
}

const placeIn =
  (linkBase: string | undefined): Page["place"] =>
  (file, line) => {
    const text = code(line === undefined ? file : `${file}:${line}`)
    if (linkBase === undefined) return text
    const url = linkBase + file.split("/").map(encodeURIComponent).join("/").replace(/[()]/g, escapePercent)
    return `[${text}](${url}${line === undefined ? "" : `#L${line}`})`
  }

const escapePercent = (character: string): string => `%${character.charCodeAt(0).toString(16)}`

/** Inline code whatever it holds: more backticks around than inside. */
const code = (text: string): string => {
  const plain = oneLine(text)
  const longest = Math.max(0, ...[...plain.matchAll(/`+/g)].map((run) => run[0].length))
  const fence = "`".repeat(longest + 1)
  return longest === 0 ? `${fence}${plain}${fence}` : `${fence} ${plain} ${fence}`
}

const escape = (text: string): string => oneLine(text).replace(/[\\`*_[\]<>]/g, "\\$&")

const oneLine = (text: string): string => text.replace(/\p{Cc}+/gu, " ")
