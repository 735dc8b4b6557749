/** D1 to D5 in runs. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Agent, Deadline, Saga, Step, Timer } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"
import { heldRun } from "./heldRun.ts"
import { leafOf, told, twice } from "./policies.ts"

everywhere(
  define(
    "D1, D5: around a leaf, an agent of agents and an effect",
    (world) => {
      const ask = leafOf(world, "ask", { takes: "20 seconds" })
      return Effect.all([
        told(ask.pipe(Deadline.within("10 seconds")).run({ text: "a" })),
        told(ask.pipe(Deadline.within("10 minutes")).run({ text: "b" })),
        told(
          twice("two", leafOf(world, "slow", { takes: "1 hour" }))
            .pipe(Deadline.within("30 minutes"))
            .run({ text: "c" })
        ),
        told(Timer.sleep("1 day").pipe(Deadline.within("1 hour"))),
        told(ask.run({ text: "d" }).pipe(Deadline.at(DateTime.makeUnsafe(0))))
      ])
    },
    {
      expected: Exit.succeed([
        "DeadlineExceeded",
        "ask(b)",
        "DeadlineExceeded",
        "DeadlineExceeded",
        "DeadlineExceeded"
      ]),
      effects: ["ask b"]
    }
  )
)

everywhere(
  define(
    "D2, D4: within each other, in branches, and with something to undo",
    (world) => {
      const ask = leafOf(world, "ask", { takes: "20 seconds" })
      const slow = leafOf(world, "slow", { takes: "1 hour" })
      const release = leafOf(world, "release", { takes: "20 seconds" })
      const booked = Effect.gen(function* () {
        yield* ask.run({ text: "seat" }).pipe(Saga.undo(() => Effect.orDie(release.run({ text: "seat" }))))
        return yield* Timer.sleep("1 day")
      }).pipe(Saga.transaction("book"))
      return Step.all({
        inner: told(twice("two", slow).pipe(Deadline.within("30 seconds")).run({ text: "a" })),
        outer: told(Timer.sleep("1 day").pipe(Deadline.within("2 days"))),
        undone: told(booked.pipe(Deadline.within("10 minutes")))
      }).pipe(Deadline.within("1 hour"), told)
    },
    {
      expected: Exit.succeed("DeadlineExceeded"),
      effects: ["ask seat", "release seat"]
    }
  )
)

describe("D5", () => {
  it.effect("D5: a restart moves neither the deadline nor the error", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const body = (hold: Effect.Effect<void>) =>
        Effect.gen(function* () {
          yield* hold
          return yield* Timer.sleep("1 day")
        }).pipe(
          Deadline.within("10 minutes"),
          Effect.match({
            onSuccess: () => ["in time"],
            onFailure: ({ deadline }) => [String(DateTime.toEpochMillis(deadline))]
          })
        )
      const began = yield* Clock.currentTimeMillis
      yield* untilHeld(body)
      yield* TestClock.adjust("4 minutes")
      const second = yield* Effect.forkChild(finish(body), { startImmediately: true })
      yield* TestClock.adjust("5 minutes")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(second), [String(began + Duration.toMillis("10 minutes"))])
    })
  )

  it.effect("D3, D5: after a restart that came too late, nothing further begins", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      let begun = 0
      const next = Agent.compose("next", {
        run: (_: {}) => Step.run("next", { output: Schema.Number, run: () => Effect.sync(() => ++begun) })
      })
      const body = (hold: Effect.Effect<void>) =>
        Effect.gen(function* () {
          yield* hold
          yield* Timer.sleep("1 minute")
          yield* next.run({})
          return ["in time"]
        }).pipe(
          Deadline.within("10 minutes"),
          Effect.catch(({ _tag }) => Effect.succeed([_tag as string]))
        )
      yield* untilHeld(body)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* finish(body), ["DeadlineExceeded"])
      assert.strictEqual(begun, 0)
    })
  )
})
