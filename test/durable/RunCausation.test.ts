/** Every event that an engine appends names the event that directly led to it. */
import { assert, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Layer, Schedule, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Agent,
  Causation,
  Engine,
  EventStore,
  Orchestration,
  RunCausation,
  Signal,
  Step,
  type StoredEvent,
  Task,
  Timer
} from "../../src/index.ts"
import { Refused } from "./program.ts"

const Approval = Signal.make("approval", { by: Schema.String })

const step = (name: string, minutes = 0) =>
  Step.run(name, { output: Schema.String, run: () => Effect.delay(Effect.succeed(name), `${minutes} minutes`) })

const program = <A>(name: string, run: Effect.Effect<A, never, any>, startMarkers = false) =>
  Orchestration.make(name, { input: {}, output: Schema.Unknown, startMarkers, run: () => run as Effect.Effect<A> })

const log = EventStore.EventStore.use((store) => Stream.runCollect(store.readAll()))

const nameOf = ({ meta, type }: StoredEvent) => (meta.path === undefined ? type : `${type} ${meta.path}`)

/** Every event, with what it names as its cause. */
const causes = Effect.map(log, (events) => {
  const byId = new Map(events.map((event) => [event.id, event]))
  return events.map((event) => {
    const { causationId } = event.meta
    return [nameOf(event), causationId === undefined ? "-" : nameOf(byId.get(causationId)!)] as const
  })
})

const on = <A, E>(
  state: Memory.MemoryState,
  layer: Layer.Layer<any, any, Engine>,
  effect: Effect.Effect<A, E, any>
): Effect.Effect<A, E> =>
  Effect.provide(
    effect,
    Layer.fresh(layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0 })))) as Layer.Layer<any>,
    { local: true }
  ) as Effect.Effect<A, E>

const ended = (state: Memory.MemoryState, orchestration: Orchestration.Orchestration<string, {}, any, any, any>) =>
  on(
    state,
    orchestration.layer,
    Effect.gen(function* () {
      const run = yield* orchestration.start({}, { key: "1" })
      yield* TestClock.adjust("1 day")
      yield* run.await
      return yield* causes
    })
  )

it.effect("what a branch does next is caused by its own last answer, and the end by the last of all", () =>
  Effect.gen(function* () {
    const branches = Effect.all(
      [Effect.andThen(step("a", 1), step("a again", 5)), Effect.andThen(step("b", 2), step("b again", 1))],
      { concurrency: 2 }
    )
    const found = yield* ended(Memory.makeState(), program("Branches", branches))
    assert.deepStrictEqual(found, [
      ["RunStarted", "-"],
      ["StepCompleted a", "RunStarted"],
      ["StepCompleted b", "RunStarted"],
      ["StepCompleted b again", "StepCompleted b"],
      ["StepCompleted a again", "StepCompleted a"],
      ["RunCompleted", "StepCompleted a again"]
    ])
  })
)

it.effect(
  "an outcome is caused by its start marker, a try by the failure before it, a timer's end by its beginning",
  () =>
    Effect.gen(function* () {
      const Say = Task.make("Say", { input: {}, output: Schema.String, error: Refused })
      const flaky = Agent.make("flaky", {
        task: Say,
        run: (_, { attempt }) => (attempt < 2 ? new Refused({ what: "first" }) : Effect.succeed("yes"))
      }).pipe(Agent.retry(Schedule.recurs(2)))
      const run = Effect.orDie(Effect.andThen(Effect.andThen(step("a"), Timer.sleep("1 minute")), flaky.run({})))
      const found = yield* ended(Memory.makeState(), program("Marked", run, true))
      assert.deepStrictEqual(found, [
        ["RunStarted", "-"],
        ["StepStarted a", "RunStarted"],
        ["StepCompleted a", "StepStarted a"],
        ["TimerScheduled sleep", "StepCompleted a"],
        ["TimerFired sleep", "TimerScheduled sleep"],
        ["StepStarted flaky", "TimerFired sleep"],
        ["StepAttemptFailed flaky", "StepStarted flaky"],
        ["StepStarted flaky", "StepAttemptFailed flaky"],
        ["StepCompleted flaky", "StepStarted flaky"],
        ["RunCompleted", "StepCompleted flaky"]
      ])
    })
)

it.effect(
  "a child's start is caused by what led its parent to it, and an event of a step by what led to the step",
  () =>
    Effect.gen(function* () {
      const Child = program("Child", step("work"))
      const noted = Step.run("note", {
        output: Schema.String,
        run: ({ causationId }) =>
          EventStore.EventStore.use((store) =>
            store.append(
              "notes" as StoredEvent["stream"],
              [{ type: "Noted", data: {}, meta: causationId === undefined ? {} : { causationId } }],
              "Any"
            )
          ).pipe(Effect.as("noted"), Effect.orDie)
      })
      const Parent = program("Parent", Effect.orDie(Effect.andThen(noted, Child.run({}))))
      const layer = Layer.mergeAll(Parent.layer, Child.layer)
      const found = yield* on(
        Memory.makeState(),
        layer,
        Effect.gen(function* () {
          const run = yield* Parent.start({}, { key: "1" })
          yield* run.await
          const all = yield* log
          const work = all.find(({ meta }) => meta.path === "work")!
          const why = yield* Causation.why(work.id, { causeOf: RunCausation.causeOf })
          assert.deepStrictEqual(
            why.causes.map(({ stream, type }) => `${type} ${stream}`),
            ["RunStarted run/Parent/1/Child", "StepCompleted run/Parent/1", "RunStarted run/Parent/1"]
          )
          return yield* causes
        })
      )
      assert.deepStrictEqual(found.slice(0, 4), [
        ["RunStarted", "-"],
        ["Noted", "RunStarted"],
        ["StepCompleted note", "RunStarted"],
        ["RunStarted", "StepCompleted note"]
      ])
    })
)

it.effect("what a run is asked from outside is caused by the request", () =>
  Effect.gen(function* () {
    const run = Effect.andThen(
      Signal.await(Approval),
      Effect.onInterrupt(Timer.sleep("1 hour"), () => step("undo"))
    )
    const Asked = program("Asked", run)
    const found = yield* on(
      Memory.makeState(),
      Asked.layer,
      Effect.gen(function* () {
        const run = yield* Asked.start({}, { key: "1" })
        const reaches = (wanted: string) =>
          run.events.pipe(
            Stream.takeUntil(({ type }) => type === wanted),
            Stream.runDrain
          )
        yield* run.pause
        yield* reaches("RunPaused")
        yield* run.resume
        yield* reaches("RunResumed")
        yield* run.signal(Approval, { by: "ann" })
        yield* reaches("TimerScheduled")
        yield* run.cancel("enough")
        assert.isTrue(Cause.hasFails(yield* Effect.flip(Effect.sandbox(run.await))))
        return yield* causes
      })
    )
    const of = (name: string) => found.find(([event]) => event.startsWith(name))?.[1]
    assert.strictEqual(of("RunPaused"), "PauseRequested")
    assert.strictEqual(of("RunResumed"), "ResumeRequested")
    assert.strictEqual(of("SignalReceived"), "SignalSent")
    assert.strictEqual(of("TimerScheduled"), "SignalReceived approval")
    assert.strictEqual(of("RunCancelRequested"), "CancelRequested")
    assert.strictEqual(of("StepCompleted undo"), "RunCancelRequested")
    assert.strictEqual(of("RunCancelled"), "StepCompleted undo")
  })
)

it.effect("a run that was taken over goes on from its last answer, and a timer from its beginning", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const branches = Effect.all([Timer.sleep("1 hour"), Effect.andThen(step("a", 1), step("a again", 30))], {
      concurrency: 2
    })
    const Moved = program("Moved", Effect.andThen(branches, step("b")))
    const scope = yield* Scope.make()
    const first = yield* Layer.build(
      Layer.fresh(Moved.layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0 }))))
    ).pipe(Scope.provide(scope), Effect.orDie)
    yield* Effect.provide(Moved.start({}, { key: "1" }), first as Context.Context<any>)
    yield* TestClock.adjust("2 minutes")
    yield* Scope.close(scope, Exit.void)
    const found = yield* ended(state, Moved)
    assert.deepStrictEqual(found, [
      ["RunStarted", "-"],
      ["TimerScheduled sleep", "RunStarted"],
      ["StepCompleted a", "RunStarted"],
      ["RunRecovered", "-"],
      ["StepCompleted a again", "StepCompleted a"],
      ["TimerFired sleep", "TimerScheduled sleep"],
      ["StepCompleted b", "TimerFired sleep"],
      ["RunCompleted", "StepCompleted b"]
    ])
  })
)
