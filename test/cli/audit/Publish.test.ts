import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { install, retract, settle, stage, unstage } from "../../../src/cli/audit/Publish.ts"
import { layerNode, Workspace } from "../../../src/cli/audit/Workspace.ts"
import { folder } from "./fixture.ts"

type Crash = "Before" | "Halfway" | "After"

/** A machine that dies at its n-th change of the disk; and a way to learn whether it did. */
const crashingAt = (n: number, moment: Crash) => {
  let changes = 0
  const fate = { crashed: false }
  const die = Effect.suspend(() => {
    fate.crashed = true
    return Effect.die("crash")
  })
  const layer = Layer.effect(
    Workspace,
    Effect.map(Workspace, (real) => {
      const dying = <A, E>(change: Effect.Effect<A, E>, halfway: Effect.Effect<unknown, E>): Effect.Effect<A, E> =>
        Effect.suspend(() => {
          if (++changes !== n) return change
          return Effect.andThen(moment === "Before" ? Effect.void : moment === "After" ? change : halfway, die)
        })
      return Workspace.of({
        ...real,
        writeText: (path, text) =>
          dying(real.writeText(path, text), real.writeText(path, text.slice(0, text.length / 2))),
        rename: (from, to) => dying(real.rename(from, to), Effect.void),
        remove: (path) => dying(real.remove(path), Effect.void)
      })
    })
  ).pipe(Layer.provide(layerNode))
  return { layer, fate }
}

const publish = (path: string, content: string) => {
  const publication = { path, runId: "run/1" }
  return {
    stage: stage({ publication, content }),
    unstage: unstage(publication),
    settle: settle(publication)
  }
}

const read = (path: string) => (fs.existsSync(path) ? fs.readFileSync(path, "utf8") : undefined)

interface Case {
  readonly moment: Crash
  readonly step: "stage" | "install" | "retract"
  readonly old: string | undefined
}

/** Publishes and retracts, with a crash in one step, which then runs again. Says whether there was a crash. */
const publishWithCrash = Effect.fnUntraced(function* ({ moment, old, step }: Case, n: number) {
  const root = yield* folder(old === undefined ? {} : { "R.md": old })
  const path = `${root}/R.md`
  const machine = crashingAt(n, moment)
  const run = <A, E>(name: Case["step"], effect: Effect.Effect<A, E, Workspace>) =>
    Effect.gen(function* () {
      if (name !== step) return yield* Effect.provide(effect, layerNode)
      const exit = yield* Effect.exit(Effect.provide(effect, machine.layer))
      assert.include([old, "new report"], read(path), `P1 at ${moment} ${step} ${n}`)
      return Exit.isSuccess(exit) ? exit.value : yield* Effect.provide(effect, layerNode)
    })
  const staged = yield* run("stage", publish(path, "new report").stage)
  const installed = yield* run("install", install(staged))
  assert.strictEqual(read(path), "new report")
  assert.strictEqual(installed.previous, old === undefined ? "None" : "Kept")
  yield* run("retract", retract(installed))
  assert.strictEqual(read(path), old, `P3 after ${moment} ${step} ${n}`)
  assert.deepStrictEqual(fs.readdirSync(root), old === undefined ? [] : ["R.md"])
  return machine.fate.crashed
})

describe("Publish", () => {
  for (const old of [undefined, "old report", "new report"]) {
    const before = old === undefined ? "no report" : `an ${old} before`

    it.effect(`installs, and leaves nothing else (${before})`, () =>
      Effect.gen(function* () {
        const root = yield* folder(old === undefined ? {} : { "R.md": old })
        const steps = publish(`${root}/R.md`, "new report")
        const installed = yield* install(yield* steps.stage)
        assert.strictEqual(installed.previous, old === undefined ? "None" : "Kept")
        yield* steps.settle
        assert.strictEqual(read(`${root}/R.md`), "new report")
        assert.deepStrictEqual(fs.readdirSync(root), ["R.md"])
      }).pipe(Effect.provide(layerNode))
    )

    it.effect(`P3: unstage and retract leave all as it was (${before})`, () =>
      Effect.gen(function* () {
        const root = yield* folder(old === undefined ? {} : { "R.md": old })
        const steps = publish(`${root}/R.md`, "new report")
        yield* steps.stage
        yield* steps.unstage
        yield* steps.unstage
        assert.strictEqual(read(`${root}/R.md`), old)
        const installed = yield* install(yield* steps.stage)
        yield* retract(installed)
        yield* retract(installed)
        assert.strictEqual(read(`${root}/R.md`), old)
        assert.deepStrictEqual(fs.readdirSync(root), old === undefined ? [] : ["R.md"])
      }).pipe(Effect.provide(layerNode))
    )

    it.effect(`P1, P2: a crash at any change of any step, then the step again (${before})`, () =>
      Effect.gen(function* () {
        let crashes = 0
        const cases = (["Before", "Halfway", "After"] as const).flatMap((moment) =>
          (["stage", "install", "retract"] as const).map((step) => ({ moment, step, old }))
        )
        for (const each of cases) {
          // One crash later each time, until the step makes fewer changes than that.
          for (let n = 1; yield* publishWithCrash(each, n); n++) crashes++
        }
        assert.isAtLeast(crashes, 12)
      })
    )
  }

  it.effect("P2: staging again after the install keeps the report before", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "R.md": "old" })
      const steps = publish(`${root}/R.md`, "new")
      yield* install(yield* steps.stage)
      const installed = yield* install(yield* steps.stage)
      yield* retract(installed)
      assert.strictEqual(read(`${root}/R.md`), "old")
      assert.deepStrictEqual(fs.readdirSync(root), ["R.md"])
    }).pipe(Effect.provide(layerNode))
  )

  it.effect("P4: retract leaves the report of somebody else", () =>
    Effect.gen(function* () {
      const root = yield* folder({ "R.md": "old" })
      const installed = yield* install(yield* publish(`${root}/R.md`, "new").stage)
      fs.writeFileSync(`${root}/R.md`, "by hand")
      yield* retract(installed)
      assert.strictEqual(read(`${root}/R.md`), "by hand")
      assert.deepStrictEqual(fs.readdirSync(root), ["R.md"])
    }).pipe(Effect.provide(layerNode))
  )

  it.effect("a staged report that is gone is a typed error", () =>
    Effect.gen(function* () {
      const root = yield* folder({})
      const steps = publish(`${root}/deep/R.md`, "new")
      const staged = yield* steps.stage
      yield* steps.unstage
      const error = yield* Effect.flip(install(staged))
      assert.strictEqual(error.message, `The report staged for ${root}/deep/R.md is gone.`)
    }).pipe(Effect.provide(layerNode))
  )
})
