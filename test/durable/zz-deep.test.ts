import { assert, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { CrashSweep } from "../../src/testing/index.ts"
import { programs } from "./programs.ts"
const SEEDS = Number(process.env.SEEDS ?? 3)
for (const program of programs) {
  it.effect(
    program.name,
    () =>
      Effect.gen(function* () {
        const make = () => {
          const made = program.make()
          const invariant = Effect.sync(() => {
            if (made.effects.length > 0) assert.deepStrictEqual(made.outside.toSorted(), made.effects)
          })
          return { ...made, input: {}, key: "one", invariant }
        }
        for (let seed = 1; seed <= SEEDS; seed++) {
          const exit = yield* Effect.exit(CrashSweep.check(make, { seed, depth: Number(process.env.DEPTH ?? 1) }))
          if (Exit.isFailure(exit)) {
            console.log(program.name, String((exit.cause.reasons[0] as any).error?.message ?? exit.cause))
            throw new Error("failed")
          } else if (seed === 1)
            console.log(program.name, exit.value.mutations, exit.value.crashes, exit.value.unfired.length)
        }
      }),
    300000
  )
}
