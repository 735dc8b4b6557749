/** G1 to G5 in runs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Agent, Hedge } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Say } from "../durable/program.ts"
import { heldRun } from "./heldRun.ts"
import { leafOf, told, twice } from "./policies.ts"

everywhere(
  define(
    "G1, G2, G3: around leaves",
    (world) => {
      const slow = leafOf(world, "slow", { takes: "1 minute" }).pipe(Hedge.after("20 seconds"))
      const broken = leafOf(world, "broken", { takes: "1 minute", from: 9 }).pipe(
        Hedge.after("20 seconds", { calls: 3 })
      )
      return Effect.all([told(slow.run({ text: "a" })), told(broken.run({ text: "b" }))])
    },
    { expected: Exit.succeed(["slow(a)", "Refused"]), effects: ["slow a"] }
  )
)

everywhere(
  define(
    "G1, G5: around agents of agents and effects: one winner",
    (world) => {
      const ask = leafOf(world, "ask", { takes: "50 seconds" })
      const two = twice("two", ask).pipe(Hedge.after("30 seconds", { calls: 3 }))
      const broken = twice("broken", leafOf(world, "never", { takes: "50 seconds", from: 9 })).pipe(
        Hedge.after("30 seconds")
      )
      return Effect.all([
        told(two.run({ text: "a" })),
        told(broken.run({ text: "b" })),
        told(ask.run({ text: "c" }).pipe(Hedge.after("30 seconds")))
      ])
    },
    { expected: Exit.succeed(["ask(a1) ask(a2)", "Refused", "ask(c)"]), effects: [] }
  )
)

describe("G5", () => {
  it.effect("G5: the second call wins, and again on replay, whichever is faster by then", () =>
    Effect.gen(function* () {
      const { events, finish, untilHeld } = yield* heldRun
      let calls = 0
      const program = (times: ReadonlyArray<string>) => {
        const ask = Agent.make("ask", {
          task: Say,
          run: () => {
            const number = calls++
            return Effect.delay(Effect.succeed(`call ${number}`), times[number] as "1 second")
          }
        })
        const hedged = Agent.compose("hedged", { run: ask.run }).pipe(Hedge.after("10 seconds"))
        return (hold: Effect.Effect<void>) =>
          Effect.gen(function* () {
            const first = yield* told(hedged.run({ text: "a" }))
            yield* hold
            return [first]
          })
      }
      const first = yield* Effect.forkChild(untilHeld(program(["1 hour", "5 seconds"])), { startImmediately: true })
      while (first.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      assert.strictEqual(calls, 2)
      const again = program(["1 second", "1 second"])
      assert.deepStrictEqual(yield* finish(again), ["call 1"])
      assert.strictEqual(calls, 2)
      assert.deepStrictEqual(
        (yield* events(again)).filter((event) => event.includes("hedge")),
        [
          "TimerScheduled hedged/hedge/[2]/delay/timer",
          "TimerFired hedged/hedge/[2]/delay/timer",
          "StepCompleted hedged/hedge/[2]/hedged/ask"
        ]
      )
    })
  )
})
