import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type Ended, folder, tutti } from "./command.ts"

/** A small repository with a bit of everything that an audit looks at. */
const repository = Effect.map(folder, (root) => {
  const write = (path: string, text: string) => {
    Fs.mkdirSync(Path.dirname(Path.join(root, path)), { recursive: true })
    Fs.writeFileSync(Path.join(root, path), text)
  }
  write("src/a.ts", `import { b } from "./b.ts"\nexport const a = () => b\n`)
  write("src/b.ts", `import { a } from "./a.ts"\nexport const b = () => a\n`)
  write("README.md", "# Title\n\n[gone](missing.md)\n")
  write("package.json", `{ "name": "x", "version": "1.0.0" }`)
  for (let i = 0; i < 200; i++) write(`src/part-${i % 20}/file-${i}.ts`, `export const value${i} = ${i}\n`)
  return root
})

const eventsOf = (cwd: string, id: string) =>
  Effect.map(tutti(cwd, ["events", id, "--json"]), ({ out }) =>
    out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; version: number; meta: { path?: string } })
  )

const idIn = (out: string): string => /Audit\/\S+-\d+/.exec(out)![0]

describe("bad input gets one sentence and a non-zero exit", { timeout: 60_000 }, () => {
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<string>, number, RegExp]> = [
    ["an unknown verb", ["dance"], 2, /There is no verb "dance"/],
    ["an unknown option", ["runs", "--nope"], 2, /Usage: tutti runs/],
    ["a missing id", ["show"], 2, /Usage: tutti show ID/],
    ["no journal", ["runs"], 1, /There is no journal at/],
    ["a missing folder", ["audit", "--path", "missing"], 1, /There is no folder at/],
    ["a file for a folder", ["audit", "--path", "file.txt"], 1, /is a file; an audit needs a folder/],
    ["a corrupt journal", ["runs", "--db", "file.txt"], 1, /file\.txt/],
    ["a database that is none of ours", ["runs", "--db", "mysql://x"], 2, /not mysql:/],
    ["an audit on one", ["audit", "--db", "mysql://x"], 2, /not mysql:/]
  ]
  for (const [name, args, code, sentence] of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        Fs.writeFileSync(
          Path.join(cwd, "file.txt"),
          "this is no database, and long enough not to be taken for one".repeat(50)
        )
        const ended = yield* tutti(cwd, args)
        assert.strictEqual(ended.code, code, ended.err)
        assert.match(ended.err, sentence)
        assert.strictEqual(ended.err.trim().split("\n").length, 1, ended.err)
      }).pipe(Effect.scoped)
    )
  }
})

describe("the main job", { timeout: 120_000 }, () => {
  it.effect("audits a folder, and the verbs show the run", () =>
    Effect.gen(function* () {
      const root = yield* repository
      const cwd = yield* folder
      const ended = yield* tutti(cwd, ["audit", "--path", root])
      assert.strictEqual(ended.code, 0, ended.err + ended.out)
      const report = Fs.readFileSync(Path.join(cwd, "report", "audit.md"), "utf8")
      assert.include(report, "missing.md")
      assert.include(report, "mermaid")
      const id = idIn(ended.out)
      assert.include((yield* tutti(cwd, ["runs"])).out, id)
      const shown = (yield* tutti(cwd, ["show", id])).out
      assert.include(shown, "completed")
      assert.notInclude(shown, "…")
      assert.match((yield* tutti(cwd, ["why", `${id}@1`])).out, /^> .* RunStarted /m)
      const tail = yield* tutti(cwd, ["tail", id])
      assert.include(tail.out, "RunCompleted")
    }).pipe(Effect.scoped)
  )

  it.effect("goes on after kill -9 and does nothing twice", () =>
    Effect.gen(function* () {
      const root = yield* repository
      const cwd = yield* folder
      const killed = yield* tutti(cwd, ["audit", "--path", root], (out) => out.split("\n").length > 12)
      assert.isNull(killed.code)
      const ended = yield* tutti(cwd, ["audit", "--path", root])
      assert.strictEqual(ended.code, 0, ended.err + ended.out)
      assert.include(ended.out, "Going on with")
      const events = yield* eventsOf(cwd, idIn(ended.out))
      const completed = events.filter(({ type }) => type === "StepCompleted").map(({ meta }) => meta.path)
      assert.deepStrictEqual(completed, [...new Set(completed)])
      assert.deepStrictEqual(
        events.map(({ version }) => version),
        events.map((_, index) => index + 1)
      )
      assert.strictEqual(events.filter(({ type }) => type === "RunRecovered").length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("waits for approval, over a kill, and undoes the staged report when refused", () =>
    Effect.gen(function* () {
      const root = yield* repository
      const cwd = yield* folder
      const waiting = yield* tutti(cwd, ["audit", "--path", root, "--approve"], (out) =>
        out.includes("waits for approval")
      )
      assert.isNull(waiting.code)
      const id = idIn(waiting.out)
      // Whoever goes on is told what to do, too, though nobody says --approve again.
      const again = yield* tutti(cwd, ["audit", "--path", root], (out) => /taken over[^]*waits for approval/.test(out))
      assert.isNull(again.code)
      assert.match(again.out, /\d+ steps recorded before the stop/)
      const refusal = yield* tutti(cwd, ["approve", id, "--reject"])
      assert.strictEqual(refusal.code, 0, refusal.err)
      const ended = yield* tutti(cwd, ["audit", "--path", root])
      assert.strictEqual(ended.code, 1)
      assert.match(ended.err, /refused/)
      assert.deepStrictEqual(Fs.readdirSync(Path.join(cwd, "report")), [])
    }).pipe(Effect.scoped)
  )

  it.effect("a second process on the same audit is told so, and loses nothing", () =>
    Effect.gen(function* () {
      const root = yield* repository
      const cwd = yield* folder
      let second: Ended | undefined
      const first = yield* Effect.forkChild(
        tutti(cwd, ["audit", "--path", root, "--approve"], () => second !== undefined)
      )
      while (second === undefined) {
        const runs = yield* tutti(cwd, ["runs"])
        if (runs.out.includes("Audit/")) second = yield* tutti(cwd, ["audit", "--path", root])
      }
      assert.strictEqual(second.code, 1, second.out)
      assert.match(second.err, /Another process is working on/)
      first.interruptUnsafe()
    }).pipe(Effect.scoped)
  )
})
