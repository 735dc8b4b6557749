/**
 * Keeps the Markdown honest. `docs.ts` fills, `docs.ts --check` fails on drift.
 *
 * A page names code that runs; the fence below the mark is filled from it:
 *
 *     <!-- code: examples/01-hello.ts#region -->
 *
 * `#region` (a `// #region name` … `// #endregion` block) may be left out: then the whole file. Besides, every relative
 * link must lead somewhere, and every example must be named by a page.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const check = process.argv.includes("--check")
const problems: Array<string> = []

const pages = [".", "docs"]
  .flatMap((folder) =>
    readdirSync(folder, { recursive: folder === "docs", encoding: "utf8" }).map((name) => join(folder, name))
  )
  .filter((path) => path.endsWith(".md"))
  .toSorted()

const dedent = (lines: ReadonlyArray<string>): string => {
  const indents = lines.filter((line) => line.trim() !== "").map((line) => line.search(/\S/))
  const indent = Math.min(...indents)
  return lines.map((line) => line.slice(indent)).join("\n")
}

/** The lines of a region without the marks of regions within it, or `undefined`. */
const excerpt = (path: string, region: string | undefined): string | undefined => {
  if (!existsSync(path)) return undefined
  const lines = readFileSync(path, "utf8").trimEnd().split("\n")
  const kept: Array<string> = []
  let depth = region === undefined ? 1 : 0
  for (const line of lines) {
    const [, mark, name] = /^\s*\/\/ #(region|endregion)\s*(.*)$/.exec(line) ?? []
    if (mark === "region") depth += depth > 0 || name === region ? 1 : 0
    else if (mark === "endregion") depth -= depth > 0 ? 1 : 0
    else if (depth > 0) kept.push(line)
  }
  return kept.length === 0 ? undefined : dedent(kept)
}

const fill = (page: string, text: string): string =>
  text.replace(/^<!-- code: (\S+) -->\n(?:\n?```.*\n[^]*?^```$)?/gm, (whole, source: string) => {
    const [path = "", region] = source.split("#")
    const code = excerpt(path, region)
    if (code === undefined) problems.push(`${page}: no code at ${source}`)
    return code === undefined ? whole : `<!-- code: ${source} -->\n\n\`\`\`${path.split(".").at(-1)}\n${code}\n\`\`\``
  })

const checkLinks = (page: string, text: string): void => {
  const prose = text.replace(/^```[^]*?^```$/gm, "").replace(/`[^`\n]*`/g, "")
  for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    const path = target.replace(/#.*$/, "")
    if (/^[a-z]+:/.test(target) || path === "") continue
    if (!existsSync(join(dirname(page), path))) problems.push(`${page}: broken link to ${target}`)
  }
}

const texts = pages.map((page) => {
  const before = readFileSync(page, "utf8")
  const after = fill(page, before)
  checkLinks(page, after)
  if (before !== after && check) problems.push(`${page}: its code is out of date; run \`npm run docs\``)
  if (before !== after && !check) writeFileSync(page, after)
  return after
})

const examples = existsSync("examples") && statSync("examples").isDirectory() ? readdirSync("examples") : []
for (const example of examples.filter((name) => /^\d\d-.*\.ts$/.test(name))) {
  if (!texts.some((text) => text.includes(`examples/${example}`))) problems.push(`no page names examples/${example}`)
}

for (const problem of problems) console.error(problem)
console.log(`docs: ${pages.length} pages, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
