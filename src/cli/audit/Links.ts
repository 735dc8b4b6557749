/**
 * Checks the links of Markdown files: targets that do not exist, anchors that no
 * heading has, missing images. Links to the web are counted, never followed.
 */
import * as path from "node:path/posix"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Finding } from "./Finding.ts"
import * as Markdown from "./Markdown.ts"
import { type GroupInput, readFiles } from "./Reading.ts"
import { Workspace } from "./Workspace.ts"

export const LinkCheck = Schema.Struct({
  group: Schema.String,
  /** Markdown files that were read. */
  files: Schema.Natural,
  /** Links and images to files and anchors, which were checked. */
  checked: Schema.Natural,
  dead: Schema.Natural,
  /** Links to the web, which were not. */
  external: Schema.Natural,
  images: Schema.Natural,
  findings: Schema.Array(Finding)
})
export type LinkCheck = typeof LinkCheck.Type

/** Checks the links of every Markdown file of a group. */
export const links = Effect.fnUntraced(function* (input: GroupInput): Effect.fn.Return<LinkCheck, never, Workspace> {
  const read = yield* readFiles(input, { area: "links", wanted: (file) => file.language === "Markdown" })
  const parsed = read.files.map(({ file, text }) => ({ path: file.path, ...Markdown.parse(text) }))
  // Shared by all files of the group: most documents link to the same few others.
  const pages: Pages = new Map(parsed.map((page) => [page.path, { _tag: "Page", anchors: page.anchors }]))
  const found = parsed.flatMap((page) => page.links.map((link) => ({ ...link, from: page.path })))
  const local = found.filter((link) => !hasScheme(link.target))
  const findings = yield* Effect.forEach(local, (link) => check(input.root, link, pages))
  const dead = findings.flat()
  return {
    group: input.group.id,
    files: parsed.length,
    checked: local.length,
    dead: dead.length,
    external: found.filter((link) => /^(https?:)?\/\//i.test(link.target)).length,
    images: found.filter((link) => link.use === "Image").length,
    findings: [...read.findings, ...dead]
  }
})

interface LocatedLink extends Markdown.MarkdownLink {
  readonly from: string
}

/** What a link may lead to. */
type Target =
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Other" }
  | { readonly _tag: "Page"; readonly anchors: ReadonlySet<string> }

type Pages = Map<string, Target>

const hasScheme = (target: string): boolean => /^([a-z][a-z\d+.-]*:|\/\/)/i.test(target)

const check = Effect.fnUntraced(function* (
  root: string,
  link: LocatedLink,
  pages: Pages
): Effect.fn.Return<ReadonlyArray<Finding>, never, Workspace> {
  const hash = link.target.indexOf("#")
  const written = decode((hash < 0 ? link.target : link.target.slice(0, hash)).replace(/\?.*$/, ""))
  const anchor = hash < 0 ? "" : decode(link.target.slice(hash + 1))
  const file = locate(link.from, written)
  // What lies outside the root is not ours to judge.
  if (file.startsWith("..")) return []
  const target = yield* look(root, file, pages)
  if (target._tag === "Missing") {
    const rule = link.use === "Image" ? "missing-image" : "dead-link"
    return [dead(link, rule, `${link.target || "(empty)"} does not exist${yield* hint(root, file, pages)}`)]
  }
  if (target._tag !== "Page" || hasAnchor(target.anchors, anchor)) return []
  return [dead(link, "dead-anchor", `#${anchor} is no heading of ${file === link.from ? "this page" : file}`)]
})

/** GitHub finds an anchor whatever its case, and `#user-content-x` as `#x`. */
const hasAnchor = (anchors: ReadonlySet<string>, anchor: string): boolean => {
  if (anchor === "" || anchors.has(anchor) || /^top$|^L\d+/i.test(anchor)) return true
  const plain = anchor.replace(/^user-content-/, "").toLowerCase()
  return [...anchors].some((each) => each.toLowerCase() === plain)
}

/** A leading `/` means the root; an empty path means the page itself. */
const locate = (from: string, written: string): string => {
  if (written === "") return from
  const joined = written.startsWith("/") ? path.normalize(written.slice(1)) : path.join(path.dirname(from), written)
  return joined.replace(/(?<=.)\/$/, "")
}

const look = Effect.fnUntraced(function* (
  root: string,
  file: string,
  pages: Pages
): Effect.fn.Return<Target, never, Workspace> {
  const known = pages.get(file)
  if (known !== undefined) return known
  const workspace = yield* Workspace
  const answer = yield* Effect.result(workspace.inspect(`${root}/${file}`))
  const exists = Result.isFailure(answer) || answer.success.kind !== "Missing"
  const target: Target = !exists
    ? { _tag: "Missing" }
    : /\.(md|markdown)$/i.test(file)
      ? yield* readPage(root, file)
      : { _tag: "Other" }
  pages.set(file, target)
  return target
})

const readPage = Effect.fnUntraced(function* (root: string, file: string): Effect.fn.Return<Target, never, Workspace> {
  const workspace = yield* Workspace
  const text = yield* Effect.result(workspace.readText(`${root}/${file}`))
  return Result.isSuccess(text) ? { _tag: "Page", anchors: Markdown.parse(text.success).anchors } : { _tag: "Other" }
})

/** Sites drop the extension; GitHub does not. */
const hint = Effect.fnUntraced(function* (
  root: string,
  file: string,
  pages: Pages
): Effect.fn.Return<string, never, Workspace> {
  const withExtension = yield* look(root, `${file}.md`, pages)
  return withExtension._tag === "Missing" ? "" : ` (there is a ${path.basename(file)}.md)`
})

const dead = (link: LocatedLink, rule: string, message: string): Finding => ({
  area: "links",
  severity: "error",
  rule,
  message,
  file: link.from,
  line: link.line
})

/** A target that is not valid percent-encoding is taken as it stands. */
const decode = (written: string): string => {
  if (!/%[\da-f]{2}/i.test(written)) return written
  try {
    return decodeURIComponent(written)
  } catch {
    return written
  }
}
