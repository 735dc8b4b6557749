/**
 * The rules of `.gitignore` files, for folders where git cannot be asked.
 *
 * Comments, `!`, anchors, trailing `/`, `*`, `?`, `[…]` and `**` are understood.
 */

export interface IgnoreRule {
  /** Folder of the `.gitignore`, relative to the root; `""` for the root. */
  readonly folder: string
  readonly pattern: RegExp
  readonly effect: "Ignore" | "Keep"
  readonly applies: "Folders" | "Everything"
}

/** Never part of a repository's own sources, whatever its rules say. */
export const alwaysIgnored: ReadonlySet<string> = new Set([".git", "node_modules", "dist"])

/** The rules of one `.gitignore`, in order. */
export const parse = (text: string, folder: string): ReadonlyArray<IgnoreRule> =>
  text.split(/\r?\n/).flatMap((line) => {
    const trimmed = line.replace(/(?<!\\)\s+$/, "")
    if (trimmed === "" || trimmed.startsWith("#")) return []
    const keep = trimmed.startsWith("!")
    const body = keep ? trimmed.slice(1) : trimmed
    const pattern = body.endsWith("/") ? body.slice(0, -1) : body
    if (pattern === "") return []
    return [
      {
        folder,
        pattern: toRegExp(pattern),
        effect: keep ? ("Keep" as const) : ("Ignore" as const),
        applies: body.endsWith("/") ? ("Folders" as const) : ("Everything" as const)
      }
    ]
  })

/** Whether a path is left out: the last rule that matches decides. */
export const isIgnored = (rules: ReadonlyArray<IgnoreRule>, path: string, kind: "File" | "Folder"): boolean => {
  if (alwaysIgnored.has(path.slice(path.lastIndexOf("/") + 1))) return true
  const decisive = rules.findLast((rule) => {
    if (rule.applies === "Folders" && kind !== "Folder") return false
    if (rule.folder === "") return rule.pattern.test(path)
    return path.startsWith(`${rule.folder}/`) && rule.pattern.test(path.slice(rule.folder.length + 1))
  })
  return decisive?.effect === "Ignore"
}

/** A pattern with a slash inside is anchored to its folder; any other matches at every depth. */
const toRegExp = (pattern: string): RegExp => {
  const anchored = pattern.includes("/")
  const body = (pattern.startsWith("/") ? pattern.slice(1) : pattern).replace(
    /\*\*\/|\/\*\*$|\*|\?|\\(.)|\[!?[^\]]+\]|[.+^${}()|[\]\\]/g,
    (token, escaped: string | undefined) => {
      if (token === "**/") return "(?:.*/)?"
      if (token === "/**") return "/.+"
      if (token === "*") return "[^/]*"
      if (token === "?") return "[^/]"
      if (token.startsWith("[") && token.length > 1) return token.replace("[!", "[^")
      return `\\${escaped ?? token}`
    }
  )
  return new RegExp(`^${anchored ? "" : "(?:.*/)?"}${body}$`)
}
