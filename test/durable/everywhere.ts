/**
 * Equal results everywhere: outside of every run, on each engine, with memory thrown away at every answer, under
 * seeds, and after a crash at every durable mutation.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Embedded from "../../src/backends/Embedded.ts"
import { EphemeralEngine } from "../../src/index.ts"
import { CrashSweep, Simulation } from "../../src/testing/index.ts"
import { temporaryFile } from "../backends.ts"
import { type Made, plainExit, type Program } from "./program.ts"

const embedded: NonNullable<Simulation.Options["stores"]> = Effect.map(temporaryFile, (filename) =>
  Embedded.stores({ filename, pollInterval: "365 days" })
)

/** More of them find more: `SEEDS=50 npx vitest run test/durable/Programs.test.ts`. */
const seeds = Number(process.env["SEEDS"] ?? 1)

const inRun = (made: Made) =>
  Effect.gen(function* () {
    const handle = yield* made.orchestration.start({}, { key: "one" })
    return yield* Effect.raceFirst(handle.await, Effect.andThen(made.drive?.(handle) ?? Effect.void, Effect.never))
  })

const noCrash = { seed: undefined, crashes: [] }

const agrees = (made: Made, { exit, problems }: Simulation.Result) => {
  assert.isDefined(exit, "it waits for something that never comes")
  assert.deepStrictEqual(plainExit(exit), plainExit(made.expected))
  assert.deepStrictEqual(problems, [])
  if (made.effects.length > 0) assert.deepStrictEqual(made.outside.toSorted(), made.effects)
}

/** Declares the tests of one program. */
export const everywhere = (program: Program): void => {
  describe(program.name, () => {
    if (program.needsEngine !== true) {
      it.effect("plain", () =>
        Effect.gen(function* () {
          const made = program.make()
          agrees(made, yield* Simulation.run({ layer: Layer.empty }, made.plain, noCrash))
        })
      )
    }

    it.effect("ephemeral", () =>
      Effect.gen(function* () {
        const made = program.make()
        const world = { layer: made.layer.pipe(Layer.provideMerge(EphemeralEngine.layer({ lease: "365 days" }))) }
        agrees(made, yield* Simulation.run(world, inRun(made), noCrash))
      })
    )

    it.effect("memory", () =>
      Effect.gen(function* () {
        const made = program.make()
        agrees(made, yield* Simulation.run(made, inRun(made), noCrash))
      })
    )

    it.effect("embedded", () =>
      Effect.gen(function* () {
        const made = program.make()
        agrees(made, yield* Simulation.run(made, inRun(made), { ...noCrash, stores: embedded }))
      })
    )

    it.effect("always replaying", () =>
      Effect.gen(function* () {
        const made = program.make()
        const engine = { alwaysReplay: true }
        agrees(made, yield* Simulation.run(made, inRun(made), { ...noCrash, engine }))
      })
    )

    it.effect("under 10 seeds", () =>
      Effect.gen(function* () {
        for (let seed = 1; seed <= 10; seed++) {
          const made = program.make()
          agrees(made, yield* Simulation.run(made, inRun(made), { seed, crashes: [] }))
        }
      })
    )

    it.effect("crashed at every mutation", () => sweeps(program, {}))

    it.effect(
      `crashed at every mutation, under ${seeds} ${seeds === 1 ? "seed" : "seeds"}`,
      () => sweeps(program, { seeds }),
      600_000
    )
  })
}

const sweeps = (program: Program, options: CrashSweep.Options) =>
  Effect.gen(function* () {
    const report = yield* CrashSweep.check(() => {
      const made = program.make()
      const invariant = Effect.sync(() => {
        if (made.effects.length > 0) assert.deepStrictEqual(made.outside.toSorted(), made.effects)
      })
      return { ...made, input: {}, key: "one", invariant }
    }, options)
    assert.isAbove(report.crashes, 0)
  })
