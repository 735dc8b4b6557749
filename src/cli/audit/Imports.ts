/**
 * Finds the relative imports of a group of files: the edges of the import graph.
 *
 * Invariants (checked by `test/cli/audit/Imports.test.ts`):
 *
 *   I1. An import in a comment or inside a string is no edge.
 *   I2. An edge says whether it takes part when modules load (`Static`), only
 *       when types are checked (`TypeOnly`), or later (`Deferred`).
 *
 * JavaScript and TypeScript (`import`, `export … from`, `import()`, `require`)
 * and relative imports of Python. What an edge leads to is for `Cycles` to say:
 * that takes all the files.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Finding } from "./Finding.ts"
import { languageOf } from "./Language.ts"
import { type GroupInput, type ReadFile, readFiles } from "./Reading.ts"
import { lineIndex, scan, type SourceText } from "./SourceText.ts"
import type { Workspace } from "./Workspace.ts"

export const ImportEdge = Schema.Struct({
  from: Schema.String,
  /** As it is written; for Python the dots and the module. */
  specifier: Schema.String,
  /** 1-based. */
  line: Schema.Int,
  load: Schema.Literals(["Static", "TypeOnly", "Deferred"])
})
export type ImportEdge = typeof ImportEdge.Type

export const ImportScan = Schema.Struct({
  group: Schema.String,
  /** Files that were scanned. */
  files: Schema.Natural,
  edges: Schema.Array(ImportEdge),
  /** Imports of packages, which are not edges. */
  external: Schema.Natural,
  findings: Schema.Array(Finding)
})
export type ImportScan = typeof ImportScan.Type

/** Languages whose imports are understood. */
const understood = new Set(["TypeScript", "JavaScript", "Python"])

/** Scans every TypeScript, JavaScript and Python file of a group. */
export const imports = Effect.fnUntraced(function* (input: GroupInput): Effect.fn.Return<ImportScan, never, Workspace> {
  const read = yield* readFiles(input, { area: "imports", wanted: (file) => understood.has(file.language) })
  const edges: Array<ImportEdge> = []
  let external = 0
  for (const file of read.files) {
    for (const edge of edgesOf(file)) {
      if (edge.specifier.startsWith(".")) edges.push(edge)
      else external++
    }
    // Scanning is pure work: let other agents and the live view have their turn.
    yield* Effect.yieldNow
  }
  return { group: input.group.id, files: read.files.length, edges, external, findings: read.findings }
})

const edgesOf = ({ file, text }: ReadFile): ReadonlyArray<ImportEdge> => {
  const { syntax } = languageOf(file.path)
  if (syntax === undefined) return []
  const source = scan(text, syntax)
  const lineOf = lineIndex(text)
  const found = file.language === "Python" ? pythonImports(source) : javascriptImports(source)
  return found.map(({ index, load, specifier }) => ({
    from: file.path,
    specifier,
    line: lineOf(index),
    load: file.path.endsWith(".d.ts") ? "TypeOnly" : load
  }))
}

interface Found {
  readonly index: number
  readonly specifier: string
  readonly load: ImportEdge["load"]
}

const name = "[\\w$]+"
const braces = "\\{[^}]*\\}"
const clause = `(?:\\*(?:\\s*as\\s+${name})?|${name}(?:\\s*,\\s*(?:\\*\\s*as\\s+${name}|${braces}))?|${braces})`

/** Each ends with the opening quote of the specifier, whose inside the mask hides. */
const declaration = new RegExp(
  `(?<![.\\w$])(?:import|export)(\\s+type(?=[\\s{*])(?!\\s+from\\b))?\\s*(${clause})\\s*from\\s*["']`,
  "g"
)
const sideEffect = /(?<![.\w$])import\s*["']/g
const call = /(?<![.\w$])(import|require)\s*\(\s*["']/g

const javascriptImports = (source: SourceText): ReadonlyArray<Found> => {
  const found: Array<Found> = []
  for (const match of source.mask.matchAll(declaration)) {
    found.push(at(source, match, match[1] !== undefined || onlyTypes(match[2] ?? "") ? "TypeOnly" : "Static"))
  }
  for (const match of source.mask.matchAll(sideEffect)) found.push(at(source, match, "Static"))
  for (const match of source.mask.matchAll(call)) {
    found.push(at(source, match, match[1] === "require" ? "Static" : "Deferred"))
  }
  return found.toSorted((a, b) => a.index - b.index)
}

const at = (source: SourceText, match: RegExpExecArray, load: ImportEdge["load"]): Found => {
  const start = match.index + match[0].length
  const quote = source.text[start - 1] ?? ""
  const end = source.text.indexOf(quote, start)
  return { index: start, specifier: source.text.slice(start, end < 0 ? start : end), load }
}

/** `{ type A, type B }`, where every name is marked. */
const onlyTypes = (names: string): boolean => {
  if (!names.startsWith("{")) return false
  const each = names
    .slice(1, -1)
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
  return each.length > 0 && each.every((part) => /^type\s+\S/.test(part))
}

const fromImport = /^([ \t]*)from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)/gm
const plainImport = /^[ \t]*import[ \t]+([\w.]+)/gm

/** An indented import runs when its function does, so it closes no cycle at load time. */
const pythonImports = (source: SourceText): ReadonlyArray<Found> => {
  const found: Array<Found> = []
  for (const { index, ...match } of source.mask.matchAll(fromImport)) {
    const [indent, module, names] = [match[1], match[2], match[3]]
    const load = indent === "" ? "Static" : "Deferred"
    if (module === undefined || names === undefined) continue
    // `from . import a, b` names modules; `from .a import b` names one module.
    const modules = /^\.+$/.test(module) ? importedNames(names).map((each) => module + each) : [module]
    for (const specifier of modules) found.push({ index, specifier, load })
  }
  for (const match of source.mask.matchAll(plainImport)) {
    found.push({ index: match.index, specifier: match[1] ?? "", load: "Static" })
  }
  return found
}

const importedNames = (names: string): ReadonlyArray<string> =>
  names
    .replace(/[()\\]/g, "")
    .split(",")
    .flatMap((part) => part.trim().split(/\s+as\s+/)[0] || [])
