/**
 * Several engines on one state: how runs pass from one to the other.
 *
 *   M1. A running engine takes over the runs of an owner whose lease has run out, and at once those of one that has
 *       given its lease back.
 *   M2. An owner learns that a run was taken from it without having to write.
 *   M3. An engine that stops lets the steps under way be recorded, begins no other and undoes nothing.
 *   M4. Steps that take longer than the grace period run again elsewhere.
 *   M5. What is accepted while an engine stops is carried out by another.
 *   M6. A run that the store failed is taken up again by its owner, once the store is back.
 *   M7. An owner all of whose runs ended is forgotten after a day, and not before; one that had none at once; one that
 *       lives is not.
 */
import { assert, it } from "@effect/vitest"
import { type Context, Deferred, Effect, Exit, Fiber, Layer, Schedule, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Agent,
  Engine,
  EventStore,
  EventStoreError,
  Fenced,
  JournalEngine,
  Orchestration,
  Persistence,
  Saga,
  Signal,
  Step,
  StoreUnavailable,
  Task,
  Timer
} from "../../src/index.ts"
import * as Recovery from "../../src/durable/Recovery.ts"
import { FaultStore, LogAudit } from "../../src/testing/index.ts"

class Down extends Schema.TaggedError<Down>()("Down", {}) {}

const lease = "15 seconds"
const Approval = Signal.make("approval", { by: Schema.String })
const passes: FaultStore.Fault = () => (mutation) => mutation

type Process<R> = Context.Context<R | Engine | EventStore.EventStore | Persistence>

/** An engine in a scope of its own. */
const start = Effect.fnUntraced(function* <R>(
  state: Memory.MemoryState,
  layer: Layer.Layer<R, any, Engine>,
  options: JournalEngine.Options & { readonly fault?: FaultStore.Fault } = {}
) {
  const scope = yield* Scope.make()
  const stores = EventStore.layer.pipe(
    Layer.provideMerge(FaultStore.layer(options.fault ?? passes)),
    Layer.provide(Memory.storesOf(state))
  )
  const engine = Layer.fresh(
    layer.pipe(Layer.provideMerge(JournalEngine.layer({ lease, ...options })), Layer.provideMerge(stores))
  )
  const context: Process<R> = yield* Layer.buildWithScope(engine, scope) as Effect.Effect<Process<R>>
  return {
    run: <A, E>(effect: Effect.Effect<A, E, any>): Effect.Effect<A, E> => Effect.provideContext(effect, context) as any,
    stop: Scope.close(scope, Exit.void)
  }
})

const typesOf = (state: Memory.MemoryState, runId: string) =>
  LogAudit.readAll.pipe(
    Effect.map((events) => events.filter(({ stream }) => stream === `run/${runId}`).map(({ type }) => type)),
    Effect.provide(Memory.storesOf(state))
  )

/** A step that says when it has begun and ends when it is told to. */
const makeHeld = Effect.gen(function* () {
  const begun = yield* Deferred.make<void>()
  const released = yield* Deferred.make<void>()
  let calls = 0
  const step = Step.run("held", {
    output: Schema.Int,
    run: () =>
      Effect.suspend(() => {
        calls++
        return Deferred.succeed(begun, undefined).pipe(Effect.andThen(Deferred.await(released)), Effect.as(7))
      })
  })
  return {
    step,
    begun: Deferred.await(begun),
    release: Deferred.succeed(released, undefined),
    calls: () => calls
  }
})

const Nap = Orchestration.make("Nap", {
  input: {},
  output: Schema.String,
  key: () => "1",
  run: () => Effect.as(Timer.sleep("1 hour"), "up")
})

const Wait = Orchestration.make("Wait", {
  input: {},
  output: Schema.String,
  key: () => "1",
  run: () => Effect.map(Signal.await(Approval), ({ by }) => by)
})

const ownerOf = (runId: string) =>
  Effect.map(
    Effect.flatMap(Engine, (engine) => engine.get(runId)),
    ({ owner }) => owner
  )
const nameOf = Effect.map(Engine, (engine) => engine.owner)

/** Once frozen, no mutation gets through until it is thawed. */
const makeFreezer = Effect.map(Deferred.make<void>(), (thawed) => {
  let frozen = false
  const fault: FaultStore.Fault = () => (mutation) =>
    Effect.suspend(() => (frozen ? Effect.andThen(Deferred.await(thawed), mutation) : mutation))
  return { fault, freeze: () => void (frozen = true), thaw: Deferred.succeed(thawed, undefined) }
})

it.effect("M1: the runs of a silent owner are taken over, and not before its lease is over", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const { fault, freeze } = yield* makeFreezer
    const silent = yield* start(state, Nap.layer, { fault })
    const { id } = yield* silent.run(Nap.start({}))
    const other = yield* start(state, Nap.layer)
    yield* TestClock.adjust("5 seconds")
    freeze()
    yield* TestClock.adjust("14 seconds")
    assert.strictEqual(yield* other.run(ownerOf(id)), yield* silent.run(nameOf))
    yield* TestClock.adjust("6 seconds")
    assert.strictEqual(yield* other.run(ownerOf(id)), yield* other.run(nameOf))
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(yield* other.run(Effect.flatMap(Nap.handle(id), (handle) => handle.await)), "up")
    assert.deepStrictEqual(yield* typesOf(state, id), [
      "RunStarted",
      "TimerScheduled",
      "RunRecovered",
      "TimerFired",
      "RunCompleted"
    ])
  })
)

it.effect("M1: an owner that lives keeps its runs", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const owner = yield* start(state, Nap.layer)
    yield* start(state, Nap.layer)
    const handle = yield* owner.run(Nap.start({}))
    yield* TestClock.adjust("2 hours")
    assert.strictEqual(yield* handle.await, "up")
    assert.notInclude(yield* typesOf(state, handle.id), "RunRecovered")
  })
)

it.effect("M1: a lease that was given back need not run out", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const first = yield* start(state, Nap.layer)
    const other = yield* start(state, Nap.layer)
    const { id } = yield* first.run(Nap.start({}))
    yield* first.stop
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual(yield* other.run(ownerOf(id)), yield* other.run(nameOf))
  })
)

it.effect("M1: when the store was away for longer than a lease, owners that live keep their runs", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const { fault, freeze, thaw } = yield* makeFreezer
    const owner = yield* start(state, Nap.layer, { fault })
    yield* start(state, Nap.layer, { fault })
    const handle = yield* owner.run(Nap.start({}))
    freeze()
    yield* TestClock.adjust("5 minutes")
    yield* thaw
    yield* TestClock.adjust("2 hours")
    assert.strictEqual(yield* handle.await, "up")
    assert.notInclude(yield* typesOf(state, handle.id), "RunRecovered")
  })
)

it.effect("M1: also if one of them comes back a little later than the other", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const [early, late] = [yield* makeFreezer, yield* makeFreezer]
    const owner = yield* start(state, Nap.layer, { fault: late.fault })
    const other = yield* start(state, Nap.layer, { fault: early.fault })
    const handle = yield* owner.run(Nap.start({}))
    early.freeze()
    late.freeze()
    yield* TestClock.adjust("5 minutes")
    yield* early.thaw
    yield* TestClock.adjust("8 seconds")
    yield* late.thaw
    // What the late one had begun to write was over by now: it wrote again at once.
    yield* Effect.yieldNow
    const leases = yield* other.run(Persistence.use((persistence) => persistence.query("leases")))
    for (const { body } of leases) assert.isAbove(body["until"] as number, 308_000)
    yield* TestClock.adjust("2 hours")
    assert.strictEqual(yield* handle.await, "up")
    assert.notInclude(yield* typesOf(state, handle.id), "RunRecovered")
  })
)

it.effect("M1: and the runs of one that did not survive that are taken over", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const { fault, freeze, thaw } = yield* makeFreezer
    const dead = yield* makeFreezer
    const first = yield* start(state, Nap.layer, { fault: dead.fault })
    const other = yield* start(state, Nap.layer, { fault })
    const { id } = yield* first.run(Nap.start({}))
    dead.freeze()
    freeze()
    yield* TestClock.adjust("5 minutes")
    yield* thaw
    yield* TestClock.adjust("25 seconds")
    assert.strictEqual(yield* other.run(ownerOf(id)), yield* other.run(nameOf))
  })
)

it.effect("M2: an owner learns that a run was taken from it, without writing", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const { fault, freeze, thaw } = yield* makeFreezer
    const frozen = yield* start(state, Wait.layer, { fault })
    const { id } = yield* frozen.run(Wait.start({}))
    const other = yield* start(state, Wait.layer)
    freeze()
    const waiting = yield* Effect.forkChild(
      frozen.run(Effect.flip(Effect.flatMap(Wait.handle(id), (handle) => handle.await)))
    )
    yield* TestClock.adjust("20 seconds")
    assert.instanceOf(yield* Fiber.join(waiting), Fenced)
    yield* thaw
    // The owner is back, and takes nothing of it: not the run, not the signal.
    yield* TestClock.adjust("1 minute")
    const handle = yield* other.run(Wait.handle(id))
    yield* handle.signal(Approval, { by: "ann" })
    assert.strictEqual(yield* handle.await, "ann")
    assert.deepStrictEqual(yield* typesOf(state, id), ["RunStarted", "RunRecovered", "SignalReceived", "RunCompleted"])
  })
)

it.effect("M3: an engine that stops lets a step be recorded, begins no other, undoes nothing", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const held = yield* makeHeld
    const undone: Array<number> = []
    let after = 0
    let late = 0
    const beside = Effect.andThen(
      Timer.sleep("2 seconds"),
      Step.run("late", { output: Schema.Int, run: () => Effect.sync(() => ++late) })
    )
    const Book = Orchestration.make("Book", {
      input: {},
      output: Schema.Int,
      run: () =>
        held.step.pipe(
          Saga.undo((seat) => Effect.sync(() => undone.push(seat))),
          Effect.andThen(Step.run("after", { output: Schema.Int, run: () => Effect.sync(() => ++after) })),
          Saga.transaction("book"),
          Effect.orDie,
          (book) => Step.all({ book, beside }),
          Effect.map(({ book }) => book)
        )
    })
    const first = yield* start(state, Book.layer)
    const { id } = yield* first.run(Book.start({}, { key: "1" }))
    yield* held.begun
    const stopped = yield* Effect.forkChild(first.stop)
    yield* TestClock.adjust("9 seconds")
    assert.strictEqual(stopped.pollUnsafe(), undefined)
    yield* held.release
    yield* Fiber.join(stopped)
    assert.deepStrictEqual(yield* typesOf(state, id), ["RunStarted", "TimerScheduled", "TimerFired", "StepCompleted"])
    assert.deepStrictEqual([held.calls(), after, late, undone], [1, 0, 0, []])

    const second = yield* start(state, Book.layer)
    assert.strictEqual(yield* second.run(Effect.flatMap(Book.handle(id), (handle) => handle.await)), 1)
    assert.deepStrictEqual([held.calls(), after, late, undone], [1, 1, 1, []])
  })
)

it.effect("M3: so does an engine whose fiber is interrupted", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const held = yield* makeHeld
    const Hold = Orchestration.make("Hold", { input: {}, output: Schema.Int, run: () => held.step })
    const engine = Hold.layer.pipe(
      Layer.provideMerge(JournalEngine.layer({ lease })),
      Layer.provideMerge(Memory.storesOf(state))
    )
    const main = yield* Effect.forkChild(
      Effect.andThen(Hold.start({}, { key: "1" }), Effect.never).pipe(Effect.provide(Layer.fresh(engine)))
    )
    yield* held.begun
    const stopped = yield* Effect.forkChild(Fiber.interrupt(main))
    yield* TestClock.adjust("9 seconds")
    assert.strictEqual(stopped.pollUnsafe(), undefined)
    yield* held.release
    yield* Fiber.join(stopped)
    assert.deepStrictEqual(yield* typesOf(state, "Hold/1"), ["RunStarted", "StepCompleted"])
  })
)

it.effect("M4: a step that takes longer than the grace period runs again", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const held = yield* makeHeld
    const Hold = Orchestration.make("Hold", { input: {}, output: Schema.Int, run: () => held.step })
    const first = yield* start(state, Hold.layer, { grace: "3 seconds" })
    const { id } = yield* first.run(Hold.start({}, { key: "1" }))
    yield* held.begun
    const stopped = yield* Effect.forkChild(first.stop)
    yield* TestClock.adjust("3 seconds")
    yield* Fiber.join(stopped)
    assert.deepStrictEqual(yield* typesOf(state, id), ["RunStarted"])
    yield* held.release
    const second = yield* start(state, Hold.layer)
    assert.strictEqual(yield* second.run(Effect.flatMap(Hold.handle(id), (handle) => handle.await)), 7)
    assert.strictEqual(held.calls(), 2)
  })
)

it.effect("M3: nothing waits for timers, signals and children", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const Parent = Orchestration.make("Parent", {
      input: {},
      output: Schema.String,
      run: () => Effect.orDie(Nap.run({}))
    })
    const first = yield* start(state, Layer.merge(Wait.layer, Layer.provideMerge(Parent.layer, Nap.layer)))
    yield* first.run(Effect.all([Wait.start({}), Parent.start({}, { key: "1" })]))
    const log = Effect.provide(LogAudit.readAll, Memory.storesOf(state))
    while (!(yield* log).some(({ type }) => type === "TimerScheduled")) yield* Effect.yieldNow
    // No time passes: a grace period would.
    yield* first.stop
  })
)

it.effect("M3: nothing waits for the next try of a step, which another engine makes", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    let tries = 0
    const Retrying = Orchestration.make("Retrying", {
      input: {},
      output: Schema.Int,
      run: () =>
        Effect.orDie(
          Agent.make("flaky", {
            task: Task.make("Flaky", { input: {}, output: Schema.Int, error: Down }),
            run: () => Effect.suspend(() => (++tries === 1 ? Effect.fail(new Down()) : Effect.succeed(tries)))
          })
            .pipe(Agent.retry(Schedule.spaced("1 hour")))
            .run({})
        )
    })
    const first = yield* start(state, Retrying.layer)
    const { id } = yield* first.run(Retrying.start({}, { key: "1" }))
    while (!(yield* typesOf(state, id)).includes("StepAttemptFailed")) yield* Effect.yieldNow
    // No time passes: a grace period would.
    yield* first.stop
    const second = yield* start(state, Retrying.layer)
    const result = yield* Effect.forkChild(second.run(Effect.flatMap(Retrying.handle(id), (handle) => handle.await)))
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(yield* Fiber.join(result), 2)
  })
)

it.effect("M3: an engine that waits for another step begins no next try meanwhile", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const held = yield* makeHeld
    let tries = 0
    const flaky = Agent.make("flaky", {
      task: Task.make("Flaky", { input: {}, output: Schema.Int, error: Down }),
      run: () => Effect.suspend(() => (++tries === 1 ? Effect.fail(new Down()) : Effect.succeed(tries)))
    }).pipe(Agent.retry(Schedule.spaced("2 seconds")))
    const Both = Orchestration.make("Both", {
      input: {},
      output: Schema.Array(Schema.Int),
      run: () => Effect.all([Effect.orDie(flaky.run({})), held.step], { concurrency: 2 })
    })
    const first = yield* start(state, Both.layer)
    const { id } = yield* first.run(Both.start({}, { key: "1" }))
    yield* held.begun
    while (!(yield* typesOf(state, id)).includes("StepAttemptFailed")) yield* Effect.yieldNow
    const stopped = yield* Effect.forkChild(first.stop)
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual(tries, 1)
    yield* held.release
    yield* Fiber.join(stopped)
    assert.deepStrictEqual(yield* typesOf(state, id), ["RunStarted", "StepAttemptFailed", "StepCompleted"])
    const second = yield* start(state, Both.layer)
    assert.deepStrictEqual(yield* second.run(Effect.flatMap(Both.handle(id), (handle) => handle.await)), [2, 7])
  })
)

it.effect("M5: a run that is accepted while an engine stops is carried out by another", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const held = yield* makeHeld
    const Hold = Orchestration.make("Hold", { input: {}, output: Schema.Int, run: () => held.step })
    const layer = Layer.mergeAll(Hold.layer, Nap.layer)
    const first = yield* start(state, layer)
    yield* first.run(Hold.start({}, { key: "1" }))
    yield* held.begun
    const stopped = yield* Effect.forkChild(first.stop)
    yield* Effect.yieldNow
    const late = yield* first.run(Hold.start({}, { key: "2" }))
    yield* held.release
    yield* Fiber.join(stopped)
    assert.deepStrictEqual(yield* typesOf(state, late.id), ["RunStarted"])
    const second = yield* start(state, layer)
    assert.strictEqual(yield* second.run(Effect.flatMap(Hold.handle(late.id), (handle) => handle.await)), 7)
  })
)

const down = new EventStoreError({
  reason: new StoreUnavailable({ operation: "append events", retryable: true, cause: new Error("down") })
})

it.effect("M6: a run that the store failed is taken up again", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    let failures = 1
    const owner = yield* start(state, Nap.layer, {
      fault: (name) => (mutation) =>
        Effect.suspend(() => (name.includes("TimerFired") && failures-- > 0 ? Effect.fail(down as any) : mutation))
    })
    const handle = yield* owner.run(Nap.start({}))
    const lost = yield* Effect.forkChild(Effect.flip(handle.await))
    yield* TestClock.adjust("1 hour")
    assert.strictEqual((yield* Fiber.join(lost))._tag, "EngineError")
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual(yield* handle.await, "up")
  })
)

it.effect("M6: a start whose acknowledgement was lost is carried out all the same", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const owner = yield* start(state, Nap.layer, {
      fault: (name) => (mutation) =>
        name.includes("RunStarted") ? Effect.andThen(mutation, Effect.fail(down as any)) : mutation
    })
    const error = yield* Effect.flip(owner.run(Nap.start({})))
    assert.strictEqual(error._tag, "EngineError")
    yield* TestClock.adjust("5 seconds")
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(yield* owner.run(Effect.flatMap(Nap.handle("Nap/1"), (handle) => handle.await)), "up")
  })
)

/** A store that answers so the first time that the text is written, or read. */
const once = (text: string, answer: <A, E>(mutation: Effect.Effect<A, E>) => Effect.Effect<A, E>): FaultStore.Fault => {
  let seen = false
  return (name) => (mutation) =>
    Effect.suspend(() => {
      if (seen || !name.includes(text)) return mutation
      seen = true
      return answer(mutation)
    })
}

it.effect("M6: a run whose claim was written, and not acknowledged, is carried out all the same", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const first = yield* start(state, Nap.layer)
    const { id } = yield* first.run(Nap.start({}))
    yield* first.stop
    const fault = once("RunRecovered", (mutation) => Effect.andThen(mutation, Effect.fail(down as any)))
    const second = yield* Effect.exit(start(state, Nap.layer, { fault }))
    // The one that starts says so; one that runs tries again.
    assert.isTrue(Exit.isFailure(second))
    const third = yield* start(state, Nap.layer, { fault: once("RunRecovered", () => Effect.fail(down as any)) }).pipe(
      Effect.exit
    )
    assert.isTrue(Exit.isFailure(third))
    const runs = yield* start(state, Nap.layer)
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(yield* runs.run(Effect.flatMap(Nap.handle(id), (handle) => handle.await)), "up")
  })
)

it.effect("M6: a claim of a running engine whose acknowledgement was lost is carried out all the same", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const first = yield* start(state, Nap.layer)
    const fault = once("RunRecovered", (mutation) => Effect.andThen(mutation, Effect.fail(down as any)))
    const second = yield* start(state, Nap.layer, { fault })
    const { id } = yield* first.run(Nap.start({}))
    yield* first.stop
    yield* TestClock.adjust("20 seconds")
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(yield* second.run(Effect.flatMap(Nap.handle(id), (handle) => handle.await)), "up")
  })
)

it.effect("M7: an owner all of whose runs ended is forgotten after a day, one that lives is not", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const first = yield* start(state, Nap.layer)
    const other = yield* start(state, Nap.layer)
    const owners = other.run(Persistence.use((persistence) => persistence.query("leases")))
    const [gone, kept] = [yield* first.run(nameOf), yield* other.run(nameOf)]
    yield* (yield* start(state, Nap.layer)).stop
    yield* first.run(Nap.start({}))
    yield* TestClock.adjust("1 hour")
    yield* first.stop
    yield* TestClock.adjust("23 hours")
    assert.deepStrictEqual((yield* owners).map(({ id }) => id).toSorted(), [gone, kept].toSorted())
    yield* TestClock.adjust("2 hours")
    assert.deepStrictEqual(
      (yield* owners).map(({ id }) => id),
      [kept]
    )
  })
)

it.effect.each(["before", "after"])(
  "M1: a run that began anew under its second owner, %s its recovery was seen, passes on",
  (when) =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const Ask: Orchestration.Orchestration<any, any, any, any, any> = Orchestration.make("Ask", {
        input: { asked: Schema.Int },
        output: Schema.String,
        key: () => "1",
        run: ({ asked }) =>
          Effect.flatMap(Signal.await(Approval), ({ by }) =>
            asked === 1 ? Effect.succeed(by) : Ask.continueAsNew({ asked: 1 })
          )
      })
      const first = yield* start(state, Ask.layer)
      const { id } = yield* first.run(Ask.start({ asked: 0 }))
      const second = yield* start(state, Ask.layer)
      yield* first.stop
      yield* TestClock.adjust("5 seconds")
      if (when === "after") assert.strictEqual(yield* second.run(ownerOf(id)), yield* second.run(nameOf))
      const handle = yield* second.run(Ask.handle(id))
      yield* handle.signal(Approval, { by: "ann" })
      const begunAnew = Effect.map(typesOf(state, id), (types) => types.join() === "RunContinued")
      yield* Effect.repeat(Effect.andThen(TestClock.adjust("100 millis"), begunAnew), { until: (is) => is, times: 100 })
      assert.isTrue(yield* begunAnew)
      const third = yield* start(state, Ask.layer)
      yield* second.stop
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* third.run(ownerOf(id)), yield* third.run(nameOf))
      const last = yield* third.run(Ask.handle(id))
      yield* last.signal(Approval, { by: "bob" })
      assert.strictEqual(yield* last.await, "bob")
    })
)

it.effect("N3: an engine that comes to a run of its own twice does not fence itself", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const recovered = yield* Deferred.make<void>()
    let reads = 0
    // The second claim reads when the first one is in the log, and its run not yet live.
    const slow = Layer.effect(
      EventStore.EventStore,
      Effect.map(EventStore.EventStore, (store) =>
        EventStore.EventStore.of({
          ...store,
          readArray: (stream, range) =>
            stream === "run/Wait/1" && ++reads === 2
              ? Effect.andThen(Deferred.await(recovered), store.readArray(stream, range))
              : store.readArray(stream, range),
          append: (stream, events, expected) =>
            Effect.tap(store.append(stream, events, expected), () =>
              events[0]!.type === "RunRecovered"
                ? Effect.andThen(Deferred.succeed(recovered, undefined), Effect.sleep("1 second"))
                : Effect.void
            )
        })
      )
    ).pipe(Layer.provideMerge(Memory.storesOf(state)))
    yield* Effect.gen(function* () {
      const engine = yield* Engine
      const definition = { definition: "Wait", definitionVersion: 1, input: {}, runId: "Wait/1" }
      yield* engine.start(definition)
      yield* Effect.forkChild(
        Effect.all([Layer.build(Wait.layer), Layer.build(Layer.fresh(Wait.layer))], { concurrency: 2 })
      )
      yield* TestClock.adjust("1 minute")
      const handle = yield* Wait.handle("Wait/1")
      yield* handle.signal(Approval, { by: "ann" })
      assert.strictEqual(yield* handle.await, "ann")
    }).pipe(Effect.provide(JournalEngine.layer({ lease }).pipe(Layer.provideMerge(slow))), Effect.scoped)
  })
)

it.effect("M1: a run that cannot be read does not hold up the others", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const Naps = Orchestration.make("Naps", {
      input: { n: Schema.Int },
      output: Schema.String,
      key: ({ n }) => String(n),
      run: () => Effect.as(Timer.sleep("1 hour"), "up")
    })
    const first = yield* start(state, Naps.layer)
    for (let n = 0; n < 5; n++) yield* first.run(Naps.start({ n }))
    yield* first.stop
    const broken = Layer.effect(
      EventStore.EventStore,
      Effect.map(EventStore.EventStore, (store) =>
        EventStore.EventStore.of({
          ...store,
          readArray: (stream, range) =>
            stream === "run/Naps/2" ? Effect.die("it is not what it was") : store.readArray(stream, range)
        })
      )
    ).pipe(Layer.provideMerge(Memory.storesOf(state)))
    const second = JournalEngine.layer({ lease, recoveryConcurrency: 1 }).pipe(Layer.provideMerge(broken))
    yield* Effect.gen(function* () {
      const engine = yield* Engine
      yield* Effect.exit(Layer.build(Naps.layer))
      yield* TestClock.adjust("1 minute")
      const runs = yield* engine.list({ owner: engine.owner })
      assert.deepStrictEqual(runs.map(({ key }) => key).toSorted(), ["0", "1", "3", "4"])
    }).pipe(Effect.provide(second), Effect.scoped)
  })
)

it.effect("M7: a renewal that is under way when an engine stops does not bring its lease back", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const thawed = yield* Deferred.make<void>()
    let isFrozen = false
    const fault: FaultStore.Fault = (name) => (mutation) =>
      isFrozen && name.startsWith("put leases/")
        ? Effect.uninterruptible(Effect.andThen(Deferred.await(thawed), mutation))
        : mutation
    const engine = yield* start(state, Nap.layer, { fault })
    isFrozen = true
    yield* TestClock.adjust("5 seconds")
    const stopping = yield* Effect.forkChild(engine.stop, { startImmediately: true })
    yield* Deferred.succeed(thawed, undefined)
    yield* Fiber.join(stopping)
    const leases = Persistence.use((persistence) => persistence.query("leases"))
    assert.deepStrictEqual(yield* Effect.provide(leases, Memory.storesOf(state)), [])
  })
)

it.effect("M1: however many runs an owner has left behind", () =>
  Effect.gen(function* () {
    const runs = Array.from({ length: 200_000 }, (_, n) => ({ runId: `${n}`, status: "running" }))
    const gone = { id: "engine-1", version: 1, body: { epoch: 1, until: -1, instance: {} } }
    const services = {
      persistence: { query: () => Effect.succeed([gone]) },
      catalogue: { list: () => Effect.succeed(runs) },
      lease: { owner: "engine-2", isShaken: () => false },
      liveness: { isGone: () => false }
    }
    assert.lengthOf(yield* Recovery.leftBehind(services as never), 200_000)
  })
)
