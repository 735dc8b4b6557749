/** One program of a seed under several circumstances; a failure is shrunk before it is told. */
import { Effect } from "effect"
import * as Trial from "./Trial.ts"
import * as Tree from "./Tree.ts"

export interface Outcome {
  readonly trials: number
  readonly crashes: number
  /** `undefined`: none. */
  readonly failure: string | undefined
}

const trialsEach = 8

/** Tries of one smaller program: another program has another interleaving. */
const triesEach = 12

export const one = (seed: number): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const draw = Tree.drawing(seed)
    const tree = Tree.generate(draw)
    const calm = yield* Trial.run(tree, Trial.calm)
    if (calm.wrong !== undefined) return failed(1, 0, yield* told(seed, { tree, in: Trial.calm, wrong: calm.wrong }))
    let crashes = 0
    for (let trial = 1; trial <= trialsEach; trial++) {
      const world = Trial.circumstances(draw, calm.mutations)
      const report = yield* Trial.run(tree, world)
      crashes += report.died
      const wrong = report.wrong ?? disagreement(tree, { world, calm, report })
      if (wrong !== undefined) return failed(trial, crashes, yield* told(seed, { tree, in: world, wrong }))
    }
    return { trials: trialsEach, crashes, failure: undefined }
  })

interface Failure {
  readonly tree: Tree.Tree
  readonly in: Trial.Circumstances
  readonly wrong: string
}

const failed = (trials: number, crashes: number, failure: string): Outcome => ({ trials, crashes, failure })

const disagreement = (
  tree: Tree.Tree,
  {
    calm,
    report,
    world
  }: { readonly world: Trial.Circumstances; readonly calm: Trial.Report; readonly report: Trial.Report }
): string | undefined =>
  Trial.mustAgree(tree, world) && report.outcome !== calm.outcome
    ? `its outcome is "${report.outcome}" instead of "${calm.outcome}"`
    : undefined

/** Whether a smaller program fails, too. */
const fails = (tree: Tree.Tree, first: Trial.Circumstances, draw: Tree.Draw): Effect.Effect<Failure | undefined> =>
  Effect.gen(function* () {
    const calm = yield* Trial.run(tree, Trial.calm)
    if (calm.wrong !== undefined) return { tree, in: Trial.calm, wrong: calm.wrong }
    for (let attempt = 0; attempt < triesEach; attempt++) {
      const world = attempt === 0 ? first : Trial.circumstances(draw, calm.mutations)
      const report = yield* Trial.run(tree, world)
      const wrong = report.wrong ?? disagreement(tree, { world, calm, report })
      if (wrong !== undefined) return { tree, in: world, wrong }
    }
    return undefined
  })

const shrunk = (failure: Failure): Effect.Effect<Failure> =>
  Effect.gen(function* () {
    const draw = Tree.drawing(0)
    let smallest = failure
    let budget = 150
    for (let found = true; found && budget > 0;) {
      found = false
      for (const tree of Tree.smaller(smallest.tree)) {
        if (budget-- <= 0) break
        const less = yield* fails(tree, smallest.in, draw)
        if (less === undefined) continue
        smallest = less
        found = true
        break
      }
    }
    return smallest
  })

const told = (seed: number, failure: Failure): Effect.Effect<string> =>
  Effect.map(shrunk(failure), (smallest) =>
    [
      `seed ${seed}: ${failure.wrong}`,
      `  in ${JSON.stringify(failure.in)}`,
      `  shrunk to ${Tree.show(smallest.tree)}`,
      `  in ${JSON.stringify(smallest.in)}: ${smallest.wrong}`
    ].join("\n")
  )
