import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Layer, Option, Queue } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, EventStore, Hook, Orchestration, StreamId, WorkQueueDriver, WorkQueueError } from "../../src/index.ts"
import { layerOf, quiet, Say, speaker } from "./parts.ts"

/** Lets time pass until it holds. */
const until = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) {
  while (true) {
    yield* TestClock.adjust("1 second")
    const value = yield* effect
    if (holds(value)) return value
  }
})

const deadLetters = (hook: string) => Hook.Hooks.use((hooks) => hooks.deadLetters(hook))
const alice = speaker("alice").pipe(Agent.transform(Hook.hooked("talk")))

const stream = (name: string) => StreamId.make(name)
const append = (name: string, ...types: ReadonlyArray<string>) =>
  EventStore.EventStore.use((store) =>
    store.append(
      stream(name),
      types.map((type) => ({ type, data: {} })),
      "Any"
    )
  )

describe("post hooks through the queue", () => {
  it.effect("are told later, with the values that they ask for", () =>
    Effect.gen(function* () {
      const told = yield* Queue.unbounded<Hook.CallEnded>()
      const hook = Hook.post("report", { delivery: "queue", values: true, run: (call) => Queue.offer(told, call) })
      const layer = layerOf([hook])
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* alice.run({ text: "a" }), "alice(a)")
        const { agent, input, outcome } = yield* Queue.take(told)
        assert.deepStrictEqual(
          { agent, input, outcome },
          { agent: "alice", input: { text: "a" }, outcome: { _tag: "Success", output: "alice(a)" } }
        )
        const done = Effect.map(
          Hook.Hooks.use(({ executions }) => executions),
          (all) => all.map(({ outcome }) => outcome)
        )
        assert.deepStrictEqual(yield* until(done, (all) => all.length === 2), ["Observed", "Queued"])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("Q2: are tried again by the configuration of that moment, then a dead letter, and redriven", () =>
    Effect.gen(function* () {
      let isUp = false
      const attempts: Array<number> = []
      const hook = Hook.post("report", {
        delivery: "queue",
        timeout: "5 seconds",
        run: (_, { attempt }) =>
          Effect.suspend(() => {
            attempts.push(attempt)
            return isUp ? Effect.void : attempt === 1 ? Effect.never : Effect.fail("no paper")
          })
      })
      yield* Effect.gen(function* () {
        yield* alice.run({ text: "a" })
        yield* until(
          Effect.sync(() => attempts.length),
          (count) => count === 1
        )
        const retry = { times: 2, delay: Duration.seconds(1), factor: 1 }
        yield* Hook.Hooks.use(({ configure }) => configure("report", { retry }))
        const [letter] = yield* until(deadLetters("report"), (letters) => letters.length === 1)
        assert.deepStrictEqual(attempts, [1, 2, 3])
        assert.strictEqual(
          Option.getOrThrow(letter!.error).message,
          'Hook "report" (post) failed for "alice": no paper.'
        )
        isUp = true
        assert.deepStrictEqual(yield* Hook.Hooks.use(({ redrive }) => redrive("report", [letter!.id])), [letter!.id])
        yield* until(
          Effect.sync(() => attempts.length),
          (count) => count === 4
        )
      }).pipe(Effect.provide(layerOf([hook])))
    })
  )

  it.effect("Q1: a call of a run is queued once, however often the run is replayed", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const told: Array<string> = []
      const hook = Hook.post("report", {
        delivery: "queue",
        run: ({ agent, runId }) => Effect.sync(() => void told.push(`${agent} ${runId}`))
      })
      const Job = Orchestration.make("Job", {
        ...Say,
        error: Say.error,
        key: () => "one",
        run: ({ text }) =>
          Effect.orDie(
            Effect.flatMap(speaker("alice").run({ text }), (said) => speaker("bob").run({ text: said })).pipe(
              Hook.hooked("talk")
            )
          )
      })
      const layer = Job.layer.pipe(
        Layer.provideMerge(Hook.layer([hook], quiet)),
        Layer.provideMerge(Memory.layerOf(state, { alwaysReplay: true }))
      )
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* Job.run({ text: "a" }), "bob(alice(a))")
        yield* until(
          Effect.sync(() => told.length),
          (count) => count >= 2
        )
        assert.deepStrictEqual(told.toSorted(), ["alice Job/one", "bob Job/one"])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("Q1: an offer whose answer was lost, and that is made again, is one item: of a call, and of an event", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const told: Array<string> = []
      const hooks = [
        Hook.post("report", {
          delivery: "queue",
          run: ({ agent }, { idempotencyKey }) => Effect.sync(() => void told.push(`${agent} ${idempotencyKey !== ""}`))
        }),
        Hook.event("notify", { events: ["A"], run: ({ type }) => Effect.sync(() => void told.push(type)) })
      ]
      let offers = 0
      const lossy = Layer.effect(
        WorkQueueDriver,
        Effect.map(WorkQueueDriver, (driver): WorkQueueDriver["Service"] => ({
          ...driver,
          offer: (...offered) =>
            Effect.flatMap(driver.offer(...offered), (answer) =>
              ++offers % 2 === 1
                ? Effect.fail(new WorkQueueError({ operation: "add items", retryable: true, cause: "cut off" }))
                : Effect.succeed(answer)
            )
        }))
      )
      const Job = Orchestration.make("Job", {
        ...Say,
        key: () => "one",
        run: (input) => Effect.orDie(alice.run(input))
      })
      const layer = Job.layer.pipe(
        Layer.provideMerge(Hook.layer(hooks, quiet).pipe(Layer.provide(lossy))),
        Layer.provideMerge(Memory.layerOf(state))
      )
      yield* Effect.gen(function* () {
        const run = yield* Effect.forkChild(Job.run({ text: "a" }))
        yield* until(
          Effect.sync(() => told.length),
          (count) => count === 1
        )
        yield* Fiber.join(run)
        yield* append("s/1", "A")
        yield* until(
          Effect.sync(() => offers),
          (count) => count === 4
        )
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(told, ["alice true", "A"])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("H5: an offer that does not get through is a failure of the hook", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const hook = (required: boolean) => Hook.post("report", { delivery: "queue", required, run: () => Effect.void })
      let offers = 0
      const full = Layer.effect(
        WorkQueueDriver,
        Effect.map(WorkQueueDriver, (driver) => ({
          ...driver,
          offer: () =>
            Effect.suspend(() => {
              offers++
              return Effect.fail(new WorkQueueError({ operation: "add items", retryable: true, cause: "down" }))
            })
        }))
      )
      const run = Effect.fnUntraced(function* (required: boolean) {
        const layer = Hook.layer([hook(required)], quiet).pipe(
          Layer.provide(full),
          Layer.provideMerge(Memory.storesOf(state))
        )
        const fiber = yield* Effect.forkChild(Effect.exit(Effect.provide(alice.run({ text: "a" }), layer)))
        yield* until(
          Effect.sync(() => fiber.pollUnsafe()),
          (exit) => exit !== undefined
        )
        return yield* Fiber.join(fiber)
      })
      assert.deepStrictEqual(yield* run(false), Exit.succeed("alice(a)"))
      assert.strictEqual(offers, 3)
      const exit = yield* run(true)
      assert.strictEqual(
        (Option.getOrThrow(Option.map(Exit.getCause(exit), Cause.squash)) as { readonly _tag: string })._tag,
        "HookFailed"
      )
    })
  )

  it.effect("a hook may be moved into the queue, and out of it, while the program runs", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const hook = Hook.post("report", { run: (call) => Effect.sync(() => void told.push(call.agent)) })
      yield* Effect.gen(function* () {
        const outcomes = Effect.map(
          Hook.Hooks.use(({ executions }) => executions),
          (all) => all.map(({ outcome }) => outcome)
        )
        yield* alice.run({ text: "a" })
        assert.deepStrictEqual(yield* outcomes, ["Observed"])
        yield* Hook.Hooks.use(({ configure }) => configure("report", { delivery: "queue" }))
        yield* alice.run({ text: "a" })
        assert.deepStrictEqual(yield* until(outcomes, (all) => all.length === 3), ["Observed", "Queued", "Observed"])
      }).pipe(Effect.provide(layerOf([hook])))
    })
  )
})

describe("event hooks", () => {
  it.effect("Q1, Q3: each event that matches is told once to each hook, in the order of its stream", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const notify = Hook.event("notify", {
        events: ["OrderPlaced", "OrderShipped"],
        streams: ["order/"],
        where: ({ stream }) => stream !== "order/9",
        retry: { times: 3, delay: "1 second" },
        run: ({ stream, type, version }, { attempt }) =>
          type === "OrderPlaced" && attempt === 1
            ? Effect.fail("not yet")
            : Effect.sync(() => void told.push(`${stream} ${version} ${type}`))
      })
      const other = Hook.event("other", {
        events: ["OrderShipped"],
        run: ({ stream }) => Effect.sync(() => void told.push(`other ${stream}`))
      })
      yield* Effect.gen(function* () {
        yield* append("order/1", "OrderPlaced", "OrderPaid", "OrderShipped")
        yield* append("parcel/1", "OrderShipped")
        yield* append("order/9", "OrderShipped")
        yield* until(
          Effect.sync(() => told.length),
          (count) => count === 5
        )
        assert.deepStrictEqual(
          told.filter((line) => !line.startsWith("other")),
          ["order/1 1 OrderPlaced", "order/1 3 OrderShipped"]
        )
        assert.deepStrictEqual(told.filter((line) => line.startsWith("other")).toSorted(), [
          "other order/1",
          "other order/9",
          "other parcel/1"
        ])
      }).pipe(Effect.provide(layerOf([notify, other])))
    })
  )

  it.effect("what is erased from the log is not told, and other types are told once they are configured", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const isFree = yield* Deferred.make<void>()
      const notify = Hook.event("notify", {
        events: ["A"],
        timeout: "1 hour",
        run: ({ stream, type }) =>
          Effect.andThen(
            Effect.sync(() => void told.push(`${stream} ${type}`)),
            type === "A" ? Deferred.await(isFree) : Effect.void
          )
      })
      yield* Effect.gen(function* () {
        yield* append("s/1", "A", "A")
        yield* until(
          Effect.sync(() => told.length),
          (count) => count === 1
        )
        yield* EventStore.EventStore.use((store) => store.delete(stream("s/1")))
        yield* Hook.Hooks.use(({ configure }) => configure("notify", { match: { events: ["B"] } }))
        yield* Deferred.succeed(isFree, undefined)
        yield* append("s/2", "A", "B")
        yield* until(
          Effect.sync(() => told.length),
          (count) => count === 2
        )
        assert.deepStrictEqual(told, ["s/1 A", "s/2 B"])
      }).pipe(Effect.provide(layerOf([notify])))
    })
  )

  it.effect("a predicate that throws is a failure of its hook, and holds up no other", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const wrong = Hook.event("a", {
        events: ["A"],
        retry: { times: 0 },
        where: () => {
          throw new Error("no predicate")
        },
        run: () => Effect.void
      })
      const right = Hook.event("b", { events: ["A"], run: () => Effect.sync(() => void told.push("b")) })
      yield* Effect.gen(function* () {
        yield* append("s/1", "A")
        const [letter] = yield* until(deadLetters("a"), (letters) => letters.length === 1)
        assert.include(letter!.detail, "no predicate")
        assert.deepStrictEqual(told, ["b"])
        assert.deepStrictEqual(yield* Hook.Hooks.use(({ redrive }) => redrive("a", [])), [])
      }).pipe(Effect.provide(layerOf([wrong, right])))
    })
  )

  it.effect("an item of a hook that has changed its kind is a dead letter; a hook without a queue has none", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const broken = Hook.post("notify", {
        delivery: "queue",
        retry: { times: 1, delay: "1 day" },
        run: () => Effect.fail("down")
      })
      const event = Hook.event("notify", { events: ["A"], retry: { times: 2 }, run: () => Effect.void })
      yield* Effect.gen(function* () {
        yield* alice.run({ text: "a" })
        yield* until(
          Hook.Hooks.use(({ executions }) => executions),
          (all) => all.length === 2
        )
      }).pipe(Effect.provide(layerOf([broken], {}, state), { local: true }))
      yield* TestClock.adjust("2 days")
      yield* Effect.gen(function* () {
        const [letter] = yield* until(deadLetters("notify"), (letters) => letters.length === 1)
        assert.include(letter!.detail, "it is no hook for a call any more")
        assert.deepStrictEqual(yield* deadLetters("guard"), [])
        assert.deepStrictEqual(yield* Hook.Hooks.use(({ redrive }) => redrive("guard", [])), [])
      }).pipe(Effect.provide(layerOf([event, Hook.pre("guard", { run: () => Hook.pass })], {}, state), { local: true }))
    })
  )
})
