/** Answers that are stored in one batch are heard one at a time, so that who lost a race meanwhile does nothing further. */
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schema } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import { Agent, type Engine, Orchestration, PatternEvent, Step, Task, Timer } from "../../src/index.ts"
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

const yields = (times: number) => Effect.forEach(Array(times), () => Effect.yieldNow, { discard: true })

/** One run, the process of which stops after each of these mutations, comes to the same end. */
const survives = <Name extends string, A>(
  orchestration: Orchestration.Orchestration<Name, {}, A, unknown, never>,
  options: {
    readonly from: number
    readonly to: number
    readonly expected: A | undefined
    readonly where: string
    readonly layer?: Layer.Layer<Orchestration.Registered<Name>, unknown, Engine>
    readonly stores?: Simulation.Plan["stores"]
  }
) =>
  Effect.gen(function* () {
    const { expected, from, layer = orchestration.layer, stores, to, where } = options
    const scenario = Effect.flatMap(orchestration.start({}), (handle) => handle.await)
    for (let mutation = from; mutation < to; mutation++) {
      const crashes = [{ mutation, when: "after" as const }]
      const plan = { seed: undefined, crashes, ...(stores === undefined ? {} : { stores }) }
      const { exit } = yield* Simulation.run({ layer }, scenario, plan)
      assert.deepStrictEqual(exit, Exit.succeed(expected), `${where}, mutation ${mutation}`)
    }
  })

/** A race in a race, and two steps: the inner one is to win, live and replayed. */
const nested = (name: string, inner: Effect.Effect<number>, outer: Effect.Effect<unknown>) =>
  Orchestration.make(name, {
    input: {},
    output: Schema.String,
    key: () => "one",
    run: () =>
      Effect.gen(function* () {
        const answer = yield* Step.race({ inner: Effect.as(inner, "inner"), outer: Effect.as(outer, "outer") })
        yield* after.run({ n: 1 })
        yield* after.run({ n: 2 })
        return answer
      })
  })

/** The winner goes on for some turns after its answer, and the loser takes some before its question. */
const unequal = (ahead: number, behind: number) =>
  Orchestration.make("Unequal", {
    input: {},
    output: Schema.Void,
    key: () => "one",
    run: () =>
      Effect.gen(function* () {
        yield* Step.race({
          x: Effect.andThen(quick.run({ n: 0 }), yields(ahead)),
          y: Effect.andThen(yields(behind), losing)
        })
        yield* after.run({ n: 1 })
      })
  })

it.effect("L6: who has heard an answer goes on to its next question before anybody hears another", () =>
  Effect.gen(function* () {
    for (const ahead of [1, 4, 7, 20]) {
      for (const behind of [0, 1, 2, 3, 5]) {
        const where = `${ahead} ahead, ${behind} behind`
        yield* survives(unequal(ahead, behind), { from: 2, to: 10, expected: undefined, where })
      }
    }
  })
)

/** The loser is interrupted in its body, and takes some turns to release what it holds. */
const releasing = (turns: number) => {
  const held = Agent.make("held", {
    task: Count,
    run: () => Effect.onInterrupt(Effect.never, () => yields(turns))
  })
  const inner = Step.race({ quick: quick.run({ n: 0 }), held: Effect.orDie(held.run({ n: 0 })) })
  return nested("Releasing", inner, slow.run({ n: 0 }))
}

it.effect("L6: a loser that is interrupted has left its step before anybody hears another answer", () =>
  Effect.forEach([0, 1, 5, 20], (turns) =>
    survives(releasing(turns), { from: 2, to: 7, expected: "inner", where: `${turns} turns` })
  )
)

/** Stores whose commits take their time. */
const slowStores = Effect.sync(() => {
  const slow = Effect.map(EventStoreDriver, (driver) =>
    EventStoreDriver.of({
      ...driver,
      append: (requests) => Effect.andThen(Effect.sleep("10 millis"), driver.append(requests))
    })
  )
  return Layer.provideMerge(Layer.effect(EventStoreDriver, slow), Memory.storesOf(Memory.makeState()))
})

/** The loser is interrupted while it records that it waits for a timer. */
const recording = (behind: number) => {
  const waiting = Effect.as(Effect.andThen(yields(behind), Timer.sleep("1 hour")), 0)
  return nested("Recording", Step.race({ quick: quick.run({ n: 0 }), waiting }), slow.run({ n: 0 }))
}

it.effect("L6: a loser that is interrupted while it records has left before anybody hears another answer", () =>
  Effect.forEach([0, 1, 3, 5], (behind) =>
    survives(recording(behind), { from: 2, to: 7, expected: "inner", where: `${behind} behind`, stores: slowStores })
  )
)

const Child = Orchestration.make("Child", {
  input: {},
  output: Schema.Number,
  key: () => "child",
  run: () => Effect.as(Timer.sleep("1 day"), 0)
})

it.effect("L6: a loser's child is cancelled before anybody hears another answer", () => {
  const inner = Step.race({ timer: Effect.as(Timer.sleep("1 minute"), 0), child: Effect.orDie(Child.run({})) })
  const parent = nested("Parent", inner as Effect.Effect<number>, Timer.sleep("1 minute"))
  const layer = Layer.provideMerge(parent.layer, Child.layer)
  return survives(parent, { from: 5, to: 14, expected: "inner", where: "child", layer, stores: slowStores })
})
