/** K1 to K6 in runs. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, Bulkhead, Orchestration, Retry, Step } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"
import { heldRun } from "./heldRun.ts"
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
      const state = Memory.makeState()
      const inProcess = <A, E>(slots: Bulkhead.Bulkhead, use: (job: typeof one) => Effect.Effect<A, E, any>) => {
        const work = Agent.compose("work", { run: (_: {}) => Effect.succeed("in") }).pipe(Bulkhead.protect(slots))
        const job = jobOf(Effect.orDie(work.run({})))
        const layer = job.layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0, grace: "1 hour" })))
        return Effect.provide(use(job), Layer.fresh(layer), { local: true }) as Effect.Effect<A, E>
      }
      const jobOf = (run: Effect.Effect<string>) =>
        Orchestration.make("Job", { input: {}, output: Schema.String, key: () => "one", run: () => run })
      const one = jobOf(Effect.succeed(""))
      const began = yield* Clock.currentTimeMillis
      const slots = Bulkhead.make("slots", { concurrency: 1, queue: 1 })
      const holder = yield* Effect.forkChild(Effect.never.pipe(Bulkhead.protect(slots)), { startImmediately: true })
      const stopped = yield* Effect.forkChild(
        inProcess(slots, (job) =>
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
      const answer = yield* inProcess(Bulkhead.make("slots", { concurrency: 1 }), (job) =>
        Effect.flatMap(job.start({}), (handle) => handle.await)
      )
      assert.strictEqual(answer, "in")
    })
  )
})
