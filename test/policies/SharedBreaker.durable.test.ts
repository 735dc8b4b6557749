/** H1 to H4 in runs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Breaker, SharedBreaker } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"
import { heldRun, twiceAndOnce } from "./heldRun.ts"
import { leafOf, told, twice } from "./policies.ts"

class Down extends Schema.TaggedError<Down>()("Down", {}) {}

const breakerOf = (name: string) => SharedBreaker.make(name, { trip: Breaker.consecutive(1), openFor: "1 hour" })
const memory = Effect.provide(SharedBreaker.layerMemory)

everywhere(
  define(
    "H1, H4: around leaves, agents of agents and effects",
    (world) => {
      const ask = leafOf(world, "ask")
      const two = twice("two", ask).pipe(SharedBreaker.protect(breakerOf("two")))
      const ill = Effect.andThen(Effect.orDie(ask.run({ text: "ill" })), Effect.fail(new Down())).pipe(
        SharedBreaker.protect(breakerOf("ill"))
      )
      return Effect.all([
        told(
          leafOf(world, "leaf")
            .pipe(SharedBreaker.protect(breakerOf("leaf")))
            .run({ text: "a" })
        ),
        told(two.run({ text: "b" })),
        told(ill)
      ]).pipe(memory)
    },
    {
      expected: Exit.succeed(["leaf(a)", "ask(b1) ask(b2)", "Down"]),
      effects: ["ask b1", "ask b2", "ask ill", "leaf a"]
    }
  )
)

describe("H4", () => {
  it.effect("a replay refuses what was refused, although the circuit is closed by then, and counts nothing", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const breaker = breakerOf("runs")
      const call = told(Effect.fail(new Down()).pipe(SharedBreaker.protect(breaker)))
      const body = (hold: Effect.Effect<void>) => memory(twiceAndOnce(call)(hold))
      yield* untilHeld(body)
      const second = yield* Effect.forkChild(finish(body), { startImmediately: true })
      yield* TestClock.adjust(1)
      // A process of its own has circuits of its own: had the replay counted, this one would be open.
      assert.deepStrictEqual(yield* Fiber.join(second), ["Down", "CircuitOpen", "Down"])
    })
  )
})
