/** A graph inside a run: what was recorded is not run again, and every decision falls as it did before. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Memory from "../../src/backends/Memory.ts"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import type { Engine } from "../../src/durable/Engine.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import * as Join from "../../src/patterns/task-graph/Join.ts"
import * as TaskGraph from "../../src/patterns/task-graph/TaskGraph.ts"

const Call = Task.make("Call", { input: { name: Schema.String, turns: Schema.Int }, output: Schema.String })

/** Answers after some turns of the scheduler, so that calls overtake each other, and stops for good at the call given. */
const makeActor = (stopAt: number) => {
  const calls: Array<string> = []
  const stopped = Deferred.makeUnsafe<void>()
  const actor = Agent.make("actor", {
    task: Call,
    run: ({ name, turns }) =>
      Effect.suspend(() => {
        calls.push(name)
        if (calls.length === stopAt) return Effect.andThen(Deferred.succeed(stopped, undefined), Effect.never)
        return Effect.as(Effect.repeat(Effect.yieldNow, { times: turns }), name)
      })
  })
  return { actor, calls, stopped: Deferred.await(stopped) }
}

const makeGraph = (actor: Agent.Agent<typeof Call.input.Type, string, any>) => {
  const input = { input: { seed: Schema.String } }
  const call = (name: string, turns: number) => () => ({ name, turns })
  const inner = TaskGraph.make("inner", { ...input, concurrency: 1 })
    .add("one", actor, { input: call("one", 5) })
    .add("two", actor, { input: call("two", 3), priority: 1 })
    .add("three", actor, { after: ["one", "two"], input: call("three", 0) })
  return TaskGraph.make("release", { ...input, concurrency: 4 })
    .add("slow", actor, { input: call("slow", 40) })
    .add("fast", actor, { input: call("fast", 2) })
    .add("race", actor, {
      after: ["slow", "fast"],
      join: Join.race,
      input: (d) => ({ name: `race ${d.slow ?? d.fast}`, turns: 4 })
    })
    .add("inner", inner, { input: (_, i) => i })
    .addEach("each", actor, {
      after: ["fast"],
      over: ({ fast }) => ["a", "b", "c", "d"].map((key) => `${fast}-${key}`),
      input: (name, _, { seed }) => ({ name: `${name}-${seed}`, turns: 10 - (name.charCodeAt(5) % 7) }),
      key: (name) => name,
      concurrency: 2
    })
    .add("any", actor, {
      after: ["race", "inner", "each"],
      join: Join.any,
      input: (d) => ({
        name: `any ${Object.keys(d)
          .filter((k) => d[k as "race"] !== undefined)
          .join()}`,
        turns: 1
      })
    })
    .add("skipped", actor, { after: ["race"], when: () => false, input: call("never", 0) })
    .add("after", actor, { after: ["skipped"], input: call("never", 0) })
    .add("report", actor, {
      after: ["after", "any", "each"],
      join: Join.settled,
      input: (d) => ({ name: `report ${d.after} ${d.any}`, turns: 0 })
    })
}

const makeRelease = (actor: Agent.Agent<typeof Call.input.Type, string, any>) =>
  Orchestration.make("Release", {
    input: { seed: Schema.String },
    output: Schema.String,
    key: ({ seed }) => seed,
    run: (input) =>
      makeGraph(actor)
        .run(input)
        .pipe(
          Effect.map((output) => JSON.stringify(output)),
          Effect.orDie
        )
  })

const inRuntime = <A, E, R>(
  state: Memory.MemoryState,
  layer: Layer.Layer<R, any, Engine>,
  effect: Effect.Effect<A, E, R | Memory.Services>
) =>
  Effect.provide(effect, Layer.fresh(layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0 })))), {
    local: true
  })

/** Paths of all answers, in the order in which they were recorded. */
const history = Effect.gen(function* () {
  const { readArray } = yield* EventStore
  const events = yield* readArray("run/Release/s" as never)
  return events.map((event) => `${event.type} ${event.meta.path ?? ""}`)
})

const uninterrupted = Effect.gen(function* () {
  const { actor, calls } = makeActor(-1)
  const Release = makeRelease(actor)
  const [output, events] = yield* inRuntime(
    Memory.makeState(),
    Release.layer,
    Effect.zip(Release.run({ seed: "s" }), history)
  )
  return { output, calls, events }
})

describe("TaskGraph in a run", () => {
  it.effect("G9: the history reads like the graph", () =>
    Effect.gen(function* () {
      const { events, output } = yield* uninterrupted
      assert.deepStrictEqual(events.filter((event) => event.includes("NodeSkipped")).toSorted(), [
        "NodeSkipped release/after/~NodeSkipped",
        "NodeSkipped release/skipped/~NodeSkipped",
        "NodeSkipped release/slow/~NodeSkipped"
      ])
      assert.includeMembers(events, [
        "StepCompleted release/each/fast-a/actor",
        "StepCompleted release/inner/inner/three/actor",
        "StepCompleted release/report/actor"
      ])
      assert.include(output, `"report":"report undefined any`)
      assert.notInclude(output, `"slow"`)
    })
  )

  it.effect("G9: a run stopped at any call goes on in a second process and decides the same", () =>
    Effect.gen(function* () {
      const { calls } = yield* uninterrupted
      for (let stopAt = 1; stopAt <= calls.length; stopAt++) {
        const state = Memory.makeState()
        const first = makeActor(stopAt)
        const Before = makeRelease(first.actor)
        const recorded = yield* inRuntime(
          state,
          Before.layer,
          Before.start({ seed: "s" }).pipe(Effect.andThen(first.stopped), Effect.andThen(history))
        )
        const second = makeActor(-1)
        const After = makeRelease(second.actor)
        const [output, events] = yield* inRuntime(state, After.layer, Effect.zip(After.run({ seed: "s" }), history))
        const known = recorded.filter((event) => event.startsWith("StepCompleted"))
        // What was recorded stands, is not recorded again, and was not called again.
        assert.deepStrictEqual(events.slice(0, recorded.length), recorded)
        const steps = events.filter((event) => event.startsWith("StepCompleted"))
        assert.strictEqual(new Set(steps).size, steps.length)
        assert.isAtMost(second.calls.length, calls.length - known.length + 1)
        assert.include(output, `"three":"three"`)
        assert.isFalse(events.some((event) => event.startsWith("RunBlocked")))
      }
    })
  )
})
