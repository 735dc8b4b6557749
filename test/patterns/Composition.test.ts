/**
 * Every pattern in every other: they nest without limit, and each nest is as durable, and as undoable, as its parts.
 *
 * `SEEDS=20 npx vitest run test/patterns/Composition.test.ts` sweeps, deepens and cancels more of them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { readFileSync } from "node:fs"
import { RunCancelled } from "../../src/index.ts"
import { CrashSweep, type Simulation } from "../../src/testing/index.ts"
import {
  cancelled,
  type Cancelled,
  lots,
  modes,
  nameOf,
  needsRun,
  type Nest,
  outcomeOf,
  perform
} from "./composition/composition.ts"
import { patterns, policies } from "./composition/patterns.ts"

const all = [...patterns, ...policies]

const seeds = Number(process.env["SEEDS"] ?? 1)

/** As many nests of this depth, each drawn by its seed. */
const drawn = (count: number, depth: number): ReadonlyArray<{ readonly seed: number; readonly nest: Nest }> =>
  Array.from({ length: count * seeds }, (_, seed) => {
    const draw = lots(seed * 100 + depth)
    return { seed, nest: Array.from({ length: depth }, () => all[draw(all.length)]!) }
  })

const equalEverywhere = (nest: Nest) =>
  Effect.gen(function* () {
    const where = nameOf(nest)
    const first = perform(nest)
    const expected = outcomeOf(first, yield* modes[needsRun(nest) ? "journal" : "plain"](first))
    assert.property(expected.outcome, "success", where)
    assert.match(JSON.stringify(expected.outcome), /leaf\(/, where)
    for (const mode of ["ephemeral", "journal", "always replaying", "always replaying in any order"] as const) {
      const performance = perform(nest)
      const outcome = outcomeOf(performance, yield* modes[mode](performance))
      assert.deepStrictEqual(outcome, expected, `${where}, ${mode}`)
      if (!mode.startsWith("always replaying")) assert.strictEqual(performance.stage.fibers, 0, `${where}, ${mode}`)
    }
  })

describe("plain, ephemeral, journaled and always replaying come to the same", () => {
  for (const entry of all) it.effect(`${entry.name}`, () => equalEverywhere([entry]))

  for (const outer of all) {
    it.effect(`${outer.name} of each`, () =>
      Effect.forEach(all, (inner) => equalEverywhere([outer, inner]), { discard: true })
    )
  }

  it.effect("nests of three", () =>
    Effect.forEach(drawn(25, 3), ({ nest }) => equalEverywhere(nest), { discard: true })
  )

  it.effect("nests of four", () => Effect.forEach(drawn(6, 4), ({ nest }) => equalEverywhere(nest), { discard: true }))
})

describe("a crash at every mutation changes nothing", () => {
  const sweep = (nest: Nest, options: CrashSweep.Options) =>
    Effect.gen(function* () {
      const first = perform(nest)
      const { done, undone } = outcomeOf(first, yield* modes.journal(first))
      const report = yield* CrashSweep.check(() => {
        const performance = perform(nest)
        const invariant = Effect.sync(() => {
          const { stage } = performance
          assert.deepStrictEqual(stage.done.toSorted(), done, nameOf(nest))
          assert.deepStrictEqual(stage.undone.toSorted(), undone, nameOf(nest))
        })
        return { ...performance, input: {}, key: "one", invariant }
      }, options)
      assert.isAbove(report.crashes, 0)
    })

  // What is not drawn is swept, too: in a transaction that has something to undo.
  const sample = drawn(12, 2)
  const saga = all.find(({ name }) => name === "Saga")!
  const undrawn = all.filter((entry) => !sample.some(({ nest }) => nest.includes(entry)))
  for (const { nest, seed } of [...sample, ...undrawn.map((entry, seed) => ({ nest: [saga, entry], seed }))]) {
    // Every other one in an order of its own.
    const options = seed % 2 === 0 ? {} : { seed }
    it.effect(`${nameOf(nest)}, ${seed}`, () => sweep(nest, options), 60_000)
  }
})

describe("cancelled at any moment, nothing goes on and everything is undone", () => {
  const isCancelled = (exit: Exit.Exit<unknown, unknown>): boolean =>
    Exit.isFailure(exit) && (Cause.hasInterrupts(exit.cause) || Cause.squash(exit.cause) instanceof RunCancelled)

  const cancel = (nest: Nest, seed: number, how: keyof typeof cancelled) =>
    Effect.gen(function* () {
      const whole = perform(nest)
      yield* modes[how](whole)
      const performance = perform(nest)
      const where = `${nameOf(nest)}, ${how}, seed ${seed}`
      const result: Simulation.Result = yield* cancelled[how](performance, lots(seed)(whole.stage.lastEnd))
      assert.isTrue(result.exit !== undefined && Exit.isSuccess(result.exit), where)
      const { afterwards, atEnd, exit } = (result.exit as Exit.Success<Cancelled>).value
      // No orphan: what had begun has ended, and nothing begins any more.
      assert.deepStrictEqual(atEnd, { alive: 0, begun: atEnd.begun, fibers: 0 }, where)
      assert.deepStrictEqual(afterwards, atEnd, where)
      assert.deepStrictEqual(result.problems, [], where)
      if (Exit.isSuccess(exit)) return "ended before"
      assert.isTrue(isCancelled(exit), `${where}: ${exit}`)
      const { done, undone } = performance.stage
      assert.deepStrictEqual(undone.toSorted(), done.toSorted(), where)
      return done.length === 0 ? "nothing done" : "undone"
    })

  for (const how of ["plain", "journal"] as const) {
    const can = (nest: Nest) => how === "journal" || !needsRun(nest)

    it.effect(`${how}: every pattern`, () =>
      Effect.gen(function* () {
        const outcomes: Array<string> = []
        for (const [place, entry] of all.entries()) {
          for (let seed = 1; can([entry]) && seed <= 3 * seeds; seed++) {
            outcomes.push(yield* cancel([entry], place * 1000 + seed, how))
          }
        }
        assert.includeMembers(outcomes, ["undone", "nothing done"])
      })
    )

    it.effect(`${how}: nests of two and three`, () =>
      Effect.gen(function* () {
        const outcomes: Array<string> = []
        for (const { nest, seed } of [...drawn(40, 2), ...drawn(20, 3)]) {
          if (can(nest)) outcomes.push(yield* cancel(nest, seed, how))
        }
        assert.isAbove(outcomes.filter((outcome) => outcome === "undone").length, outcomes.length / 3)
      })
    )
  }
})

describe("the registry", () => {
  /** What stands beside patterns and policies: parts of them, and what makes them. */
  const others = new Set([
    "Consensus",
    "Directive",
    "GraphPlan",
    "Health",
    "Join",
    "PatternLibrary",
    "PatternTemplate",
    "Policy",
    "Routing",
    "Verdict"
  ])

  it("has every pattern and every policy that is exported", () => {
    const index = readFileSync(new URL("../../src/index.ts", import.meta.url), "utf8")
    const exported = [...index.matchAll(/export \* as (\w+) from "\.\/(?:patterns|policies)\//g)].map(
      ([, name]) => name!
    )
    assert.sameMembers(
      exported.filter((name) => !others.has(name)),
      all.map(({ name }) => name)
    )
  })
})
