/** T1 to T5 in runs: around an agent that performs a task, around one composed of others, around an effect. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Agent, Retry, Step, Task } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Refused } from "../durable/program.ts"
import { heldRun } from "./heldRun.ts"
import { leafOf, told, twice } from "./policies.ts"
import { stoppingRun } from "./stoppingRun.ts"

/** All of a wait is left to chance, so that a replay draws another one. */
const policy = Retry.upTo({ attempts: 4, base: "1 minute", jitter: 1, on: ["Refused"], elapsed: "1 hour" })

everywhere(
  define(
    "T1: the attempts of a leaf, at random distances",
    (world) => {
      const ask = leafOf(world, "ask", { from: 3 }).pipe(policy)
      const never = leafOf(world, "never", { from: 9 }).pipe(policy)
      return Effect.all([told(ask.run({ text: "a" })), told(never.run({ text: "b" })), told(ask.run({ text: "c" }))])
    },
    { expected: Exit.succeed(["ask(a)", "Refused", "ask(c)"]), effects: ["ask a", "ask c"] }
  )
)

everywhere(
  define(
    "T5: the calls of an agent of agents, at random distances",
    (world) => {
      const ask = leafOf(world, "ask")
      const broken = leafOf(world, "broken", { from: 9 })
      const both = Agent.compose("both", {
        run: ({ text }: { readonly text: string }) => Effect.andThen(ask.run({ text }), broken.run({ text }))
      }).pipe(policy)
      return Effect.all([told(both.run({ text: "a" })), told(twice("two", ask).pipe(policy).run({ text: "b" }))])
    },
    {
      expected: Exit.succeed(["Refused", "ask(b1) ask(b2)"]),
      effects: ["ask a", "ask a", "ask a", "ask a", "ask b1", "ask b2"]
    }
  )
)

everywhere(
  define(
    "T5: the attempts of an effect made of steps, and of a leaf that has a retry of its own",
    (world) => {
      const ask = leafOf(world, "ask")
      const effect = Effect.andThen(ask.run({ text: "a" }), Effect.fail(new Refused({ what: "effect" }))).pipe(
        Retry.upTo({ attempts: 2, base: "1 minute", jitter: 1 })
      )
      const never = leafOf(world, "never", { from: 9 }).pipe(
        Retry.upTo({ attempts: 2, jitter: 1 }),
        Retry.upTo({ attempts: 2, jitter: 1 })
      )
      return Effect.all([told(effect), told(never.run({ text: "b" }))])
    },
    { expected: Exit.succeed(["Refused", "Refused"]), effects: ["ask a", "ask a"] }
  )
)

/** It asks to be left alone for longer than any wait of the policy below. */
class Full extends Schema.TaggedError<Full>()("Full", { retryAfter: Schema.DurationFromMillis }) {}
const full = new Full({ retryAfter: Duration.hours(1) })
/** It asks for nothing that is understood: milliseconds are no `Duration`. */
class Vague extends Schema.TaggedError<Vague>()("Vague", { retryAfter: Schema.Number }) {}
const impatient = Retry.upTo({ attempts: 3, base: "1 second", cap: "2 seconds", jitter: 1 })

const Ask = Task.make("Ask", { input: {}, output: Schema.String, error: Full })
const leaf = (ask: () => void) =>
  Agent.make("leaf", {
    task: Ask,
    run: (_, { attempt }) =>
      Effect.andThen(Effect.sync(ask), attempt === 1 ? Effect.fail(full) : Effect.succeed("answer"))
  }).pipe(impatient)

/** Its steps answer at once; it fails in the program. */
const composed = (ask: () => void) =>
  Effect.suspend(() => {
    let calls = 0
    const step = Agent.make("step", { task: Ask, run: () => Effect.as(Effect.sync(ask), "answer") })
    return Agent.compose("both", {
      run: (_: {}) =>
        Effect.flatMap(step.run({}), (answer) => (++calls === 1 ? Effect.fail(full) : Effect.succeed(answer)))
    })
      .pipe(impatient)
      .run({})
  })

everywhere(
  define(
    "T2: an error that asks for a wait is left alone for so long, if it asks by a Duration",
    () => {
      const timed = <A, E, R>(call: Effect.Effect<A, E, R>) =>
        Effect.gen(function* () {
          const begun = yield* Step.now
          yield* call
          return Duration.isGreaterThanOrEqualTo(Duration.millis((yield* Step.now) - begun), full.retryAfter)
        })
      const vague = Agent.make("vague", {
        task: Task.make("Vague", { input: {}, output: {}, error: Vague }),
        run: (_, { attempt }) => (attempt === 1 ? new Vague({ retryAfter: 7_200_000 }) : Effect.succeed({}))
      }).pipe(impatient)
      return Effect.all([timed(leaf(() => {}).run({})), timed(composed(() => {})), timed(vague.run({}))])
    },
    { expected: Exit.succeed([true, true, false]), effects: [], error: Full }
  )
)

describe("T2", () => {
  for (const [name, call] of [
    ["a leaf", (ask: () => void) => leaf(ask).run({})],
    ["an agent of agents", composed]
  ] as const) {
    it.effect(
      `T2: ${name} that asks for a wait is left alone by the process that comes after, too, and no longer`,
      () =>
        Effect.gen(function* () {
          // A leaf that waits is a step under way: a process that stops would wait for it, on a clock that stands still.
          const { inProcess } = yield* stoppingRun(0)
          let asked = 0
          const body = Effect.suspend(() => call(() => void asked++))
          yield* inProcess(body, (job) => Effect.andThen(job.start({}), TestClock.adjust("20 minutes")))
          assert.strictEqual(asked, 1)
          yield* inProcess(body, (job) =>
            Effect.gen(function* () {
              const handle = yield* job.start({})
              yield* TestClock.adjust(Duration.toMillis("40 minutes") - 1)
              assert.strictEqual(asked, 1)
              yield* TestClock.adjust(1)
              assert.strictEqual(asked, 2)
              assert.strictEqual(yield* handle.await, "answer")
            })
          )
        })
    )
  }
})

describe("T5", () => {
  it.effect("T5: a replay draws other numbers, and waits and tries as before", () =>
    Effect.gen(function* () {
      const { events, finish, untilHeld } = yield* heldRun
      let calls = 0
      const body = (hold: Effect.Effect<void>) =>
        Effect.gen(function* () {
          const fail = Agent.compose("fail", {
            run: (_: {}) => Effect.suspend(() => Effect.fail(new Refused({ what: `${++calls}` })))
          }).pipe(Retry.upTo({ attempts: 3, base: "1 minute", jitter: 1 }))
          const end = yield* told(fail.run({}))
          yield* hold
          return [String(end)]
        })
      const first = yield* Effect.forkChild(untilHeld(body), { startImmediately: true })
      while (first.pollUnsafe() === undefined) yield* TestClock.adjust("1 minute")
      yield* Fiber.join(first)
      // No clock moves any more: a wait that was not answered from the journal would never end.
      assert.deepStrictEqual(yield* finish(body), ["Refused"])
      assert.strictEqual(calls, 6)
      assert.strictEqual((yield* events(body)).filter((event) => event.startsWith("TimerFired")).length, 2)
    })
  )
})
