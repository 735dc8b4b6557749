import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { collect, CollectError, group, SourceTree } from "../../../src/cli/audit/Collect.ts"
import * as Ignore from "../../../src/cli/audit/Ignore.ts"
import { layerNode, Workspace, WorkspaceError } from "../../../src/cli/audit/Workspace.ts"
import { entry, folder, git } from "./fixture.ts"

const paths = (tree: SourceTree) => tree.groups.flatMap((each) => each.files.map((file) => file.path))

/** A disk on which one path cannot be read: the tests may run as root, who can read everything. */
const layerDenying = (denied: string) =>
  Layer.effect(
    Workspace,
    Effect.gen(function* () {
      const real = yield* Workspace
      const refuse = (operation: WorkspaceError["operation"], path: string) =>
        Effect.fail(new WorkspaceError({ operation, path, code: "EACCES", cause: null }))
      return Workspace.of({
        ...real,
        inspect: (path) =>
          Effect.map(real.inspect(path), (found) =>
            path.endsWith(denied) ? { ...found, access: "Denied" as const } : found
          ),
        list: (path) => (path.endsWith(denied) ? refuse("list", path) : real.list(path))
      })
    })
  ).pipe(Layer.provide(layerNode))

describe("Collect", () => {
  it.layer(layerNode)((it) => {
    it.effect("walks a folder and respects ignore files", () =>
      Effect.gen(function* () {
        const root = yield* folder({
          ".gitignore": "*.log\n/build/\n!keep.log\n",
          "a.ts": "",
          "b.log": "",
          "keep.log": "",
          "build/x.ts": "",
          "src/build/y.ts": "",
          "src/.gitignore": "secret.*\n",
          "src/secret.ts": "",
          "node_modules/p/i.js": "",
          "dist/o.js": ""
        })
        const tree = yield* collect({ root })
        assert.strictEqual(tree.listing, "Walk")
        assert.deepStrictEqual(paths(tree).toSorted(), [
          ".gitignore",
          "a.ts",
          "keep.log",
          "src/.gitignore",
          "src/build/y.ts"
        ])
      })
    )

    it.effect("lists a git repository by git: new files too, deleted and ignored ones not", () =>
      Effect.gen(function* () {
        const root = yield* folder({ ".gitignore": "*.tmp", "a.ts": "x", "gone.ts": "", "b.tmp": "" })
        git(root, "init")
        git(root, "add", "-A")
        fs.rmSync(`${root}/gone.ts`)
        fs.writeFileSync(`${root}/new ü.md`, "")
        const tree = yield* collect({ root })
        assert.strictEqual(tree.listing, "Git")
        assert.deepStrictEqual(paths(tree), [".gitignore", "a.ts", "new ü.md"])
      })
    )

    it.effect("walks a folder that an outer repository ignores", () =>
      Effect.gen(function* () {
        const outer = yield* folder({ ".gitignore": "inner/", "inner/a.ts": "" })
        git(outer, "init")
        const tree = yield* collect({ root: `${outer}/inner` })
        assert.deepStrictEqual([tree.listing, paths(tree)], ["Walk", ["a.ts"]])
      })
    )

    it.effect("C1: same files, same tree, and it survives JSON", () =>
      Effect.gen(function* () {
        const root = yield* folder({ "b/x.ts": "1", "a.md": "22", "b/y.py": "333", "b/c/z.test.ts": "" })
        const first = yield* collect({ root })
        assert.deepStrictEqual(yield* collect({ root }), first)
        const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(SourceTree)(first)))
        assert.deepStrictEqual(yield* Schema.decodeEffect(SourceTree)(json), first)
        assert.deepStrictEqual(
          first.groups.map((each) => each.id),
          ["root", "b"]
        )
        assert.strictEqual(first.bytes, 6)
      })
    )

    it.effect("C3: a missing folder and a file are errors of one sentence", () =>
      Effect.gen(function* () {
        const root = yield* folder({ "a.ts": "" })
        const missing = yield* Effect.flip(collect({ root: `${root}/none` }))
        const file = yield* Effect.flip(collect({ root: `${root}/a.ts` }))
        assert.strictEqual(missing.message, `There is no folder at ${root}/none.`)
        assert.strictEqual(file.message, `${root}/a.ts is a file; an audit needs a folder.`)
        const encoded = yield* Schema.encodeEffect(CollectError)(missing)
        assert.strictEqual((yield* Schema.decodeEffect(CollectError)(encoded))._tag, "AuditFolderMissing")
      })
    )

    it.effect("links are not followed", () =>
      Effect.gen(function* () {
        const root = yield* folder({ "src/a.ts": "" })
        fs.symlinkSync("/etc", `${root}/etc`)
        fs.symlinkSync("..", `${root}/src/up`)
        assert.deepStrictEqual(paths(yield* collect({ root })), ["src/a.ts"])
      })
    )
  })

  it.effect("C3: an unreadable root is an error", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "a.ts": "" })
      const error = yield* Effect.flip(collect({ root }).pipe(Effect.provide(layerDenying(root))))
      assert.strictEqual(error.message, `The folder ${root} cannot be read (EACCES).`)
    })
  )

  it.effect("C3: an unreadable file or subfolder is a finding", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "a.ts": "", "b.ts": "", "sub/c.ts": "" })
      const file = yield* collect({ root }).pipe(Effect.provide(layerDenying("/a.ts")))
      assert.deepStrictEqual(
        file.findings.map((each) => [each.rule, each.file]),
        [["unreadable-file", "a.ts"]]
      )
      assert.deepStrictEqual(paths(file), ["b.ts", "sub/c.ts"])
      const sub = yield* collect({ root }).pipe(Effect.provide(layerDenying("/sub")))
      assert.deepStrictEqual(
        sub.findings.map((each) => each.file),
        ["sub"]
      )
    })
  )

  const Files = Schema.Array(
    Schema.Array(Schema.Literals(["a", "b", "a-b", "c d"])).check(Schema.isMinLength(1), Schema.isMaxLength(4))
  )
  it.prop(
    "C2: each file is in one group, ids are unique, groups are small",
    { files: Files, size: Schema.Literals([1, 2, 5]) },
    ({ files, size }) => {
      const entries = [...new Set(files.map((names) => `${names.join("/")}.ts`))].map((file) => entry(file))
      const groups = group(entries, size)
      assert.deepStrictEqual(
        groups.flatMap((each) => each.files.map((file) => file.path)).toSorted(),
        entries.map((file) => file.path).toSorted()
      )
      assert.strictEqual(new Set(groups.map((each) => each.id)).size, groups.length)
      assert.isTrue(groups.every((each) => each.files.length > 0 && each.files.length <= size))
      assert.deepStrictEqual(group(entries.toReversed(), size), groups)
    }
  )
})

describe("Ignore", () => {
  const cases: ReadonlyArray<readonly [rule: string, path: string, kind: "File" | "Folder", ignored: boolean]> = [
    ["*.log", "a/b.log", "File", true],
    ["/x", "x", "File", true],
    ["/x", "a/x", "File", false],
    ["a/b", "a/b", "File", true],
    ["a/b", "c/a/b", "File", false],
    ["x/", "x", "File", false],
    ["x/", "a/x", "Folder", true],
    ["**/x", "a/b/x", "File", true],
    ["a/**", "a/b/c", "File", true],
    ["a/**/c", "a/c", "File", true],
    ["a/**/c", "a/b/d/c", "File", true],
    ["a?c", "abc", "File", true],
    ["[!a]bc", "xbc", "File", true],
    ["[!a]bc", "abc", "File", false],
    ["a.b", "axb", "File", false],
    ["# x", "# x", "File", false],
    ["\\#x", "#x", "File", true],
    ["*\n!a", "a", "File", false]
  ]
  for (const [rule, path, kind, ignored] of cases) {
    it(`${JSON.stringify(rule)} ${ignored ? "ignores" : "keeps"} ${path} (${kind})`, () =>
      assert.strictEqual(Ignore.isIgnored(Ignore.parse(rule, ""), path, kind), ignored))
  }

  it.effect("agrees with git", () =>
    Effect.gen(function* () {
      const root = yield* folder({})
      git(root, "init")
      for (const [rule, path, kind, ignored] of cases) {
        fs.writeFileSync(`${root}/.gitignore`, rule)
        let verdict = true
        try {
          git(root, "check-ignore", "-q", "--no-index", kind === "Folder" ? `${path}/` : path)
        } catch {
          verdict = false
        }
        assert.strictEqual(verdict, ignored, `${rule} ${path}`)
      }
    })
  )
})
