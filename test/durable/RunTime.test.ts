/** The time of a run stands still between answers, so that what is decided by it is decided the same on replay. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, EventStore, JournalEngine, Orchestration, Step, Task, Timer } from "../../src/index.ts"
import { FaultStore } from "../../src/testing/index.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}

const setUp = Effect.sync(() => {
  let calls = 0
  const busy = Agent.make("busy", {
    task: Task.make("Work", { input: {}, output: Schema.Void, error: Busy }),
    run: () => Effect.suspend(() => (calls++, Effect.fail(new Busy())))
  })
  const patient = Agent.compose("patient", { run: () => busy.run({}) }).pipe(
    Agent.retry(Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "5 seconds" })))
  )
  const Job = Orchestration.make("Job", {
    input: {},
    output: Schema.String,
    key: () => "one",
    run: () =>
      Effect.gen(function* () {
        const end = yield* Effect.orDie(Effect.flip(patient.run({})))
        yield* Step.now
        yield* Timer.sleep("1 day")
        return `${end._tag} after ${calls}`
      })
  })
  return { Job, calls: () => calls }
})

it.effect("L7: how long a store takes decides nothing, so that a replay agrees", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const { Job, calls } = yield* setUp
    let failures = 0
    /** The second failure is acknowledged late. */
    const slow: FaultStore.Fault = (name) => (mutation) =>
      name.includes("StepFailed") && ++failures === 2
        ? Effect.tap(mutation, () => Effect.sleep("10 seconds"))
        : mutation
    const process = (fault: FaultStore.Fault) =>
      Layer.fresh(
        Job.layer.pipe(
          Layer.provideMerge(JournalEngine.layer()),
          Layer.provideMerge(EventStore.layer),
          Layer.provideMerge(FaultStore.layer(fault)),
          Layer.provide(Memory.storesOf(state))
        )
      )
    yield* Effect.gen(function* () {
      yield* Job.start({})
      yield* Effect.repeat(TestClock.adjust("1 second"), { times: 60 })
    }).pipe(Effect.provide(process(slow), { local: true }))
    const before = calls()
    assert.isAbove(before, 1)
    yield* Effect.gen(function* () {
      const handle = yield* Job.start({})
      const end = yield* Effect.forkChild(handle.await)
      yield* TestClock.adjust("2 days")
      assert.strictEqual(yield* Fiber.join(end), `Busy after ${before}`)
    }).pipe(
      Effect.provide(
        process(() => (mutation) => mutation),
        { local: true }
      )
    )
  })
)
