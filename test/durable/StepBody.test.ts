/** What waits for a message to its run does not hang in the body of a step: it says where it belongs. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Agent,
  Engine,
  Orchestration,
  Run,
  Saga,
  Signal,
  Step,
  Task,
  Timer,
  Verdict,
  VerifyLoop
} from "../../src/index.ts"
import { CrashSweep } from "../../src/testing/index.ts"

const Go = Signal.make("go", { n: Schema.Int })
const Do = Task.make("Do", { input: {}, output: Schema.Int })

const received = Effect.map(Signal.await(Go), ({ n }) => n)
const receivedInTime = Effect.map(Signal.awaitFor(Go, "1 day"), Option.match({ onNone: () => 0, onSome: ({ n }) => n }))

const jobOf = (program: Effect.Effect<number, unknown, any>) =>
  Orchestration.make("Job", {
    input: {},
    output: Schema.Int,
    run: () => Effect.orDie(program) as Effect.Effect<number>
  })

const eventsOf = (runId: string) =>
  Effect.flatMap(Engine, (engine) => Effect.map(Stream.runCollect(engine.events(runId)), (events) => [...events]))

/** The outcome of a run of this program, and its events. */
const outcome = (program: Effect.Effect<number, unknown, any>) => {
  const job = jobOf(program)
  return Effect.gen(function* () {
    const handle = yield* job.start({}, { key: "one" })
    const exit = yield* Effect.exit(handle.await)
    return [exit, yield* eventsOf(handle.id)] as const
  }).pipe(Effect.provide(job.layer.pipe(Layer.provideMerge(Memory.layer))))
}

const defectOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "it succeeded"

const inAgent = <R>(body: Effect.Effect<number, any, R>) =>
  Agent.make("worker", { task: Do, run: () => Effect.orDie(body) }).run({})
const inStep = <R>(body: Effect.Effect<number, any, R>) =>
  Step.run("work", { output: Schema.Int, run: () => Effect.orDie(body) })

describe("a signal in the body of a step is a defect", () => {
  const says = (program: Effect.Effect<number, unknown, any>) =>
    Effect.gen(function* () {
      const [exit] = yield* outcome(program)
      assert.include(defectOf(exit), 'signal "go" cannot be received in the body of a step')
      assert.include(defectOf(exit), "Agent.compose")
    })

  it.effect("of an agent", () => says(inAgent(received)))
  it.effect("of Step.run", () => says(inStep(received)))
  it.effect("with a time limit, without waiting for it", () => says(inAgent(receivedInTime)))
  it.effect("of an agent that is called by another one", () => says(inAgent(inAgent(received))))
  it.effect("in a composed agent that is called there", () =>
    says(inAgent(Agent.compose("asks", { run: () => received }).run({})))
  )
  it.effect("with services that were captured in the program", () =>
    says(Effect.flatMap(Effect.context<never>(), (captured) => inStep(Run.provideCaptured(received, captured))))
  )
})

describe("elsewhere, signals are what they were", () => {
  it.effect("outside of every run: it waits", () =>
    Effect.gen(function* () {
      const plain = yield* Effect.forkChild(Effect.all([receivedInTime, Run.detached(receivedInTime)]))
      const never = yield* Effect.forkChild(inAgent(received), { startImmediately: true })
      yield* TestClock.adjust("2 days")
      assert.deepStrictEqual(yield* Fiber.join(plain), [0, 0])
      assert.isUndefined(never.pollUnsafe())
      yield* Fiber.interrupt(never)
    })
  )

  it.effect("outside of every run, also where a pattern goes back to a place taken before", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const ask = Effect.map(receivedInTime, (n) => void asked.push(n))
      const undone = Effect.void.pipe(
        Saga.undo(() => ask),
        Effect.andThen(Effect.fail("no")),
        Saga.transaction("t")
      )
      const looped = VerifyLoop.make("loop", {
        attempt: { agent: Agent.compose("attempt", { run: () => ask }), input: () => ({}) },
        verify: {
          agent: Agent.compose("verify", { run: () => Effect.succeed(Verdict.accepted()) }),
          input: () => ({})
        }
      }).run({})
      const captured = Effect.flatMap(Effect.context<never>(), (context) => Run.provideCaptured(ask, context))
      const fiber = yield* Effect.forkChild(Effect.all([Effect.flip(undone), looped, captured]))
      for (let day = 0; day < 4; day++) yield* TestClock.adjust("1 day")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(asked, [0, 0, 0])
    })
  )
  it.effect("outside of every run, with services that were captured in the body of a step", () =>
    Effect.gen(function* () {
      let captured: Context.Context<never> | undefined
      const capture = Effect.map(Effect.context<never>(), (context) => {
        captured = context
        return 1
      })
      yield* outcome(inAgent(capture))
      const fiber = yield* Effect.forkChild(Run.provideCaptured(receivedInTime, captured!))
      yield* TestClock.adjust("2 days")
      assert.strictEqual(yield* Fiber.join(fiber), 0)
    })
  )
  it.effect("in a run that is begun in the body of a step: it is received", () => {
    const Inner = Orchestration.make("Inner", { input: {}, output: Schema.Int, run: () => received })
    const job = jobOf(inAgent(Inner.run({}, { key: "one" })))
    return Effect.gen(function* () {
      const handle = yield* job.start({})
      const inner = yield* Inner.handle(Inner.runId("one"))
      while (Exit.isFailure(yield* Effect.exit(inner.status))) yield* Effect.yieldNow
      yield* inner.signal(Go, { n: 7 })
      assert.strictEqual(yield* handle.await, 7)
    }).pipe(Effect.provide(job.layer.pipe(Layer.provideMerge(Inner.layer), Layer.provideMerge(Memory.layer))))
  })
})

describe("what works in the body of a step, as outside of a run", () => {
  it.effect("Timer.sleep is part of the step, and not durable", () =>
    Effect.gen(function* () {
      let begun = false
      const begins = Effect.sync(() => (begun = true))
      const fiber = yield* Effect.forkChild(
        outcome(inAgent(Effect.as(Effect.andThen(begins, Timer.sleep("1 day")), 1)))
      )
      while (!begun) yield* Effect.yieldNow
      yield* TestClock.adjust("1 day")
      const [exit, events] = yield* Fiber.join(fiber)
      assert.deepStrictEqual(exit, Exit.succeed(1))
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        ["RunStarted", "StepCompleted", "RunCompleted"]
      )
    })
  )

  it.effect("Orchestration.run begins a run without a parent", () => {
    const Inner = Orchestration.make("Inner", { input: {}, output: Schema.Int, run: () => Effect.succeed(7) })
    const job = jobOf(inAgent(Inner.run({}, { key: "one" })))
    return Effect.gen(function* () {
      const handle = yield* job.start({})
      assert.strictEqual(yield* handle.await, 7)
      const [started] = yield* eventsOf(Inner.runId("one"))
      assert.notProperty(started!.data, "parent")
    }).pipe(Effect.provide(job.layer.pipe(Layer.provideMerge(Inner.layer), Layer.provideMerge(Memory.layer))))
  })
})

it.effect("continueAsNew in the body of a step is a defect, whatever crashes", () =>
  Effect.gen(function* () {
    const make = () => {
      const orchestration: Orchestration.Orchestration<"Count", { readonly n: number }, number, any, never> =
        Orchestration.make("Count", {
          input: { n: Schema.Int },
          output: Schema.Int,
          run: ({ n }) => (n > 0 ? Effect.succeed(n) : inAgent(orchestration.continueAsNew({ n: n + 1 })))
        })
      return { orchestration, layer: orchestration.layer, input: { n: 0 }, key: "one" }
    }
    const { layer, orchestration } = make()
    const exit = yield* Effect.gen(function* () {
      return yield* Effect.exit((yield* orchestration.start({ n: 0 })).await)
    }).pipe(Effect.provide(layer.pipe(Layer.provideMerge(Memory.layer))))
    assert.include(defectOf(exit), '"Count" cannot continue as new in the body of a step')
    const report = yield* CrashSweep.check(make)
    assert.isAbove(report.crashes, 0)
  })
)
