/**
 * Which language a file is written in and what part it plays, told by its path.
 */
import * as Schema from "effect/Schema"

export const FileKind = Schema.Literals(["source", "test", "docs", "config", "data", "style", "asset", "other"])
export type FileKind = typeof FileKind.Type

/** How a language marks what is not code. */
export interface Syntax {
  readonly line: ReadonlyArray<string>
  readonly block: ReadonlyArray<readonly [open: string, close: string]>
  /** Delimiters of strings; longer ones first. */
  readonly strings: ReadonlyArray<string>
  /** Regular expression literals and template strings, as in JavaScript. */
  readonly dialect: "JavaScript" | "Python" | "Plain"
}

export interface Language {
  readonly name: string
  readonly kind: FileKind
  /** Left out: lines are counted, comments are not. */
  readonly syntax?: Syntax
}

const javascript: Syntax = { line: ["//"], block: [["/*", "*/"]], strings: ['"', "'"], dialect: "JavaScript" }
const braces: Syntax = { line: ["//"], block: [["/*", "*/"]], strings: ['"'], dialect: "Plain" }
const python: Syntax = { line: ["#"], block: [], strings: ['"""', "'''", '"', "'"], dialect: "Python" }
const hash: Syntax = { line: ["#"], block: [], strings: ['"', "'"], dialect: "Plain" }
const css: Syntax = { line: [], block: [["/*", "*/"]], strings: ['"', "'"], dialect: "Plain" }
const html: Syntax = { line: [], block: [["<!--", "-->"]], strings: [], dialect: "Plain" }
const sql: Syntax = { line: ["--"], block: [["/*", "*/"]], strings: ["'"], dialect: "Plain" }

const table: ReadonlyArray<readonly [name: string, kind: FileKind, extensions: string, syntax?: Syntax]> = [
  ["TypeScript", "source", "ts tsx mts cts", javascript],
  ["JavaScript", "source", "js jsx mjs cjs", javascript],
  ["Python", "source", "py pyi", python],
  ["Go", "source", "go", { ...braces, strings: ["`", '"'] }],
  ["Rust", "source", "rs", braces],
  ["Java", "source", "java", braces],
  ["Kotlin", "source", "kt kts", braces],
  ["Swift", "source", "swift", braces],
  ["C", "source", "c h", braces],
  ["C++", "source", "cc cpp cxx hpp", braces],
  ["C#", "source", "cs", braces],
  ["PHP", "source", "php", javascript],
  ["Ruby", "source", "rb", hash],
  ["Shell", "source", "sh bash zsh", hash],
  ["Lua", "source", "lua", { ...sql, strings: ['"', "'"], block: [["--[[", "]]"]] }],
  ["SQL", "source", "sql", sql],
  ["Vue", "source", "vue", html],
  ["Svelte", "source", "svelte", html],
  ["HTML", "source", "html htm", html],
  ["CSS", "style", "css scss less", css],
  ["Markdown", "docs", "md mdx markdown"],
  ["Text", "docs", "txt rst adoc"],
  ["YAML", "config", "yml yaml", hash],
  ["TOML", "config", "toml", hash],
  ["INI", "config", "ini conf cfg properties env", hash],
  ["JSON", "data", "json jsonc json5 jsonl"],
  ["CSV", "data", "csv tsv"],
  ["XML", "data", "xml svg", html],
  ["Image", "asset", "png jpg jpeg gif webp ico bmp avif"],
  ["Font", "asset", "woff woff2 ttf otf eot"],
  ["Binary", "asset", "pdf zip gz tgz tar jar wasm exe so dylib dll node mp3 mp4 mov webm db sqlite bin"]
]

const byExtension: ReadonlyMap<string, Language> = new Map(
  table.flatMap(([name, kind, extensions, syntax]) => {
    const language: Language = syntax === undefined ? { name, kind } : { name, kind, syntax }
    return extensions.split(" ").map((extension) => [extension, language] as const)
  })
)

const other: Language = { name: "Other", kind: "other" }
const configuration: Language = { name: "Configuration", kind: "config", syntax: hash }
const configurationNames = /^(\.[\w-]*(ignore|rc|attributes|config)|Dockerfile|Makefile)$/
const testPath = /(^|\/)(tests?|__tests__|specs?)\/|[._-](test|spec|tst|contract)\.[a-z]+$|(^|\/)test_[^/]+\.py$/
const codeConfiguration = /(^|\/)[^/]+\.config\.[cm]?[jt]s$/

/** The language of a file, by name and extension. */
export const languageOf = (path: string): Language => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  if (configurationNames.test(name)) return configuration
  const dot = name.lastIndexOf(".")
  return (dot < 0 ? undefined : byExtension.get(name.slice(dot + 1).toLowerCase())) ?? other
}

/** What part a file plays. Code in a test folder is a test; `*.config.ts` is configuration. */
export const kindOf = (path: string): FileKind => {
  const { kind } = languageOf(path)
  if (kind !== "source") return kind
  if (codeConfiguration.test(path)) return "config"
  return testPath.test(path) ? "test" : "source"
}

/** Whether files of this kind hold text that is worth reading. */
export const isText = (path: string): boolean => {
  const language = languageOf(path)
  return language.kind !== "asset" && language !== other
}
