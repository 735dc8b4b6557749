/** K1 to K6 in runs. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, type Context, Deferred, Effect, Exit, Fiber, Layer, Schema, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Agent,
  Bulkhead,
  type Engine,
  EventStore,
  Fenced,
  JournalEngine,
  Orchestration,
  Retry,
  Step,
  Timer
} from "../../src/index.ts"
import { FaultStore } from "../../src/testing/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"
import { heldRun } from "./heldRun.ts"
import { stoppingRun } from "./stoppingRun.ts"
import { leafOf, told, twice } from "./policies.ts"

const count = (answers: ReadonlyArray<unknown>, what: string) =>
  answers.filter((answer) => String(answer).startsWith(what)).length

everywhere(
  define(
    "K1, K2: leaves at once",
    (world) => {
      const slots = Bulkhead.make("slots", { concurrency: 1, queue: 3 })
      const ask = leafOf(world, "ask", { takes: "1 second" }).pipe(Bulkhead.protect(slots))
      return Effect.map(
        Step.forEach([1, 2, 3, 4], (n) => told(ask.run({ text: `${n}` })), { concurrency: "unbounded" }),
        (answers) => [count(answers, "ask")]
      )
    },
    { expected: Exit.succeed([4]), effects: ["ask 1", "ask 2", "ask 3", "ask 4"] }
  )
)

everywhere(
  define(
    "K1, K2, K6: agents of agents at once, those who wait and those who are refused",
    (world) => {
      const slots = Bulkhead.make("slots", { concurrency: 1, queue: 1 })
      const two = twice("two", leafOf(world, "ask", { takes: "1 second" })).pipe(Bulkhead.protect(slots))
      return Effect.map(
        Step.forEach([1, 2, 3, 4], (n) => told(two.run({ text: `${n}` })), { concurrency: "unbounded" }),
        (answers) => [count(answers, "ask") + count(answers, "BulkheadFull"), count(answers, "ask") >= 2]
      )
    },
    // After a crash more may be let in: those whose admission is recorded take no place.
    { expected: Exit.succeed([4, true]), effects: [] }
  )
)

everywhere(
  define(
    "K4: around a leaf with a retry, and around an effect",
    (world) => {
      const slots = Bulkhead.make("slots", { concurrency: 1 })
      const ask = leafOf(world, "ask", { from: 2 }).pipe(Retry.upTo({ attempts: 3 }), Bulkhead.protect(slots))
      return Effect.all([
        told(ask.run({ text: "a" })),
        told(leafOf(world, "next").run({ text: "b" }).pipe(Bulkhead.protect(slots)))
      ])
    },
    { expected: Exit.succeed(["ask(a)", "next(b)"]), effects: ["ask a", "next b"] }
  )
)

describe("K6", () => {
  it.effect("K4: a run that forgets everything at each answer gives its place back", () =>
    Effect.gen(function* () {
      const slots = Bulkhead.make("slots", { concurrency: 1, queue: 9 })
      const step = Step.run("step", { output: Schema.String, run: () => Effect.succeed("a") })
      const work = Agent.compose("work", { run: (_: {}) => step }).pipe(Bulkhead.protect(slots))
      const Twice = Orchestration.make("Twice", {
        input: {},
        output: Schema.String,
        run: () => Effect.orDie(Effect.andThen(work.run({}), work.run({})))
      })
      const engine = Twice.layer.pipe(Layer.provideMerge(Memory.layerOf(Memory.makeState(), { alwaysReplay: true })))
      assert.strictEqual(yield* Twice.run({}).pipe(Effect.provide(engine)), "a")
      assert.deepStrictEqual(yield* slots.state, { running: 0, queued: 0 })
    })
  )

  it.effect("K6: a replay refuses what was refused, and waits for nobody", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const program = (full: boolean) => {
        const slots = Bulkhead.make("slots", { concurrency: 1 })
        const other = Effect.never.pipe(Bulkhead.protect(slots))
        const body = (hold: Effect.Effect<void>) =>
          Effect.gen(function* () {
            const work = Agent.compose("work", { run: (_: {}) => Effect.succeed("done") }).pipe(Bulkhead.protect(slots))
            const first = yield* told(work.run({}))
            yield* hold
            return [first, yield* told(work.run({}))]
          })
        return { body, occupied: full ? Effect.forkChild(other, { startImmediately: true }) : Effect.void }
      }
      const refused = program(true)
      yield* refused.occupied
      yield* untilHeld(refused.body)
      // The process that replays has room, and still answers as recorded.
      assert.deepStrictEqual(yield* finish(program(false).body), ["BulkheadFull", "done"])
    })
  )

  it.effect("K6: a replay of what was let in asks for no place", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const slots = Bulkhead.make("slots", { concurrency: 1, queue: 1 })
      const gate = yield* Deferred.make<void>()
      const body = (hold: Effect.Effect<void>) =>
        Effect.map(told(Effect.as(hold, "done").pipe(Bulkhead.protect(slots))), (answer) => [answer])
      yield* untilHeld(body)
      const other = yield* Effect.forkChild(Deferred.await(gate).pipe(Bulkhead.protect(slots)), {
        startImmediately: true
      })
      assert.deepStrictEqual(yield* finish(body), ["done"])
      assert.deepStrictEqual(yield* slots.state, { running: 1, queued: 0 })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(other)
    })
  )

  it.effect("K4: a run that is dropped while it waits leaves the queue", () =>
    Effect.gen(function* () {
      const { untilHeld } = yield* heldRun
      const slots = Bulkhead.make("slots", { concurrency: 1, queue: 1 })
      const holder = yield* Effect.forkChild(Effect.never.pipe(Bulkhead.protect(slots)), { startImmediately: true })
      const body = (hold: Effect.Effect<void>) =>
        Effect.map(
          Effect.all([told(Effect.succeed("in").pipe(Bulkhead.protect(slots))), hold], { concurrency: 2 }),
          ([answer]) => [answer]
        )
      yield* untilHeld(body)
      assert.deepStrictEqual(yield* slots.state, { running: 1, queued: 0 })
      yield* Fiber.interrupt(holder)
      assert.deepStrictEqual(yield* slots.state, { running: 0, queued: 0 })
    })
  )

  it.effect("K6: an engine that stops does not wait for who waits to be let in, and its successor lets it in", () =>
    Effect.gen(function* () {
      const { inProcess } = yield* stoppingRun("1 hour")
      const work = (slots: Bulkhead.Bulkhead) =>
        Agent.compose("work", { run: (_: {}) => Effect.succeed("in") })
          .pipe(Bulkhead.protect(slots))
          .run({})
      const began = yield* Clock.currentTimeMillis
      const slots = Bulkhead.make("slots", { concurrency: 1, queue: 1 })
      const holder = yield* Effect.forkChild(Effect.never.pipe(Bulkhead.protect(slots)), { startImmediately: true })
      const stopped = yield* Effect.forkChild(
        inProcess(work(slots), (job) =>
          Effect.gen(function* () {
            yield* job.start({})
            while ((yield* slots.state).queued === 0) yield* Effect.yieldNow
          })
        )
      )
      while (stopped.pollUnsafe() === undefined) yield* TestClock.adjust("1 minute")
      assert.isBelow((yield* Clock.currentTimeMillis) - began, 3_600_000)
      assert.deepStrictEqual(yield* slots.state, { running: 1, queued: 0 })
      yield* Fiber.interrupt(holder)
      const answer = yield* inProcess(work(Bulkhead.make("slots", { concurrency: 1 })), (job) =>
        Effect.flatMap(job.start({}), (handle) => handle.await)
      )
      assert.strictEqual(answer, "in")
    })
  )

  it.effect("K4: a run that is taken over by another engine of the process gives its place back", () =>
    Effect.gen(function* () {
      const slots = Bulkhead.make("slots", { concurrency: 1, queue: 1 })
      const nap = Agent.compose("nap", { run: (_: {}) => Timer.sleep("1 hour") }).pipe(Bulkhead.protect(slots))
      const Nap = Orchestration.make("Nap", {
        input: {},
        output: Schema.String,
        key: () => "one",
        run: () => Effect.as(Effect.orDie(Effect.andThen(nap.run({}), nap.run({}))), "up")
      })
      const { freeze, frozen, healthy, thaw } = yield* twoEngines(Nap.layer)
      const handle = yield* Effect.provideContext(Nap.start({}), frozen)
      // Until it naps: who is frozen while its admission is recorded keeps its place until the store answers.
      yield* TestClock.adjust("5 seconds")
      freeze()
      const lost = yield* Effect.forkChild(Effect.flip(handle.await))
      yield* TestClock.adjust("30 seconds")
      assert.instanceOf(yield* Fiber.join(lost), Fenced)
      const afterwards = yield* slots.state
      yield* thaw
      // The successor's nap was let in by the journal, and takes no place.
      assert.deepStrictEqual(afterwards, { running: 0, queued: 0 })
      const theirs = yield* Effect.provideContext(Nap.handle(handle.id), healthy)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(yield* theirs.await, "up")
      assert.deepStrictEqual(yield* slots.state, { running: 0, queued: 0 })
    })
  )
})

/** Two engines on one store. Once frozen, the first writes no more, its lease included. */
const twoEngines = Effect.fnUntraced(function* (definition: Layer.Layer<any, any, Engine>) {
  const state = Memory.makeState()
  const thawed = yield* Deferred.make<void>()
  let isFrozen = false
  const fault: FaultStore.Fault = () => (mutation) =>
    Effect.suspend(() => (isFrozen ? Effect.andThen(Deferred.await(thawed), mutation) : mutation))
  const engine = (fault: FaultStore.Fault) => {
    const stores = EventStore.layer.pipe(
      Layer.provideMerge(FaultStore.layer(fault)),
      Layer.provide(Memory.storesOf(state))
    )
    const layer = definition.pipe(
      Layer.provideMerge(JournalEngine.layer({ lease: "15 seconds", replayPatience: 0, grace: 0 })),
      Layer.provideMerge(stores)
    )
    return Layer.build(Layer.fresh(layer)) as Effect.Effect<Context.Context<any>, never, Scope.Scope>
  }
  return {
    frozen: yield* engine(fault),
    healthy: yield* engine(() => (mutation) => mutation),
    freeze: () => void (isFrozen = true),
    thaw: Deferred.succeed(thawed, undefined)
  }
})
