/**
 * Tells code from comments and strings, well enough for statistics.
 *
 * Invariants (checked by `test/cli/audit/SourceText.test.ts`):
 *
 *   T1. The code mask is as long as the text and has the same line breaks, so
 *       an index into one is an index into the other.
 *   T2. In the mask, comments and the insides of strings are spaces; string
 *       delimiters stay. So a match in the mask is never inside either.
 *
 * It knows no grammar: a regular expression literal is told from a division by
 * what stands before it, and an unclosed one-line string ends with its line.
 */
import type { Syntax } from "./Language.ts"

export interface SourceText {
  readonly text: string
  /** The text with comments and insides of strings blanked (T1, T2). */
  readonly mask: string
  /** The text of each comment and where it begins. */
  readonly comments: ReadonlyArray<{ readonly start: number; readonly text: string }>
}

interface Scanner {
  readonly text: string
  readonly syntax: Syntax
  readonly parts: Array<string>
  readonly comments: Array<{ start: number; text: string }>
  /** Up to here the mask is written. */
  done: number
  /** Brace depth at which each open `${` ends. */
  readonly templates: Array<number>
  depth: number
}

/** Scans a text in one pass. */
export const scan = (text: string, syntax: Syntax): SourceText => {
  const scanner: Scanner = { text, syntax, parts: [], comments: [], done: 0, templates: [], depth: 0 }
  const start = interesting(syntax)
  let at = 0
  while (at < text.length) {
    start.lastIndex = at
    const found = start.exec(text)
    if (found === null) break
    at = step(scanner, found.index)
  }
  scanner.parts.push(text.slice(scanner.done))
  return { text, mask: scanner.parts.join(""), comments: scanner.comments }
}

/** Turns an index into a 1-based line number, by binary search over line starts found once. */
export const lineIndex = (text: string): ((index: number) => number) => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1)
  return (index) => {
    let low = 0
    let high = starts.length
    while (low + 1 < high) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= index) low = middle
      else high = middle
    }
    return low + 1
  }
}

/** Spaces instead of everything but line breaks. */
export const blank = (text: string): string =>
  text.includes("\n")
    ? text
        .split("\n")
        .map((line) => " ".repeat(line.length))
        .join("\n")
    : " ".repeat(text.length)

const escape = (literal: string): string => literal.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")

const patterns = new WeakMap<Syntax, RegExp>()

/** Matches where something other than plain code may begin. */
const interesting = (syntax: Syntax): RegExp => {
  const known = patterns.get(syntax)
  if (known !== undefined) return known
  const openers = [...syntax.block.map(([open]) => open), ...syntax.line, ...syntax.strings]
  const extra = syntax.dialect === "JavaScript" ? ["[`{}/]"] : []
  const pattern = new RegExp([...openers.map(escape), ...extra].join("|"), "g")
  patterns.set(syntax, pattern)
  return pattern
}

/** Handles what begins at `at` and returns where to go on. */
const step = (scanner: Scanner, at: number): number => {
  const { syntax, text } = scanner
  for (const [open, close] of syntax.block) {
    if (text.startsWith(open, at)) return comment(scanner, at, endOf(text, close, at + open.length))
  }
  for (const open of syntax.line) {
    if (text.startsWith(open, at)) return lineComment(scanner, at)
  }
  for (const delimiter of syntax.strings) {
    if (text.startsWith(delimiter, at)) return string(scanner, at, delimiter)
  }
  return javascriptStep(scanner, at)
}

const javascriptStep = (scanner: Scanner, at: number): number => {
  switch (scanner.text[at]) {
    case "`":
      return template(scanner, at + 1)
    case "{":
      scanner.depth++
      return at + 1
    case "}":
      if (scanner.templates.at(-1) === scanner.depth) {
        scanner.templates.pop()
        return template(scanner, at + 1)
      }
      scanner.depth--
      return at + 1
    default:
      return regularExpression(scanner, at)
  }
}

const endOf = (text: string, close: string, from: number): number => {
  const end = text.indexOf(close, from)
  return end < 0 ? text.length : end + close.length
}

/** Copies code up to `from` and blanks from there to `to`. */
const hide = (scanner: Scanner, from: number, to: number): number => {
  scanner.parts.push(scanner.text.slice(scanner.done, from), blank(scanner.text.slice(from, to)))
  scanner.done = to
  return to
}

const comment = (scanner: Scanner, from: number, to: number): number => {
  scanner.comments.push({ start: from, text: scanner.text.slice(from, to) })
  return hide(scanner, from, to)
}

const lineComment = (scanner: Scanner, at: number): number => {
  const { syntax, text } = scanner
  // In shells and the like `#` begins a comment only after a space: `$#`, `a#b`.
  const before = text[at - 1]
  if (syntax.line[0] === "#" && syntax.dialect === "Plain" && before !== undefined && !/\s/.test(before)) return at + 1
  const end = text.indexOf("\n", at)
  return comment(scanner, at, end < 0 ? text.length : end)
}

const string = (scanner: Scanner, at: number, delimiter: string): number => {
  const { syntax, text } = scanner
  const inside = at + delimiter.length
  const multiline = delimiter.length === 3 || delimiter === "`"
  let end = inside
  while (end < text.length && !text.startsWith(delimiter, end)) {
    if (text[end] === "\n" && !multiline) return hide(scanner, inside, end)
    end += text[end] === "\\" ? 2 : 1
  }
  const close = Math.min(end, text.length)
  // A Python string that stands alone is a docstring: a comment in all but name.
  if (
    delimiter.length === 3 &&
    syntax.dialect === "Python" &&
    /(^|\n)[ \t]*$/.test(text.slice(Math.max(0, at - 80), at))
  ) {
    return comment(scanner, at, Math.min(close + 3, text.length))
  }
  hide(scanner, inside, close)
  return Math.min(close + delimiter.length, text.length)
}

/** Blanks a template string from `from` to its end or to its next `${`, whose inside is code. */
const template = (scanner: Scanner, from: number): number => {
  const { text } = scanner
  let at = from
  while (at < text.length && text[at] !== "`") {
    if (text.startsWith("${", at)) {
      scanner.templates.push(scanner.depth)
      hide(scanner, from, at)
      return at + 2
    }
    at += text[at] === "\\" ? 2 : 1
  }
  hide(scanner, from, Math.min(at, text.length))
  return Math.min(at + 1, text.length)
}

const beforeExpression =
  /(?:^|[([{,;:=!&|?+\-*%>~^]|\b(?:return|typeof|case|in|of|do|else|void|delete|await|yield))\s*$/

const regularExpression = (scanner: Scanner, at: number): number => {
  const { text } = scanner
  if (!beforeExpression.test(text.slice(Math.max(0, at - 40), at))) return at + 1
  let inClass = false
  for (let end = at + 1; end < text.length && text[end] !== "\n"; end++) {
    const character = text[end]
    if (character === "\\") end++
    else if (character === "[") inClass = true
    else if (character === "]") inClass = false
    else if (character === "/" && !inClass) {
      hide(scanner, at + 1, end)
      return end + 1
    }
  }
  return at + 1
}
