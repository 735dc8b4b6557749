import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { collect } from "../../../src/cli/audit/Collect.ts"
import { cycles } from "../../../src/cli/audit/Cycles.ts"
import type { Finding } from "../../../src/cli/audit/Finding.ts"
import { history } from "../../../src/cli/audit/History.ts"
import { imports } from "../../../src/cli/audit/Imports.ts"
import { links } from "../../../src/cli/audit/Links.ts"
import { lockfile } from "../../../src/cli/audit/Lockfile.ts"
import { measure } from "../../../src/cli/audit/Measure.ts"
import * as Markdown from "../../../src/cli/audit/Markdown.ts"
import { grade, report } from "../../../src/cli/audit/Report.ts"
import { AuditResults, count, scores } from "../../../src/cli/audit/Score.ts"
import { layerNode } from "../../../src/cli/audit/Workspace.ts"
import { commit, folder, git, write } from "./fixture.ts"

const nothing: AuditResults = {
  name: "empty",
  tree: { root: "/r", listing: "Walk", fileCount: 0, bytes: 0, languages: [], groups: [], findings: [] },
  measurements: [],
  imports: { files: 0, edges: 0, cycles: [], broken: 0, mostImported: [], findings: [] },
  links: [],
  lockfile: { _tag: "NotChecked", reason: "there is no package.json", findings: [] },
  history: { _tag: "NoHistory", reason: "git could not be started" }
}

/** The whole audit, without the orchestration. */
const audit = Effect.fnUntraced(function* (root: string) {
  const tree = yield* collect({ root })
  const each = <A, E, R>(
    analysis: (input: { root: string; group: (typeof tree.groups)[number] }) => Effect.Effect<A, E, R>
  ) => Effect.forEach(tree.groups, (group) => analysis({ root, group }))
  const scanned = yield* each(imports)
  const results: AuditResults = {
    name: "sample",
    tree,
    measurements: yield* each(measure),
    imports: yield* cycles({
      root,
      files: tree.groups.flatMap((group) => group.files.map((file) => file.path)),
      edges: scanned.flatMap((scan) => scan.edges)
    }),
    links: yield* each(links),
    lockfile: yield* lockfile({ root }),
    history: yield* history({ root })
  }
  return results
})

const sample = Effect.gen(function* () {
  const root = yield* folder({
    "README.md": "# Sample\n[gone](none.md) [ok](src/a.ts)\n",
    "package.json": "{}",
    "src/a.ts": 'import { b } from "./b.ts"\nexport const a = () => {\n  return b\n}\n',
    "src/b.ts": 'import { a } from "./a.ts"\n// TODO: untie\nexport const b = a\n'
  })
  git(root, "init")
  commit(root, { author: "a@x.y", date: "2024-01-01T00:00:00Z", subject: "first" })
  write(root, { "src/a.ts": 'import { b } from "./b.ts"\nexport const a = () => {\n  return [b]\n}\n' })
  commit(root, { author: "a@x.y", date: "2024-01-03T00:00:00Z", subject: "![x](http://evil/p.png) <b> | `c`" })
  return yield* audit(root)
})

describe("Report", () => {
  it.effect("tells the whole story of a repository, the same way each time", () =>
    Effect.gen(function* () {
      const results = yield* sample
      const input = { results, picture: "graph TD\n  a --> b", linkBase: "../", footer: "run 1" }
      const text = report(input)
      assert.strictEqual(report(structuredClone(input)), text)
      for (const expected of [
        "# Audit of sample",
        "```mermaid\ngraph TD\n  a --> b\n```",
        "| **Links** | 50 | ▰▰▰▰▰▱▱▱▱▱ | 2 links | 🔴 1 |",
        "| **Imports** | 0 | ▱▱▱▱▱▱▱▱▱▱ | 2 imports, 1 cycle | 🟠 1 |",
        "### 🔴 Errors (1)\n\n- [`README.md:2`](../README.md#L2) — none.md does not exist · _dead-link_",
        "- [`src/a.ts:1`](../src/a.ts#L1) — a.ts → b.ts → a.ts · _import-cycle_",
        "- [`src/b.ts:2`](../src/b.ts#L2) — TODO: untie · _todo_",
        "| [`src/a.ts`](../src/a.ts) | 2 | 4 |",
        "2 commits by 1 author over 2 days, from 2024-01-01 to 2024-01-03.",
        "<sub>run 1</sub>"
      ])
        assert.include(text, expected)
      assert.isTrue(text.endsWith("\n") && !/\n{3}/.test(text))
      assert.notMatch(text, /undefined|NaN|\[object/)
    }).pipe(Effect.provide(layerNode))
  )

  it.effect("a commit subject cannot add a picture or a tag", () =>
    Effect.gen(function* () {
      const text = report({ results: yield* sample, picture: "" })
      assert.deepStrictEqual(Markdown.parse(text.replaceAll(/\\[[\]<>`]/g, "")).links, [])
      assert.include(text, "!\\[x\\](http://evil/p.png) \\<b\\> | \\`c\\`")
    }).pipe(Effect.provide(layerNode))
  )

  it.effect("its results survive JSON, so a resumed run writes the same report", () =>
    Effect.gen(function* () {
      const results = yield* sample
      const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(AuditResults)(results)))
      const restored = yield* Schema.decodeUnknownEffect(AuditResults)(json)
      assert.strictEqual(report({ results: restored, picture: "" }), report({ results, picture: "" }))
    }).pipe(Effect.provide(layerNode))
  )

  it("an empty folder has nothing to judge", () => {
    const text = report({ results: nothing, picture: "" })
    assert.include(text, "**Nothing to judge**")
    assert.include(text, "None. Every check passed.")
    assert.strictEqual(scores(nothing).overall, undefined)
  })

  it("many findings are counted, not printed, and the worst come first", () => {
    const finding = (severity: Finding["severity"], line: number): Finding => ({
      area: "size",
      severity,
      rule: "r",
      message: "m",
      file: "a.ts",
      line
    })
    const findings = [...Array(45).keys()].map((line) => finding("info", line + 1))
    const text = report({
      results: { ...nothing, tree: { ...nothing.tree, findings: [...findings, finding("error", 1)] } },
      picture: ""
    })
    assert.include(text, "- … and 5 more")
    assert.isBelow(text.indexOf("Errors (1)"), text.indexOf("Notes (45)"))
  })

  it("a picture cannot leave its fence, nor a file name its code", () => {
    const finding: Finding = { area: "size", severity: "info", rule: "r", message: "a\nb", file: "x`|y\n.ts" }
    const text = report({
      results: { ...nothing, tree: { ...nothing.tree, findings: [finding] } },
      picture: "a\n```\nb"
    })
    assert.include(text, "````mermaid\na\n```\nb\n````")
    assert.include(text, "- `` x`|y .ts `` — a b")
  })

  it("grades and counts", () => {
    assert.strictEqual([100, 90, 89, 75, 60, 40, 39, 0].map(grade).join(""), "AABBCDEE")
    assert.deepStrictEqual(
      [count(1, "file"), count(0, "file"), count(1234567, "file")],
      ["1 file", "0 files", "1 234 567 files"]
    )
  })
})
