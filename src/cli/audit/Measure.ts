/**
 * Counts what a group of files is made of: code, comments, functions, to-dos.
 *
 * A line with any code is a code line; a line with only comments is a comment
 * line; the rest is blank. Markdown and data have lines, but no code.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { compareText, Finding } from "./Finding.ts"
import { type FunctionSpan, functionsOf } from "./Functions.ts"
import { FileKind, isText, languageOf } from "./Language.ts"
import { type GroupInput, type ReadFile, readFiles } from "./Reading.ts"
import { lineIndex, scan, type SourceText } from "./SourceText.ts"
import type { Workspace } from "./Workspace.ts"

/** Code lines above which a source file is called long. */
export const longFile = 300
/** Lines above which a function is called long. */
export const longFunction = 60

const counts = {
  lines: Schema.Natural,
  code: Schema.Natural,
  comment: Schema.Natural,
  blank: Schema.Natural
}

export const FunctionMeasure = Schema.Struct({
  name: Schema.String,
  file: Schema.String,
  line: Schema.Int,
  lines: Schema.Natural
})
export type FunctionMeasure = typeof FunctionMeasure.Type

export const FileMeasure = Schema.Struct({
  path: Schema.String,
  language: Schema.String,
  kind: FileKind,
  ...counts,
  todos: Schema.Natural,
  functions: Schema.Natural,
  longFunctions: Schema.Natural
})
export type FileMeasure = typeof FileMeasure.Type

export const LanguageTotal = Schema.Struct({ language: Schema.String, files: Schema.Natural, ...counts })
export type LanguageTotal = typeof LanguageTotal.Type

export const Measurement = Schema.Struct({
  group: Schema.String,
  files: Schema.Array(FileMeasure),
  totals: Schema.Array(LanguageTotal),
  /** The longest functions outside tests, longest first, at most ten. */
  longest: Schema.Array(FunctionMeasure),
  findings: Schema.Array(Finding)
})
export type Measurement = typeof Measurement.Type

/** Measures every text file of a group. */
export const measure = Effect.fnUntraced(function* (
  input: GroupInput
): Effect.fn.Return<Measurement, never, Workspace> {
  const read = yield* readFiles(input, { area: "size", wanted: (file) => isText(file.path) })
  const measured: Array<Measured> = []
  for (const file of read.files) {
    measured.push(measureFile(file))
    // Scanning is pure work: let other agents and the live view have their turn.
    yield* Effect.yieldNow
  }
  const files = measured.map((each) => each.measure)
  return {
    group: input.group.id,
    files,
    totals: totalsOf(files),
    longest: longestOf(measured.flatMap((each) => (each.measure.kind === "test" ? [] : each.functions))),
    findings: [...read.findings, ...measured.flatMap((each) => each.findings)]
  }
})

/** Lines of each language, most code first. */
export const totalsOf = (files: ReadonlyArray<FileMeasure>): ReadonlyArray<LanguageTotal> => {
  const totals = new Map<string, LanguageTotal>()
  for (const file of files) {
    const sum = totals.get(file.language) ?? {
      language: file.language,
      files: 0,
      lines: 0,
      code: 0,
      comment: 0,
      blank: 0
    }
    totals.set(file.language, {
      language: file.language,
      files: sum.files + 1,
      lines: sum.lines + file.lines,
      code: sum.code + file.code,
      comment: sum.comment + file.comment,
      blank: sum.blank + file.blank
    })
  }
  return [...totals.values()].toSorted(
    (a, b) => b.code - a.code || b.lines - a.lines || compareText(a.language, b.language)
  )
}

/** The ten longest, in a stable order. */
export const longestOf = (functions: ReadonlyArray<FunctionMeasure>): ReadonlyArray<FunctionMeasure> =>
  functions.toSorted((a, b) => b.lines - a.lines || compareText(a.file, b.file) || a.line - b.line).slice(0, 10)

interface Measured {
  readonly measure: FileMeasure
  readonly functions: ReadonlyArray<FunctionMeasure>
  readonly findings: ReadonlyArray<Finding>
}

const withFunctions = new Set([
  "TypeScript",
  "JavaScript",
  "Go",
  "Rust",
  "Java",
  "Kotlin",
  "Swift",
  "C",
  "C++",
  "C#",
  "PHP"
])

const measureFile = ({ file, text }: ReadFile): Measured => {
  const { syntax } = languageOf(file.path)
  const { kind, language, path } = file
  if (syntax === undefined) {
    const lines = splitLines(text)
    const blank = lines.filter((line) => line.trim() === "").length
    const plain = { lines: lines.length, code: 0, comment: 0, blank, todos: 0, functions: 0, longFunctions: 0 }
    return { measure: { path, language, kind, ...plain }, functions: [], findings: [] }
  }
  const source = scan(text, syntax)
  const spans =
    language === "Python"
      ? functionsOf(source, "Python")
      : withFunctions.has(language)
        ? functionsOf(source, "Braces")
        : []
  const todos = todosOf(source.comments, text)
  const lines = countLines(text, source)
  const long = spans.filter((span) => span.lines > longFunction)
  const measured: FileMeasure = {
    path,
    language,
    kind,
    ...lines,
    todos: todos.length,
    functions: spans.length,
    longFunctions: long.length
  }
  return {
    measure: measured,
    functions: spans.map((span) => ({ ...span, file: path })),
    findings: findingsOf(measured, long, todos)
  }
}

/** Tests and configuration may be long. */
const findingsOf = (
  file: FileMeasure,
  long: ReadonlyArray<FunctionSpan>,
  todos: ReadonlyArray<{ readonly line: number; readonly text: string }>
): ReadonlyArray<Finding> => {
  const about = (rule: string, message: string, line?: number): Finding => ({
    area: "size",
    severity: rule === "todo" ? "info" : "warning",
    rule,
    message,
    file: file.path,
    ...(line === undefined ? {} : { line })
  })
  const notes = todos.map((todo) => about("todo", todo.text, todo.line))
  if (file.kind !== "source") return notes
  const tooLong = file.code > longFile ? [about("long-file", `${file.code} code lines (limit ${longFile})`)] : []
  return [
    ...tooLong,
    ...long.map((span) =>
      about("long-function", `${span.name} spans ${span.lines} lines (limit ${longFunction})`, span.line)
    ),
    ...notes
  ]
}

/** A line break at the end ends the last line; it does not begin another. */
const splitLines = (text: string): ReadonlyArray<string> => {
  const lines = text.split("\n")
  if (lines.at(-1) === "") lines.pop()
  return lines
}

const countLines = (text: string, source: SourceText) => {
  const originals = splitLines(text)
  const masked = source.mask.split("\n")
  const commented = commentedLines(source)
  let comment = 0
  let blank = 0
  for (const [index, original] of originals.entries()) {
    if (original.trim() === "") blank++
    // The inside of a string over many lines is as blank in the mask as a comment, and yet it is code.
    else if ((masked[index] ?? "").trim() === "" && commented.has(index + 1)) comment++
  }
  return { lines: originals.length, code: originals.length - comment - blank, comment, blank }
}

const commentedLines = (source: SourceText): ReadonlySet<number> => {
  const lineOf = lineIndex(source.text)
  const lines = new Set<number>()
  for (const { start, text } of source.comments) {
    const last = lineOf(start + text.length - 1)
    for (let line = lineOf(start); line <= last; line++) lines.add(line)
  }
  return lines
}

/** A marker counts where it begins a line of a comment, or where a colon or a name in brackets follows. */
const todoMarker = /(?:(?<=^[\s/*#<!-]*)(?:TODO|FIXME|HACK|XXX)\b|\b(?:TODO|FIXME|HACK|XXX)(?=[:(]))[^\n]*/gm

const todosOf = (comments: ReadonlyArray<{ readonly start: number; readonly text: string }>, text: string) => {
  const lineOf = lineIndex(text)
  return comments.flatMap((comment) =>
    [...comment.text.matchAll(todoMarker)].map((match) => ({
      line: lineOf(comment.start + match.index),
      text: match[0]
        .replace(/\s*(\*\/|-->)\s*$/, "")
        .trim()
        .slice(0, 120)
    }))
  )
}
