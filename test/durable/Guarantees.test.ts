/** The guarantees that `LiveRun` (L), `Replay` (R) and `JournalEngine` (N) state, one test each or more. */
import { assert, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Agent,
  Engine,
  EventStore,
  Fenced,
  JournalEngine,
  Lease,
  Orchestration,
  RunCancelled,
  Saga,
  Signal,
  Step,
  Task,
  Timer,
  UnknownOutcome
} from "../../src/index.ts"
import { FaultStore, LogAudit, Seeds, Simulation } from "../../src/testing/index.ts"
import { holding, noFault } from "./faults.ts"

const Text = Task.make("Text", { input: {}, output: Schema.String })
const Approval = Signal.make("approval", { by: Schema.String })

const step = (name: string, onRun: () => void = () => {}) =>
  Step.run(name, { output: Schema.String, run: () => Effect.sync(() => (onRun(), name)) })

/** Knows that processes of this kind are gone. */
const knows = (kind: string, gone: string): Lease.Liveness => ({
  instance: { kind },
  isGone: ({ kind }) => kind === gone
})
const dead = knows("dead", "nobody")
const alive = knows("alive", "dead")

/** A process over the state. Closing the scope shuts it down; leaving it open leaves a zombie. */
const process = <R>(
  state: Memory.MemoryState,
  layer: Layer.Layer<R, any, Engine>,
  fault: FaultStore.Fault = noFault,
  liveness: Lease.Liveness = alive
): Effect.Effect<Context.Context<R | Engine | EventStore.EventStore>, never, Scope.Scope> =>
  Layer.build(
    Layer.fresh(
      layer.pipe(
        Layer.provideMerge(JournalEngine.layer({ lease: "1 hour", replayPatience: 0, grace: 0 })),
        Layer.provideMerge(EventStore.layer),
        Layer.provide(FaultStore.layer(fault)),
        Layer.provide(Memory.storesOf(state)),
        Layer.provide(Layer.succeed(Lease.CurrentLiveness, liveness))
      )
    )
  ).pipe(Effect.orDie) as any

const typesOf = (state: Memory.MemoryState, stream: string) =>
  LogAudit.readAll.pipe(
    Effect.map((events) => events.filter((event) => event.stream === stream).map(({ type }) => type)),
    Effect.provide(Memory.storesOf(state))
  )

const settled = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

it.effect("L1: an answer is durable before the program hears it", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    let second = 0
    const Two = Orchestration.make("Two", {
      input: {},
      output: Schema.String,
      run: () =>
        Effect.andThen(
          step("first"),
          step("second", () => second++)
        )
    })
    const { fault, reached, release } = yield* holding("StepCompleted at first")
    const context = yield* process(state, Two.layer, fault)
    const handle = yield* Effect.provide(Two.start({}, { key: "1" }), context)
    yield* reached
    yield* settled
    assert.strictEqual(second, 0)
    yield* release
    assert.strictEqual(yield* handle.await, "second")
  })
)

it.effect("L2: a cancellation that comes while a record is written does not keep the step from being undone", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const undone: Array<string> = []
    const Undo = Orchestration.make("Undo", {
      input: {},
      output: Schema.String,
      run: () =>
        step("seat").pipe(
          Saga.undo(() => step("release", () => undone.push("release"))),
          Effect.andThen(Effect.as(Timer.sleep("1 day"), "late")),
          Saga.transaction("book"),
          Effect.orDie
        )
    })
    const { fault, reached, release } = yield* holding("StepCompleted at book/seat")
    const context = yield* process(state, Undo.layer, fault)
    const handle = yield* Effect.provide(Undo.start({}, { key: "1" }), context)
    yield* reached
    const cancelling = yield* Effect.forkChild(handle.cancel())
    yield* settled
    yield* release
    yield* Fiber.join(cancelling)
    assert.instanceOf(yield* Effect.flip(handle.await), RunCancelled)
    assert.deepStrictEqual(undone, ["release"])
  })
)

it.effect("L4: a cancel request is in the journal before the program is interrupted", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    let interrupted = false
    const Wait = Orchestration.make("Wait", {
      input: {},
      output: Schema.String,
      run: () =>
        Effect.as(Signal.await(Approval), "x").pipe(Effect.onInterrupt(() => Effect.sync(() => (interrupted = true))))
    })
    const { fault, reached, release } = yield* holding("RunCancelRequested")
    const context = yield* process(state, Wait.layer, fault)
    const handle = yield* Effect.provide(Wait.start({}, { key: "1" }), context)
    yield* handle.cancel()
    yield* reached
    yield* settled
    assert.isFalse(interrupted)
    yield* release
    assert.instanceOf(yield* Effect.flip(handle.await), RunCancelled)
    assert.isTrue(interrupted)
  })
)

it.effect("L5: nothing follows the end of a run", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const stray = yield* Deferred.make<void>()
    const Short = Orchestration.make("Short", {
      input: {},
      output: Schema.String,
      run: () =>
        Effect.andThen(
          Effect.forkDetach(
            Step.keyed("stray")(
              Step.run("late", { output: Schema.String, run: () => Effect.as(Deferred.await(stray), "late") })
            )
          ),
          Step.keyed("main")(step("work"))
        )
    })
    const { fault, reached, release } = yield* holding("RunCompleted")
    const context = yield* process(state, Short.layer, fault)
    const handle = yield* Effect.provide(Short.start({}, { key: "1" }), context)
    yield* reached
    // All of them meet a run whose end is on its way to the disk.
    const other = yield* Effect.provide(Short.handle(handle.id), yield* process(state, Short.layer))
    yield* other.pause
    yield* other.cancel()
    yield* Deferred.succeed(stray, undefined)
    yield* Effect.forEach(Array(50), () => Effect.yieldNow, { discard: true })
    yield* release
    assert.strictEqual(yield* handle.await, "work")
    yield* Effect.forEach(Array(50), () => Effect.yieldNow, { discard: true })
    assert.deepStrictEqual(yield* typesOf(state, `run/${handle.id}`), ["RunStarted", "StepCompleted", "RunCompleted"])
  })
)

it.effect("N3, L3: an owner that wakes after a takeover is fenced, writes nothing and undoes nothing", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const undone: Array<string> = []
    const Book = Orchestration.make("Book", {
      input: {},
      output: Schema.String,
      run: () =>
        step("seat").pipe(
          // Not a step: nothing but the transaction itself keeps it from running.
          Saga.undo(() => Effect.sync(() => undone.push("release"))),
          Effect.andThen(step("charge")),
          Saga.transaction("book"),
          Effect.orDie
        )
    })
    const { fault, reached, release } = yield* holding("StepCompleted at book/charge")
    const zombie = yield* process(state, Book.layer, fault, dead)
    const zombies = yield* Effect.provide(Book.start({}, { key: "1" }), zombie)
    yield* reached
    const waiting = yield* Effect.forkChild(Effect.flip(zombies.await))
    const successor = yield* process(state, Book.layer)
    const theirs = yield* Effect.provide(Book.handle(zombies.id), successor)
    assert.strictEqual(yield* theirs.await, "charge")
    const before = yield* typesOf(state, `run/${zombies.id}`)
    yield* release
    assert.instanceOf(yield* Fiber.join(waiting), Fenced)
    assert.deepStrictEqual(yield* typesOf(state, `run/${zombies.id}`), before)
    assert.deepStrictEqual(undone, [])
  })
)

it.effect(
  "N3: of engines that recover at once, exactly one claims a run",
  () =>
    Seeds.forEach(30, () =>
      Effect.gen(function* () {
        const state = Memory.makeState()
        let second = 0
        const Nap = Orchestration.make("Nap", {
          input: {},
          output: Schema.String,
          run: () =>
            Effect.andThen(
              Timer.sleep("1 minute"),
              step("second", () => second++)
            )
        })
        const held = yield* holding("TimerFired")
        // Never closed: it is not shut down, it is gone.
        const lost = yield* Scope.provide(process(state, Nap.layer, held.fault, dead), yield* Scope.make())
        const { events, id } = yield* Effect.provide(Nap.start({}, { key: "1" }), lost)
        yield* events.pipe(
          Stream.takeUntil((event) => event.type === "TimerScheduled"),
          Stream.runDrain
        )
        const engines = yield* Effect.all([process(state, Nap.layer), process(state, Nap.layer)], { concurrency: 2 })
        const waiting = yield* Effect.forkChild(
          Effect.all(
            engines.map((engine) =>
              Effect.flatMap(Effect.provide(Nap.handle(id), engine), (handle) => Effect.exit(handle.await))
            ),
            { concurrency: 2 }
          )
        )
        yield* TestClock.adjust("1 minute")
        const exits = yield* Fiber.join(waiting)
        assert.deepStrictEqual(exits, [Exit.succeed("second"), Exit.succeed("second")])
        assert.strictEqual(second, 1)
        const log = yield* Effect.provide(LogAudit.readAll, Memory.storesOf(state))
        assert.strictEqual(log.filter(({ type }) => type === "RunRecovered").length, 1)
        assert.deepStrictEqual(LogAudit.problems(log), [])
      })
    ),
  60_000
)

/** Crashes where the mutation of this name is done or not, and tells the outcome. */
const crashedAt = <E, R>(
  world: Simulation.World<R, E>,
  scenario: Effect.Effect<unknown, unknown, R | Simulation.Services>,
  when: "before" | "after",
  text: string
) =>
  Effect.gen(function* () {
    const clean = yield* Simulation.run(world, scenario, { seed: undefined, crashes: [] })
    const mutation = 1 + clean.lives[0]!.findIndex((name) => name.includes(text))
    assert.isAbove(mutation, 0)
    const result = yield* Simulation.run(world, scenario, { seed: undefined, crashes: [{ mutation, when }] })
    assert.strictEqual(result.died, 1)
    return result
  })

const payment = (
  answer?: (
    runs: number
  ) => { readonly _tag: "Done"; readonly value: string } | { readonly _tag: "NeverRan" | "Unknown" }
) => {
  const counted = { runs: 0 }
  const pay = Agent.make("pay", {
    task: Text,
    idempotent: false,
    ...(answer === undefined ? {} : { reconcile: () => Effect.sync(() => answer(counted.runs) as any) }),
    run: () => Effect.sync(() => `paid ${++counted.runs}`)
  })
  const Pay = Orchestration.make("Pay", {
    input: {},
    output: Schema.String,
    run: () =>
      pay.run({}).pipe(
        Effect.catchTag("UnknownOutcome", (error) =>
          Effect.succeed(`unknown: ${error instanceof UnknownOutcome ? error.idempotencyKey : ""}`)
        ),
        Effect.orDie
      )
  })
  const scenario = Effect.flatMap(Pay.start({}, { key: "1" }), (handle) => handle.await)
  return { counted, world: { layer: Pay.layer }, scenario }
}

it.effect("a step that must not run twice is unknown after a crash between its start and its record", () =>
  Effect.gen(function* () {
    const { counted, scenario, world } = payment()
    const { exit } = yield* crashedAt(world, scenario, "before", "StepCompleted at pay")
    assert.deepStrictEqual(exit, Exit.succeed("unknown: Pay/1/pay"))
    // Once in the run without a crash, once in the one that crashed.
    assert.strictEqual(counted.runs, 2)
  })
)

it.effect("the other side says that it was done: it is not run again", () =>
  Effect.gen(function* () {
    const { counted, scenario, world } = payment(() => ({ _tag: "Done", value: "paid already" }))
    const { exit } = yield* crashedAt(world, scenario, "before", "StepCompleted at pay")
    assert.deepStrictEqual(exit, Exit.succeed("paid already"))
    assert.strictEqual(counted.runs, 2)
  })
)

it.effect("the other side says that it never ran: it is run", () =>
  Effect.gen(function* () {
    const { counted, scenario, world } = payment(() => ({ _tag: "NeverRan" }))
    const { exit } = yield* crashedAt(world, scenario, "after", "StepStarted at pay")
    assert.deepStrictEqual(exit, Exit.succeed("paid 2"))
    assert.strictEqual(counted.runs, 2)
  })
)

it.effect("the other side does not know either: unknown", () =>
  Effect.gen(function* () {
    const { scenario, world } = payment(() => ({ _tag: "Unknown" }))
    const { exit } = yield* crashedAt(world, scenario, "before", "StepCompleted at pay")
    assert.deepStrictEqual(exit, Exit.succeed("unknown: Pay/1/pay"))
  })
)

it.effect(
  "N4: a signal sent at the very moment when the run comes to be is not lost",
  () =>
    Seeds.forEach(200, () =>
      Effect.gen(function* () {
        const state = Memory.makeState()
        const Ask = Orchestration.make("Ask", {
          input: {},
          output: Schema.String,
          run: () => Effect.map(Signal.await(Approval), ({ by }) => by)
        })
        const here = yield* process(state, Ask.layer)
        const there = yield* process(state, Layer.empty)
        const id = Ask.runId("1")
        const signalling = yield* Effect.forkChild(
          Effect.gen(function* () {
            const handle = yield* Ask.handle(id)
            yield* Effect.retry(handle.signal(Approval, { by: "ann" }), {
              while: (error) => error._tag === "RunNotFound"
            })
          }).pipe(Effect.provide(there))
        )
        const handle = yield* Effect.provide(Ask.start({}, { key: "1" }), here)
        yield* Fiber.join(signalling)
        const waiting = yield* Effect.forkChild(handle.await)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(waiting.pollUnsafe(), Exit.succeed("ann"))
      })
    ),
  60_000
)

it.effect(
  "a cancellation sent at the very moment when the run comes to be is not lost",
  () =>
    Seeds.forEach(200, () =>
      Effect.gen(function* () {
        const state = Memory.makeState()
        const Ask = Orchestration.make("Ask", {
          input: {},
          output: Schema.String,
          run: () => Effect.map(Signal.await(Approval), ({ by }) => by)
        })
        const here = yield* process(state, Ask.layer)
        const there = yield* process(state, Layer.empty)
        const cancelling = yield* Effect.forkChild(
          Effect.gen(function* () {
            const handle = yield* Ask.handle(Ask.runId("1"))
            yield* Effect.retry(handle.cancel("no"), { while: (error) => error._tag === "RunNotFound" })
          }).pipe(Effect.provide(there))
        )
        const handle = yield* Effect.provide(Ask.start({}, { key: "1" }), here)
        yield* Fiber.join(cancelling)
        const waiting = yield* Effect.forkChild(Effect.flip(handle.await))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(waiting.pollUnsafe(), Exit.succeed(new RunCancelled({ runId: "Ask/1", reason: "no" })))
      })
    ),
  60_000
)

it.effect(
  "N4: signals around pauses and shutdowns are received once, in order",
  () =>
    Seeds.forEach(30, (seed) =>
      Effect.gen(function* () {
        const state = Memory.makeState()
        const count = 6
        const Ask = Orchestration.make("Ask", {
          input: {},
          output: Schema.Array(Schema.String),
          run: () =>
            Effect.forEach(Array.from({ length: count }), () => Effect.map(Signal.await(Approval), ({ by }) => by))
        })
        const sender = yield* process(state, Layer.empty)
        const first = yield* Scope.make()
        const owner = yield* Scope.provide(process(state, Ask.layer), first)
        yield* Effect.provide(Ask.start({}, { key: "1" }), owner)
        const handle = yield* Effect.provide(Ask.handle(Ask.runId("1")), sender)
        const sending = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: count }), (_, index) => handle.signal(Approval, { by: String(index) }), {
            discard: true
          })
        )
        for (let left = seed % 12; left > 0; left--) yield* Effect.yieldNow
        yield* Scope.close(first, Exit.void)
        for (let left = seed % 5; left > 0; left--) yield* Effect.yieldNow
        const successor = yield* process(state, Ask.layer)
        const waiting = yield* Effect.forkChild(
          Effect.flatMap(Effect.provide(Ask.handle(handle.id), successor), (handle) => handle.await)
        )
        yield* Fiber.join(sending)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(waiting.pollUnsafe(), Exit.succeed(["0", "1", "2", "3", "4", "5"]))
      })
    ),
  60_000
)

it.effect("a paused run stays paused over a restart, and goes on when resumed", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    let second = 0
    const Two = Orchestration.make("Two", {
      input: {},
      output: Schema.String,
      run: () =>
        Effect.andThen(
          Timer.sleep("1 minute"),
          step("second", () => second++)
        )
    })
    const first = yield* Scope.make()
    const owner = yield* Scope.provide(process(state, Two.layer), first)
    const handle = yield* Effect.provide(Two.start({}, { key: "1" }), owner)
    yield* handle.pause
    yield* handle.events.pipe(
      Stream.takeUntil((event) => event.type === "RunPaused"),
      Stream.runDrain
    )
    yield* Scope.close(first, Exit.void)
    const successor = yield* process(state, Two.layer)
    const theirs = yield* Effect.provide(Two.handle(handle.id), successor)
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(second, 0)
    assert.strictEqual((yield* theirs.status).status, "paused")
    yield* theirs.resume
    const waiting = yield* Effect.forkChild(theirs.await)
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(yield* Fiber.join(waiting), "second")
  })
)

it.effect("runs of a version that nobody has stay open, until somebody does", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const version = (version: number, compatibleWith: ReadonlyArray<number> = []) =>
      Orchestration.make("Versioned", {
        version,
        compatibleWith,
        input: {},
        output: Schema.String,
        run: () =>
          Effect.gen(function* () {
            yield* Timer.sleep("1 minute")
            if (version === 1) return "old"
            return (yield* Orchestration.patched("v2")) ? "patched" : "unpatched"
          })
      })
    const first = yield* Scope.make()
    const owner = yield* Scope.provide(process(state, version(1).layer), first)
    const { events, id } = yield* Effect.provide(version(1).start({}, { key: "1" }), owner)
    yield* events.pipe(
      Stream.takeUntil((event) => event.type === "TimerScheduled"),
      Stream.runDrain
    )
    yield* Scope.close(first, Exit.void)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const strange = yield* process(state, version(2).layer)
        yield* TestClock.adjust("1 hour")
        const engine = Context.get(strange, Engine)
        assert.strictEqual((yield* engine.get(id)).status, "running")
      })
    )
    const compatible = yield* process(state, version(3, [1]).layer)
    const handle = yield* Effect.provide(version(3, [1]).handle(id), compatible)
    assert.strictEqual(yield* handle.await, "patched")
  })
)

it.effect("patched: a run that passed the place with old code keeps the old branch, a new one takes the new", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const make = (isNew: boolean) =>
      Orchestration.make("Patch", {
        input: {},
        output: Schema.String,
        run: () =>
          Effect.gen(function* () {
            const before = isNew && (yield* Orchestration.patched("greet")) ? yield* step("greet") : "none"
            yield* step("work")
            yield* Signal.await(Approval)
            return before
          })
      })
    const first = yield* Scope.make()
    const owner = yield* Scope.provide(process(state, make(false).layer), first)
    const old = yield* Effect.provide(make(false).start({}, { key: "old" }), owner)
    yield* old.events.pipe(
      Stream.takeUntil((event) => event.type === "StepCompleted"),
      Stream.runDrain
    )
    yield* Scope.close(first, Exit.void)
    const second = yield* Scope.make()
    const newer = yield* Scope.provide(process(state, make(true).layer), second)
    const fresh = yield* Effect.provide(make(true).start({}, { key: "new" }), newer)
    yield* fresh.events.pipe(
      Stream.takeUntil((event) => event.meta.path === "work"),
      Stream.runDrain
    )
    yield* Scope.close(second, Exit.void)
    const last = yield* process(state, make(true).layer)
    const outcomes = yield* Effect.forEach([old.id, fresh.id], (id) =>
      Effect.gen(function* () {
        const handle = yield* make(true).handle(id)
        yield* handle.signal(Approval, { by: "ann" })
        return yield* handle.await
      }).pipe(Effect.provide(last))
    )
    assert.deepStrictEqual(outcomes, ["none", "greet"])
  })
)

it.effect(
  "starts with the same key are one run",
  () =>
    Seeds.forEach(20, () =>
      Effect.gen(function* () {
        const state = Memory.makeState()
        let calls = 0
        const One = Orchestration.make("One", {
          input: {},
          output: Schema.String,
          key: () => "same",
          run: () => step("work", () => calls++)
        })
        const here = yield* process(state, One.layer)
        const there = yield* process(state, One.layer)
        const outcomes = yield* Effect.forEach(
          [here, there, here, there],
          (context) => Effect.provide(One.run({}), context),
          {
            concurrency: "unbounded"
          }
        )
        assert.deepStrictEqual(outcomes, ["work", "work", "work", "work"])
        assert.strictEqual(calls, 1)
      })
    ),
  60_000
)

it.effect("a run is awaited from another process than the one that carries it out", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const Nap = Orchestration.make("Nap", {
      input: {},
      output: Schema.String,
      run: () => Effect.as(Timer.sleep("1 minute"), "up")
    })
    const here = yield* process(state, Nap.layer)
    const there = yield* process(state, Layer.empty)
    const { id } = yield* Effect.provide(Nap.start({}, { key: "1" }), here)
    const handle = yield* Effect.provide(Nap.handle(id), there)
    const waiting = yield* Effect.forkChild(handle.await)
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(yield* Fiber.join(waiting), "up")
    assert.strictEqual(yield* handle.await, "up")
  })
)

it.effect("the catalogue lists, filters and pages", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const Nap = Orchestration.make("Nap", {
      input: {},
      output: Schema.String,
      run: () => Effect.as(Timer.sleep("1 hour"), "up")
    })
    const Quick = Orchestration.make("Quick", { input: {}, output: Schema.String, run: () => step("work") })
    const context = yield* process(state, Layer.merge(Nap.layer, Quick.layer) as any)
    const engine = Context.get(context, Engine)
    yield* Effect.gen(function* () {
      for (let index = 0; index < 5; index++) {
        yield* Nap.start({}, { key: `n${index}` })
        yield* Quick.run({}, { key: `q${index}` })
        yield* TestClock.adjust("1 second")
      }
    }).pipe(Effect.provide(context as Context.Context<any>))
    const ids = (filter?: Parameters<typeof engine.list>[0]) =>
      Effect.map(engine.list(filter), (runs) => runs.map(({ runId }) => runId))
    assert.deepStrictEqual(yield* ids({ definition: "Nap" }), ["Nap/n4", "Nap/n3", "Nap/n2", "Nap/n1", "Nap/n0"])
    assert.strictEqual((yield* ids({ status: "completed" })).length, 5)
    assert.deepStrictEqual(yield* ids({ definition: "Nap", limit: 2, offset: 1 }), ["Nap/n3", "Nap/n2"])
    assert.deepStrictEqual(yield* ids({ key: "q3" }), ["Quick/q3"])
    assert.strictEqual((yield* ids()).length, 10)
  })
)

it.effect("a cancellation that was stored, and no more, is not forgotten: not even if the run was paused before", () =>
  Effect.gen(function* () {
    for (const isPaused of [false, true]) {
      const state = Memory.makeState()
      const undone: Array<string> = []
      const Book = Orchestration.make("Book", {
        input: {},
        output: Schema.String,
        run: () =>
          step("seat").pipe(
            Saga.undo(() => step("release", () => undone.push("release"))),
            Effect.andThen(Effect.as(Signal.await(Approval), "booked")),
            Saga.transaction("book"),
            Effect.orDie
          )
      })
      // The owner gets to know of the cancellation, and never writes a word about it.
      const held = yield* holding(isPaused ? "RunResumed" : "RunCancelRequested")
      const lost = yield* Scope.provide(process(state, Book.layer, held.fault, dead), yield* Scope.make())
      const theirs = yield* Effect.provide(Book.start({}, { key: "1" }), lost)
      yield* theirs.events.pipe(
        Stream.takeUntil((event) => event.type === "StepCompleted"),
        Stream.runDrain
      )
      if (isPaused) {
        yield* theirs.pause
        yield* theirs.events.pipe(
          Stream.takeUntil((event) => event.type === "RunPaused"),
          Stream.runDrain
        )
      }
      yield* theirs.cancel("no")
      yield* held.reached
      const successor = yield* process(state, Book.layer)
      const handle = yield* Effect.provide(Book.handle(theirs.id), successor)
      assert.instanceOf(yield* Effect.flip(handle.await), RunCancelled)
      assert.deepStrictEqual(undone, ["release"])
    }
  })
)

it.effect(
  "L2: whenever a cancellation comes, a step that is recorded is undone",
  () =>
    Seeds.forEach(300, (seed) =>
      Effect.gen(function* () {
        const state = Memory.makeState()
        const Book = Orchestration.make("Book", {
          input: {},
          output: Schema.String,
          run: () =>
            Effect.forEach(["a", "b", "c"], (name) => step(name).pipe(Saga.undo(() => step("release")))).pipe(
              Effect.andThen(Effect.as(Signal.await(Approval), "booked")),
              Saga.transaction("book"),
              Effect.orDie
            )
        })
        const context = yield* process(state, Book.layer)
        const handle = yield* Effect.provide(Book.start({}, { key: "1" }), context)
        for (let left = seed % 25; left > 0; left--) yield* Effect.yieldNow
        yield* handle.cancel()
        const waiting = yield* Effect.forkChild(Effect.flip(handle.await))
        yield* TestClock.adjust("1 second")
        assert.instanceOf(yield* Fiber.join(waiting), RunCancelled)
        const log = yield* Effect.provide(LogAudit.readAll, Memory.storesOf(state))
        const paths = log.filter(({ type }) => type === "StepCompleted").map(({ meta }) => meta.path!)
        const released = paths.filter((path) => path.endsWith("/release"))
        assert.strictEqual(released.length * 2, paths.length, paths.join(", "))
      })
    ),
  60_000
)
