import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { layerNode, Workspace } from "../../../src/cli/audit/Workspace.ts"
import { folder, git } from "./fixture.ts"

describe("Workspace", () => {
  it.layer(layerNode)((it) => {
    it.effect("inspects without following links; nothing there is an answer", () =>
      Effect.gen(function* () {
        const workspace = yield* Workspace
        const root = yield* folder({ "a.txt": "abc" })
        fs.symlinkSync("/nowhere", `${root}/link`)
        const inspect = (path: string) => workspace.inspect(`${root}${path}`)
        assert.deepStrictEqual(yield* inspect("/a.txt"), { kind: "File", bytes: 3, access: "Readable" })
        assert.strictEqual((yield* inspect("")).kind, "Folder")
        assert.strictEqual((yield* inspect("/link")).kind, "Link")
        assert.strictEqual((yield* inspect("/none")).kind, "Missing")
        assert.strictEqual((yield* inspect("/a.txt/none")).kind, "Missing")
      })
    )

    it.effect("lists by name, writes into new folders, moves and removes", () =>
      Effect.gen(function* () {
        const workspace = yield* Workspace
        const root = yield* folder({ b: "", "a/x": "" })
        yield* workspace.writeText(`${root}/c/d/new`, "text")
        yield* workspace.rename(`${root}/c/d/new`, `${root}/c/d/moved`)
        assert.strictEqual(yield* workspace.readText(`${root}/c/d/moved`), "text")
        yield* workspace.remove(`${root}/b`)
        yield* workspace.remove(`${root}/b`)
        assert.deepStrictEqual(yield* workspace.list(root), [
          { name: "a", kind: "Folder" },
          { name: "c", kind: "Folder" }
        ])
      })
    )

    it.effect("an operation that fails says which, where and why", () =>
      Effect.gen(function* () {
        const workspace = yield* Workspace
        const root = yield* folder({})
        const error = yield* Effect.flip(workspace.readText(`${root}/none`))
        assert.strictEqual(error.message, `Cannot read ${root}/none (ENOENT)`)
        const failed = yield* Effect.flip(workspace.git(root, ["no-such-command"]))
        assert.match(failed.message, /^git no-such-command failed with exit code 1: /)
      })
    )

    it.effect("interruption kills git", () =>
      Effect.gen(function* () {
        const workspace = yield* Workspace
        const root = yield* folder({})
        const fiber = yield* Effect.forkChild(workspace.git(root, ["-c", "alias.wait=!sleep 600", "wait"]), {
          startImmediately: true
        })
        yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      })
    )

    it.effect("a repository under audit cannot run programs of its own", () =>
      Effect.gen(function* () {
        const workspace = yield* Workspace
        const root = yield* folder({ "a.ts": "", "evil.sh": '#!/bin/sh\ntouch "$(dirname "$0")/ran"\n' })
        fs.chmodSync(`${root}/evil.sh`, 0o755)
        git(root, "init")
        git(root, "config", "core.fsmonitor", `${root}/evil.sh`)
        yield* workspace.git(root, ["ls-files", "--cached", "--others"])
        assert.isFalse(fs.existsSync(`${root}/ran`))
      })
    )
  })
})
