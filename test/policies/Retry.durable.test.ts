/** T1 to T5 in runs: around an agent that performs a task, around one composed of others, around an effect. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Agent, Retry } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Refused } from "../durable/program.ts"
import { heldRun } from "./heldRun.ts"
import { leafOf, told, twice } from "./policies.ts"

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
