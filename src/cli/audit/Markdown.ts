/**
 * Reads links and anchors out of a Markdown text, as GitHub understands it.
 *
 * Invariants (checked by `test/cli/audit/Links.test.ts`):
 *
 *   M1. What stands in a code fence, in inline code or in a comment is no link.
 *   M2. The anchor of a heading is GitHub's: lower case, no punctuation, `-` for
 *       spaces, and `-1`, `-2` … when the same heading comes again.
 */
import { blank, lineIndex } from "./SourceText.ts"

export interface MarkdownLink {
  readonly target: string
  readonly line: number
  readonly use: "Link" | "Image"
}

export interface Markdown {
  readonly links: ReadonlyArray<MarkdownLink>
  readonly anchors: ReadonlySet<string>
}

export const parse = (text: string): Markdown => {
  const prose = hideComments(hideFences(text))
  const visible = hideInlineCode(prose)
  return { links: linksOf(visible), anchors: anchorsOf(prose, visible) }
}

const fenceOpening = /^(?:[ \t]*>)*[ \t]*(?:[-*+]|\d+[.)])?[ \t]*(`{3,}|~{3,})([^\n]*)$/
const fenceClosing = /^(?:[ \t]*>)*[ \t]*(`{3,}|~{3,})[ \t\r]*$/

/** Fences go first: a comment opener or a backtick inside one means nothing. */
const hideFences = (text: string): string => {
  let fence: string | undefined
  return text
    .split("\n")
    .map((line) => {
      if (fence === undefined) {
        const [, opening, information = ""] = fenceOpening.exec(line) ?? []
        if (opening === undefined || (opening.startsWith("`") && information.includes("`"))) return line
        fence = opening
      } else {
        const closing = fenceClosing.exec(line)?.[1]
        if (closing !== undefined && closing[0] === fence[0] && closing.length >= fence.length) fence = undefined
      }
      return blank(line)
    })
    .join("\n")
}

const hideComments = (text: string): string => text.replace(/<!--[\s\S]*?-->/g, blank)

/** A span of code ends with as many backticks as it began with, and within its paragraph. */
const hideInlineCode = (text: string): string =>
  text.replace(/(?<![\\`])(`+)(?!`)((?:(?!\n\s*\n)[\s\S])*?[^`])\1(?!`)/g, blank)

/** One level of brackets inside: `[![badge](image)](target)`, `[a [b] c](target)`, `(file_(1).md)`. */
const inline =
  /(?<image>!?)\[(?:[^[\]]|\[[^[\]]*\](?:\([^()\s]*\))?)*\]\(\s*(?<target><[^<>\n]*>|(?:[^\s()]|\([^\s()]*\))*)(?:\s+(?:"[^"]*"|'[^']*'|\([^)]*\)))?\s*\)/g
const nested = /(?<image>!)\[[^[\]]*\]\(\s*(?<target><[^<>\n]*>|[^\s()]*)[^)\n]*\)(?=[^[\]]*\]\()/g
const definition = /^ {0,3}\[(?!\^)[^\]\n]+\]:[ \t]*(?<target><[^<>\n]*>|\S+)/gm
const html = /<(?:a|(?<image>img))\b[^>]*?\s(?:href|src)\s*=\s*(?<quote>["'])(?<target>.*?)\k<quote>/gi
const automatic = /<(?<target>https?:\/\/[^<>\s]+)>/g

const linksOf = (visible: string): ReadonlyArray<MarkdownLink> => {
  const lineOf = lineIndex(visible)
  return [inline, nested, definition, html, automatic]
    .flatMap((pattern) => [...visible.matchAll(pattern)])
    .map(({ groups, index }): MarkdownLink => ({
      target: (groups?.["target"] ?? "").replace(/^<(.*)>$/, "$1"),
      line: lineOf(index),
      use: groups?.["image"] ? "Image" : "Link"
    }))
    .toSorted((a, b) => a.line - b.line)
}

const heading = /^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/
const underline = /^ {0,3}(?:=+|-+)[ \t]*$/
const explicit = /<[a-z][^>]*?\s(?:id|name)\s*=\s*["']([^"']+)["']/gi

const anchorsOf = (prose: string, visible: string): ReadonlySet<string> => {
  const anchors = new Set<string>()
  const times = new Map<string, number>()
  for (const title of headingsOf(prose)) {
    const base = slug(title)
    const before = times.get(base) ?? 0
    times.set(base, before + 1)
    anchors.add(before === 0 ? base : `${base}-${before}`)
  }
  for (const match of visible.matchAll(explicit)) anchors.add(match[1] ?? "")
  return anchors
}

const headingsOf = (prose: string): ReadonlyArray<string> => {
  const lines = prose.split(/\r?\n/)
  return lines.flatMap((line, index) => {
    const title = heading.exec(line)?.[1]
    if (title !== undefined) return [title]
    const underlined =
      line.trim() !== "" && !/^\s*(?:[-*+>|]|\d+[.)])\s/.test(line) && underline.test(lines[index + 1] ?? "")
    return underlined && !underline.test(line) ? [line.trim()] : []
  })
}

/** GitHub's anchor of a heading (M2), without the number of a repetition. */
export const slug = (title: string): string =>
  title
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/!?\[([^\]]*)\]\[[^\]]*\]/g, "$1")
    .replace(/<[^>]*>/g, "")
    .replace(/(?<=^|[^\p{L}\p{N}])_+(?=\S)|(?<=\S)_+(?=$|[^\p{L}\p{N}])/gu, "")
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-")
