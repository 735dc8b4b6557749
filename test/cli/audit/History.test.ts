import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { history } from "../../../src/cli/audit/History.ts"
import { GitError, layerNode, Workspace } from "../../../src/cli/audit/Workspace.ts"
import { commit, folder, git, write } from "./fixture.ts"

describe("History", () => {
  it.layer(layerNode)((it) => {
    it.effect("counts commits, authors, days and changes", () =>
      Effect.gen(function* () {
        const root = yield* folder({ "a.ts": "1", "sub/b ü.ts": "1", "gone.ts": "1" })
        git(root, "init")
        commit(root, { author: "a@x.y", date: "2024-01-01T00:00:00Z", subject: "first" })
        write(root, { "a.ts": "2", "gone.ts": "2" })
        commit(root, { author: "A@x.y", date: "2024-01-02T00:00:00Z", subject: "second" })
        fs.rmSync(`${root}/gone.ts`)
        write(root, { "sub/b ü.ts": "2", "a.ts": "3" })
        commit(root, { author: "b@x.y", date: "2024-01-11T12:00:00Z", subject: "third | one" })
        const told = yield* history({ root })
        if (told._tag !== "History") return assert.fail(told.reason)
        assert.deepInclude(told, { commits: 3, authors: 2, ageInDays: 10, depth: "Full" })
        assert.strictEqual(told.lastCommit.subject, "third | one")
        assert.match(told.lastCommit.date, /^2024-01-11T12:00:00/)
        assert.match(told.firstCommit, /^2024-01-01/)
        assert.deepStrictEqual(told.hotFiles, [
          { path: "a.ts", changes: 3 },
          { path: "sub/b ü.ts", changes: 2 }
        ])
        const below = yield* history({ root: `${root}/sub` })
        if (below._tag !== "History") return assert.fail(below.reason)
        assert.deepStrictEqual([below.commits, below.hotFiles], [2, [{ path: "b ü.ts", changes: 2 }]])
      })
    )

    it.effect("says why there is none", () =>
      Effect.gen(function* () {
        const root = yield* folder({ "a.ts": "" })
        assert.deepStrictEqual(yield* history({ root }), {
          _tag: "NoHistory",
          reason: "the folder is not in a git repository"
        })
        git(root, "init")
        assert.deepStrictEqual(yield* history({ root }), {
          _tag: "NoHistory",
          reason: "the repository has no commits yet"
        })
      })
    )

    it.effect("a shallow clone says so", () =>
      Effect.gen(function* () {
        const origin = yield* folder({ "a.ts": "1" })
        git(origin, "init")
        commit(origin, { author: "a@x.y", date: "2024-01-01T00:00:00Z", subject: "first" })
        write(origin, { "a.ts": "2" })
        commit(origin, { author: "a@x.y", date: "2024-01-02T00:00:00Z", subject: "second" })
        const root = yield* folder({})
        git(root, "clone", "--depth", "1", `file://${origin}`, "clone")
        assert.deepInclude(yield* history({ root: `${root}/clone` }), { commits: 1, depth: "Shallow" })
      })
    )
  })

  it.effect("no git on the machine is an answer too", () =>
    Effect.gen(function* () {
      const layer = Layer.effect(
        Workspace,
        Effect.map(Workspace, (real) =>
          Workspace.of({
            ...real,
            git: (_, args) => Effect.fail(new GitError({ arguments: [...args], exitCode: null, output: "" }))
          })
        )
      ).pipe(Layer.provide(layerNode))
      assert.deepStrictEqual(yield* history({ root: "/" }).pipe(Effect.provide(layer)), {
        _tag: "NoHistory",
        reason: "git could not be started"
      })
    })
  )
})
