/**
 * Finds functions and their length without a parser: roughly, but fast and for
 * many languages. Works on the code mask of `SourceText`, so braces in strings
 * and comments do not count.
 *
 * A `{` opens a function when what stands before it in the same statement ends
 * with `=>`, or with `)` and no control keyword in front; Python functions are
 * found by indentation.
 */
import type { SourceText } from "./SourceText.ts"
import { lineIndex } from "./SourceText.ts"

export interface FunctionSpan {
  /** `(anonymous)` if nothing names it. */
  readonly name: string
  /** 1-based. */
  readonly line: number
  readonly lines: number
}

/** The functions of a text, in the order in which they end. */
export const functionsOf = (source: SourceText, dialect: "Braces" | "Python"): ReadonlyArray<FunctionSpan> =>
  dialect === "Python" ? byIndentation(source.mask) : byBraces(source.mask)

type Opening = "Function" | "Block" | "Value"

interface Level {
  readonly opening: Opening
  readonly name: string
  readonly start: number
  /** Where the statement begins that is being read at this level. */
  statement: number
}

/** Brackets, and where a new statement or the next argument begins: many write no `;`. */
const structure =
  /[{}()[\];,]|(?<![=<>,:?&|+(][ \t]*)\n(?=[ \t]*(?:@|[\w$#]+[ \t]*[(<]|(?:export|const|let|var|function|async|class|type|interface|import|return|yield|if|for|while|switch|try|throw|pub|fn|func|public|private|protected|static|override|readonly|get|set)\b))/g

const byBraces = (mask: string): ReadonlyArray<FunctionSpan> => {
  const lineOf = lineIndex(mask)
  const functions: Array<FunctionSpan> = []
  const levels: Array<Level> = [{ opening: "Block", name: "", start: -1, statement: 0 }]
  for (const token of mask.matchAll(structure)) {
    const at = token.index
    const level = levels.at(-1)
    if (level === undefined) break
    if (token[0] === ";" || endsPart(token[0], level)) level.statement = at + 1
    else if (token[0] === "{") levels.push(openBrace(mask, levels, at))
    else if (/[([]/.test(token[0])) levels.push({ opening: "Value", name: "", start: at, statement: at + 1 })
    else if (/[})\]]/.test(token[0]) && levels.length > 1) {
      closeLevel(levels, token[0], at)
      if (level.opening !== "Function") continue
      const line = lineOf(level.start)
      functions.push({ name: level.name, line, lines: lineOf(at) - line + 1 })
    }
  }
  return functions
}

/** After a block the next statement begins; after an object or an argument list its own goes on. */
const closeLevel = (levels: Array<Level>, token: string, at: number): void => {
  const closed = levels.pop()
  const parent = levels.at(-1)
  if (parent !== undefined && token === "}" && closed?.opening !== "Value") parent.statement = at + 1
}

/** A comma ends an argument or a field, a line break a statement; neither does the work of the other. */
const endsPart = (token: string, level: Level): boolean =>
  token === "," ? level.opening === "Value" : token === "\n" && level.opening !== "Value"

/** A header longer than this is data: looking at all of it would make large literals slow. */
const longestHeader = 1500

const headerOf = (mask: string, level: Level, at: number): string => {
  let from = Math.max(level.statement, at - longestHeader)
  // Among arguments, the last comma may have stood between type arguments: `Effect<A, never> {`.
  const steps = level.opening === "Value" ? 6 : 0
  for (let step = 0; step < steps && from > level.start + 1 && isUnbalanced(mask.slice(from, at)); step++) {
    from = Math.max(level.start + 1, mask.lastIndexOf(",", from - 2) + 1)
  }
  return mask.slice(from, at)
}

const isUnbalanced = (header: string): boolean =>
  (header.match(/(?<![=-])>/g)?.length ?? 0) > (header.match(/</g)?.length ?? 0)

const openBrace = (mask: string, levels: ReadonlyArray<Level>, at: number): Level => {
  const parent = levels.at(-1)
  const header = parent === undefined ? "" : headerOf(mask, parent, at)
  const trimmed = header.trim()
  // Braces with nothing before are an object among arguments, a block among statements.
  const opening = trimmed === "" ? (parent?.opening === "Value" ? "Value" : "Block") : openingOf(trimmed)
  if (opening !== "Function") return { opening, name: "", start: at, statement: at + 1 }
  // The type of a value may be an object of many lines: `const f: { … } = () => {`.
  const own = Math.max(0, header.search(/\}\s*=\s*(?![\s\S]*\}\s*=)/))
  const start = at - header.slice(own).trimStart().length
  return { opening, name: nameOf(mask, levels, at), start, statement: at + 1 }
}

const control =
  /^(?:[\w$]+:\s*)?(?:\}?\s*else\s+)?(?:if|for|while|switch|catch|with|do|try|else|finally|match|loop|unsafe|case|default)\b/
const declaration = /\b(?:class|interface|namespace|enum|struct|impl|trait|module)\b[^()]*$|\bclass\s/
const signature = /\)\s*(?:(?:->|:)\s*[^]+|(?:const|override|noexcept|throws\s+[\w., ]+|where\s[^;]+)|[\w.*[\] ]+)?$/

const openingOf = (header: string): Opening => {
  if (control.test(header)) return "Block"
  if (header.endsWith("=>")) return "Function"
  if (/(?:^|[^=!<>])=$|[,:(?&|<]$|\breturn$/.test(header)) return "Value"
  if (declaration.test(header)) return "Block"
  return signature.test(header) ? "Function" : "Value"
}

const names = [
  /\bfunction\b\s*\*?\s*([\w$]+)/,
  /\b(?:func|fn|def|fun)\s+(?:\([^)]*\)\s*)?([\w$]+)/,
  /\b(?:const|let|var)\s+([\w$]+)[^=]*=(?!=)/,
  /([\w$#]+)\s*[:=]\s*(?:async\s*)?(?:function\b|\(|<|[\w$]+\s*=>|[\w$.]+\()/,
  /^\s*(?:(?:public|private|protected|static|readonly|declare|override)\s+)*([\w$#]+)[^=(){}]*=(?![=>])/,
  /^\s*(?:(?:public|private|protected|static|async|override|get|set|readonly|final|virtual|inline)\s+)*(?:[\w$<>[\].?]+\s+)?\*?\s*([\w$#]+)\s*(?:<[^(]*>)?\s*\(/
]

const notNames = /^(?:return|await|yield|new|function|async|if|for|while|switch|catch|case|typeof)$/

/** The nearest name around: of the function, or of the value that it is an argument of. */
const nameOf = (mask: string, levels: ReadonlyArray<Level>, at: number): string => {
  let end = at
  for (let depth = levels.length - 1; depth >= 0; depth--) {
    const level = levels[depth]
    if (level === undefined) break
    const header = headerOf(mask, level, end)
    for (const pattern of names) {
      const name = pattern.exec(header)?.[1]
      if (name !== undefined && !notNames.test(name)) return name
    }
    if (level.opening !== "Value") break
    end = level.start
  }
  return "(anonymous)"
}

const byIndentation = (mask: string): ReadonlyArray<FunctionSpan> => {
  const functions: Array<FunctionSpan> = []
  const open: Array<{ readonly name: string; readonly line: number; readonly indent: number }> = []
  const lines = mask.split("\n")
  let last = 0
  const close = (indent: number): void => {
    for (let top = open.at(-1); top !== undefined && top.indent >= indent; top = open.at(-1)) {
      functions.push({ name: top.name, line: top.line, lines: last - top.line + 1 })
      open.pop()
    }
  }
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue
    const indent = line.length - line.trimStart().length
    // The lines of a parameter list and its closing bracket belong to their function.
    if (!/^\s*[)\]}]/.test(line)) close(indent)
    last = index + 1
    const name = /^\s*(?:async\s+)?def\s+(\w+)/.exec(line)?.[1]
    if (name !== undefined) open.push({ name, line: index + 1, indent })
  }
  close(0)
  return functions
}
