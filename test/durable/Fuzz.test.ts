/**
 * Random programs through random crashes, replays and cancellations. `SEEDS=2000` tries more, `FUZZ_FROM=17` begins there.
 */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Fuzz from "./fuzz/Fuzz.ts"
import * as Trial from "./fuzz/Trial.ts"
import type { Tree } from "./fuzz/Tree.ts"

const seeds = Number(process.env["SEEDS"] ?? 60)
const from = Number(process.env["FUZZ_FROM"] ?? 1)

it.effect(
  "no program notices a crash, a replay or a cancellation by anything but its outcome",
  () =>
    Effect.gen(function* () {
      const tally = { programs: 0, trials: 0, crashes: 0 }
      for (let seed = from; seed < from + seeds; seed++) {
        const { crashes, failure, trials } = yield* Fuzz.one(seed)
        if (failure !== undefined) assert.fail(failure)
        tally.programs++
        tally.trials += trials
        tally.crashes += crashes
      }
      assert.isAbove(tally.crashes, seeds)
      yield* Effect.logDebug(tally)
    }),
  3_600_000
)

it.effect("a cancellation that the end of the program overtook does not block the run on replay", () =>
  Effect.gen(function* () {
    const say: Tree = { kind: "Say", id: 1, size: 0, kids: [] }
    const timed: Tree = { kind: "Timeout", id: 0, size: 0, kids: [say] }
    for (const when of ["before", "after"] as const) {
      for (let mutation = 4; mutation < 10; mutation++) {
        const world: Trial.Circumstances = { ...Trial.calm, crashes: [{ mutation, when }], cancelAfter: 4 }
        assert.isUndefined((yield* Trial.run(timed, world)).wrong, `${when} mutation ${mutation}`)
      }
    }
  })
)

it.effect("a cancellation is heard when the program has come to rest, however often it yields before", () =>
  Effect.gen(function* () {
    for (const turns of [0, 3, 4, 5, 7, 30]) {
      const say = (id: number): Tree => ({ kind: "Say", id, size: 0, kids: [] })
      const yielding: Tree = { kind: "Yield", id: 2, size: turns, kids: [] }
      const tree: Tree = { kind: "Seq", id: 0, size: 0, kids: [say(1), yielding, say(3)] }
      for (const cancelAfter of [1, 2, 3]) {
        const { wrong } = yield* Trial.run(tree, { ...Trial.calm, alwaysReplay: true, cancelAfter })
        assert.isUndefined(wrong, `${turns} turns, cancelled after ${cancelAfter}`)
      }
    }
  })
)

it.effect("a transaction that fails names the irreversible steps of itself and of those inside it that succeeded", () =>
  Effect.gen(function* () {
    const sent = (id: number): Tree => ({ kind: "Irreversible", id, size: 1, kids: [] })
    const inner: Tree = { kind: "Saga", id: 3, size: 1, kids: [sent(4)] }
    const both: Tree = { kind: "Seq", id: 1, size: 0, kids: [sent(2), inner] }
    const outer: Tree = { kind: "Saga", id: 0, size: 0, kids: [both] }
    for (const seed of [undefined, 1, 2, 3]) {
      for (const alwaysReplay of [false, true]) {
        const { outcome, wrong } = yield* Trial.run(outer, { ...Trial.calm, seed, alwaysReplay, pauseAfter: 3 })
        assert.deepStrictEqual([outcome, wrong], ["Refused", undefined])
      }
    }
  })
)
