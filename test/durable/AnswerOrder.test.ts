/** Answers that are stored in one batch are heard one at a time, so that who lost a race meanwhile does nothing further. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import { Agent, Orchestration, PatternEvent, Step, Task } from "../../src/index.ts"
import { Simulation } from "../../src/testing/index.ts"

const Count = Task.make("Count", { input: { n: Schema.Int }, output: Schema.Int })
const leaf = (name: string) =>
  Agent.make(name, { task: Count, run: ({ n }) => Effect.succeed(n) }).pipe(Agent.transform(Effect.orDie))
const [quick, slow, after] = [leaf("quick"), leaf("slow"), leaf("after")]

/** Goes on and on until it is interrupted. */
const losing = Effect.gen(function* () {
  for (let n = 0; n < 5; n++) {
    yield* slow.run({ n })
    yield* PatternEvent.state({ _tag: "RouteChosen", route: String(n) })
  }
})

const Race = Orchestration.make("Race", {
  input: {},
  output: Schema.Void,
  key: () => "one",
  run: () =>
    Effect.gen(function* () {
      yield* Step.race({ x: quick.run({ n: 0 }), y: losing, z: losing })
      yield* after.run({ n: 1 })
      yield* after.run({ n: 2 })
    })
})

const scenario = Effect.flatMap(Race.start({}), (handle) => handle.await)

it.effect("L6: a crash at any moment of a race leaves a journal that its replay agrees with", () =>
  Effect.gen(function* () {
    let crashes = 0
    for (let seed = 0; seed < 60; seed++) {
      for (let mutation = 3; mutation < 14; mutation++) {
        const { died, exit, problems } = yield* Simulation.run({ layer: Race.layer }, scenario, {
          seed,
          crashes: [{ mutation, when: "after" }]
        })
        crashes += died
        assert.isTrue(exit !== undefined && Exit.isSuccess(exit), `seed ${seed}, mutation ${mutation}: ${String(exit)}`)
        assert.deepStrictEqual(problems, [])
      }
    }
    assert.isAbove(crashes, 300)
  })
)
