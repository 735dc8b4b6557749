import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Agent,
  type ContractViolation,
  Engine,
  NonDeterminism,
  Orchestration,
  RunCancelled,
  Signal,
  Step,
  Task,
  Timer
} from "../../src/index.ts"

class Empty extends Schema.TaggedError<Empty>()("Empty", { reason: Schema.String }) {}

const Shout = Task.make("Shout", { input: { text: Schema.String }, output: { text: Schema.String }, error: Empty })

const shouter = (onCall: () => void = () => {}) =>
  Agent.make("shouter", {
    task: Shout,
    run: ({ text }) =>
      Effect.suspend(() => {
        onCall()
        return text === ""
          ? Effect.fail(new Empty({ reason: "no text" }))
          : Effect.succeed({ text: text.toUpperCase() })
      })
  })

const Approval = Signal.make("approval", { by: Schema.String })

/** Builds a fresh runtime over the state, runs the effect in it, and drops the runtime. */
const inRuntime = <A, E, R>(
  state: Memory.MemoryState,
  layer: Layer.Layer<R, any, Engine>,
  effect: Effect.Effect<A, E, R | Engine>
) =>
  Effect.provide(effect, Layer.fresh(layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0 })))), {
    local: true
  })

const Loud = (onCall?: () => void) =>
  Orchestration.make("Loud", {
    input: { text: Schema.String },
    output: { text: Schema.String },
    error: Schema.Union([Empty, Schema.Never]),
    key: (input) => input.text,
    run: (input) =>
      Effect.gen(function* () {
        const agent = shouter(onCall)
        const first = yield* agent.run(input)
        return yield* agent.run({ text: `${first.text}!` })
      })
  })

it.effect("a run succeeds with the program's output, and once more from the log", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    let calls = 0
    const Release = Loud(() => calls++)
    const first = yield* inRuntime(state, Release.layer, Release.run({ text: "go" }))
    assert.deepStrictEqual(first, { text: "GO!" })
    const again = yield* inRuntime(state, Release.layer, Release.run({ text: "go" }))
    assert.deepStrictEqual(again, { text: "GO!" })
    assert.strictEqual(calls, 2)
  })
)

it.effect("a typed failure reaches the caller typed, and once more from the log", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const Release = Loud()
    for (let i = 0; i < 2; i++) {
      const error = yield* inRuntime(state, Release.layer, Effect.flip(Release.run({ text: "" })))
      assert.instanceOf(error, Empty)
    }
  })
)

it.effect("a run that was stopped goes on in the next runtime, running no recorded step again", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const calls: Array<string> = []
    const gate = yield* Deferred.make<void>()
    const work = Agent.make("work", {
      task: Task.make("Work", { input: { n: Schema.Int }, output: { n: Schema.Int } }),
      run: ({ n }) =>
        Effect.sync(() => {
          calls.push(`work ${n}`)
          return { n: n + 1 }
        })
    })
    const hold = Agent.make("hold", {
      task: Task.make("Hold", { input: { n: Schema.Int }, output: { n: Schema.Int } }),
      run: (input) =>
        Effect.andThen(
          Effect.sync(() => void calls.push("hold")),
          Effect.as(Deferred.await(gate), input)
        )
    })
    const Long = Orchestration.make("Long", {
      input: { n: Schema.Int },
      output: { n: Schema.Int },
      key: () => "one",
      run: (input) =>
        Effect.gen(function* () {
          const a = yield* work.run(input)
          const b = yield* hold.run(a)
          return yield* work.run(b)
        }).pipe(Effect.orDie)
    })
    yield* inRuntime(
      state,
      Long.layer,
      Effect.gen(function* () {
        yield* Long.start({ n: 1 })
        while (!calls.includes("hold")) yield* Effect.yieldNow
      })
    )
    yield* Deferred.succeed(gate, undefined)
    const result = yield* inRuntime(
      state,
      Long.layer,
      Effect.flatMap(Long.start({ n: 1 }), (handle) => handle.await)
    )
    assert.deepStrictEqual(result, { n: 3 })
    assert.deepStrictEqual(calls, ["work 1", "hold", "hold", "work 2"])
  })
)

it.effect("signals are kept until the run waits for them, and received in order", () =>
  Effect.gen(function* () {
    const Ask = Orchestration.make("Ask", {
      input: {},
      output: Schema.Array(Schema.String),
      run: () =>
        Effect.all([Signal.await(Approval), Signal.await(Approval)]).pipe(Effect.map((all) => all.map(({ by }) => by)))
    })
    const names = yield* Effect.gen(function* () {
      const handle = yield* Ask.start({})
      yield* handle.signal(Approval, { by: "ann" })
      yield* handle.signal(Approval, { by: "bob" })
      return yield* handle.await
    }).pipe(Effect.provide(Ask.layer.pipe(Layer.provideMerge(Memory.layer))))
    assert.deepStrictEqual(names, ["ann", "bob"])
  })
)

it.effect("a timer keeps its deadline over a restart", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const Nap = Orchestration.make("Nap", {
      input: {},
      output: Schema.String,
      key: () => "nap",
      run: () => Effect.as(Timer.sleep("30 days"), "awake")
    })
    yield* inRuntime(
      state,
      Nap.layer,
      Effect.gen(function* () {
        const handle = yield* Nap.start({})
        yield* handle.events.pipe(
          Stream.takeUntil((event) => event.type === "TimerScheduled"),
          Stream.runDrain
        )
      })
    )
    yield* TestClock.adjust("29 days")
    const fiber = yield* Effect.forkChild(
      inRuntime(
        state,
        Nap.layer,
        Effect.flatMap(Nap.start({}), (handle) => handle.await)
      )
    )
    yield* TestClock.adjust("23 hours")
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(yield* Fiber.join(fiber), "awake")
  })
)

it.effect("a retried step journals its attempts and resumes in the middle of the backoff", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    let attempts = 0
    const flaky = Agent.make("flaky", {
      task: Shout,
      run: ({ text }) =>
        Effect.suspend(() =>
          ++attempts < 4 ? Effect.fail(new Empty({ reason: `try ${attempts}` })) : Effect.succeed({ text })
        )
    }).pipe(Agent.retry(Schedule.max([Schedule.exponential("1 minute"), Schedule.recurs(5)])))
    const Try = Orchestration.make("Try", {
      input: {},
      output: { text: Schema.String },
      key: () => "try",
      run: () => Effect.orDie(flaky.run({ text: "x" }))
    })
    yield* inRuntime(
      state,
      Try.layer,
      Effect.gen(function* () {
        const handle = yield* Try.start({})
        const fiber = yield* Effect.forkChild(
          handle.events.pipe(
            Stream.filter((event) => event.type === "StepAttemptFailed"),
            Stream.take(2),
            Stream.runDrain
          )
        )
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
      })
    )
    assert.strictEqual(attempts, 2)
    const fiber = yield* Effect.forkChild(
      inRuntime(
        state,
        Try.layer,
        Effect.flatMap(Try.start({}), (handle) => handle.await)
      )
    )
    yield* TestClock.adjust("119 seconds")
    assert.strictEqual(attempts, 2)
    yield* TestClock.adjust("1 seconds")
    assert.strictEqual(attempts, 3)
    yield* TestClock.adjust("4 minutes")
    assert.deepStrictEqual(yield* Fiber.join(fiber), { text: "x" })
  })
)

it.effect("a changed program stops with NonDeterminism, and goes on once it matches again", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const make = (first: string) =>
      Orchestration.make("Changed", {
        input: {},
        output: Schema.String,
        key: () => "changed",
        run: () =>
          Effect.gen(function* () {
            yield* Step.run(first, { output: Schema.String, run: () => Effect.succeed(first) })
            const { by } = yield* Signal.await(Approval)
            return by
          })
      })
    const Old = make("old")
    const New = make("new")
    yield* inRuntime(
      state,
      Old.layer,
      Effect.gen(function* () {
        const handle = yield* Old.start({})
        yield* handle.events.pipe(
          Stream.takeUntil((event) => event.type === "StepCompleted"),
          Stream.runDrain
        )
      })
    )
    const error = yield* inRuntime(
      state,
      New.layer,
      Effect.gen(function* () {
        const handle = yield* New.start({})
        const waiting = yield* Effect.forkChild(Effect.flip(handle.await))
        yield* TestClock.adjust("1 second")
        return yield* Fiber.join(waiting)
      })
    )
    assert.instanceOf(error, NonDeterminism)
    assert.include((error as NonDeterminism).expected, "old")
    assert.include((error as NonDeterminism).found, "new")
    const by = yield* inRuntime(
      state,
      Old.layer,
      Effect.gen(function* () {
        const handle = yield* Old.start({})
        yield* handle.signal(Approval, { by: "cy" })
        return yield* handle.await
      })
    )
    assert.strictEqual(by, "cy")
  })
)

it.effect("cancel interrupts the run, and its outcome is RunCancelled", () =>
  Effect.gen(function* () {
    const Wait = Orchestration.make("Wait", {
      input: {},
      output: Schema.String,
      run: () => Effect.as(Signal.await(Approval), "x")
    })
    const error = yield* Effect.gen(function* () {
      const handle = yield* Wait.start({})
      yield* handle.cancel("no longer needed")
      return yield* Effect.flip(handle.await)
    }).pipe(Effect.provide(Wait.layer.pipe(Layer.provideMerge(Memory.layer))))
    assert.instanceOf(error, RunCancelled)
    assert.strictEqual((error as RunCancelled).reason, "no longer needed")
  })
)

it.effect("continueAsNew begins anew and forgets", () =>
  Effect.gen(function* () {
    const Count: Orchestration.Orchestration<"Count", { readonly n: number }, number, ContractViolation, never> =
      Orchestration.make("Count", {
        input: { n: Schema.Int },
        output: Schema.Int,
        run: ({ n }) =>
          Effect.gen(function* () {
            const next = yield* Step.run("next", { output: Schema.Int, run: () => Effect.succeed(n + 1) })
            return next === 5 ? next : yield* Count.continueAsNew({ n: next })
          })
      })
    const [result, events] = yield* Effect.gen(function* () {
      const handle = yield* Count.start({ n: 0 })
      const result = yield* handle.await
      const engine = yield* Engine
      return [result, yield* Stream.runCollect(engine.events(handle.id))] as const
    }).pipe(Effect.provide(Count.layer.pipe(Layer.provideMerge(Memory.layer))))
    assert.strictEqual(result, 5)
    assert.deepStrictEqual(
      events.map(({ type }) => type),
      ["RunContinued", "StepCompleted", "RunCompleted"]
    )
  })
)

it.effect("a child's failure reaches its parent typed", () =>
  Effect.gen(function* () {
    const Child = Loud()
    const Parent = Orchestration.make("Parent", {
      input: {},
      output: Schema.String,
      run: () =>
        Child.run({ text: "" }).pipe(
          Effect.map(({ text }) => text),
          Effect.catchTag("Empty", (error) => Effect.succeed(`caught ${error.reason}`)),
          Effect.orDie
        )
    })
    const exit = yield* Effect.exit(Parent.run({})).pipe(
      Effect.provide(Parent.layer.pipe(Layer.provideMerge(Child.layer), Layer.provideMerge(Memory.layer)))
    )
    assert.deepStrictEqual(exit, Exit.succeed("caught no text"))
  })
)

it.effect("every event of a run carries its correlation id, over a restart as well", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const Wait = Orchestration.make("Correlated", {
      input: {},
      output: Schema.String,
      run: () => Effect.map(Signal.await(Approval), ({ by }) => by)
    })
    const options = { key: "1", correlationId: "order-7" }
    yield* inRuntime(state, Wait.layer, Wait.start({}, options))
    const ids = yield* inRuntime(
      state,
      Wait.layer,
      Effect.gen(function* () {
        const handle = yield* Wait.start({}, options)
        yield* handle.signal(Approval, { by: "ann" })
        yield* handle.await
        const events = yield* Stream.runCollect((yield* Engine).events(handle.id))
        return events.map(({ meta }) => meta.correlationId)
      })
    )
    assert.deepStrictEqual([...new Set(ids)], ["order-7"])
  })
)
