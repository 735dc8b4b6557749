/** Hooks and deadlines look at the same calls: whichever is around the other, both do what they are for. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { type ContractViolation, Deadline, Hook, HookFailed, HookRefused } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, type World } from "../durable/program.ts"
import { leafOf, told } from "../policies/policies.ts"
import { type Declined, layerOf, speaker, Text } from "./parts.ts"

const Endings = Schema.Union([HookRefused, HookFailed])

const upper = Hook.pre("upper", {
  input: Text,
  match: { patterns: ["Leaf"] },
  run: ({ input }) => Hook.change({ text: input.text.toUpperCase() })
})

const report = (here: World) =>
  Hook.post("report", {
    run: ({ agent, outcome }, { idempotencyKey }) =>
      Effect.sync(() => here.act(idempotencyKey, `report ${agent} ${outcome._tag}`))
  })

/** Ten minutes are enough for `ask`, and never for `slow`. */
const limited = Deadline.within("10 minutes")

const asked = (here: World) => leafOf(here, "ask", { takes: "20 seconds" }).run({ text: "x" })
const slow = (here: World) => leafOf(here, "slow", { takes: "1 hour" }).run({ text: "y" })

const expected = {
  expected: Exit.succeed(["ask(X)", "DeadlineExceeded", "ask(X)"]),
  effects: ["ask X", "ask X", "report ask Success", "report ask Success"],
  error: Endings
}

everywhere(
  define(
    "a hooked scope inside a deadline",
    (here) => {
      const hooked = Hook.hooked("talk")
      return Effect.all([
        told(asked(here).pipe(hooked, limited)),
        told(slow(here).pipe(hooked, limited)),
        told(asked(here).pipe(hooked, limited))
      ]).pipe(Effect.provide(layerOf([upper, report(here)])))
    },
    expected
  )
)

everywhere(
  define(
    "a deadline inside a hooked scope",
    (here) =>
      Effect.all([
        told(limited(asked(here))),
        told(limited(slow(here))),
        told(asked(here).pipe(Deadline.within("2 hours"), Deadline.within("1 day")))
      ]).pipe(Hook.hooked("talk"), Effect.provide(layerOf([upper, report(here)]))),
    expected
  )
)

describe("a call that comes too late", () => {
  /** The clock of a process that had no time for it: two seconds pass, and no fiber hears of them. */
  const late = Effect.gen(function* () {
    const clock = yield* Clock.Clock
    let ahead = 0
    const time: Clock.Clock = {
      ...clock,
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + ahead,
      currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + ahead),
      sleep: (duration) => clock.sleep(duration)
    }
    return { time, block: Effect.sync(() => void (ahead = 2000)) }
  })

  const soon = Deadline.within("1 second")
  const talk = Hook.hooked("talk")
  const ways = {
    "in a hooked scope inside the deadline": (self: Effect.Effect<unknown, Declined | ContractViolation>) =>
      soon(talk(self)),
    "in a deadline inside the hooked scope": (self: Effect.Effect<unknown, Declined | ContractViolation>) =>
      talk(soon(self))
  }
  for (const [way, around] of Object.entries(ways)) {
    it.effect(`begins not, and no hook is asked about it: ${way}`, () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const noted = Hook.pre("noted", {
          run: ({ agent }) =>
            Effect.andThen(
              Effect.sync(() => log.push(`asked about ${agent}`)),
              Hook.pass
            )
        })
        const { block, time } = yield* late
        const program = Effect.gen(function* () {
          yield* speaker("early", log).run({ text: "a" })
          yield* block
          yield* speaker("late", log).run({ text: "b" })
        })
        const call = told(around(program)).pipe(
          Effect.provideService(Clock.Clock, time),
          Effect.provide(layerOf([noted]))
        )
        const answer = yield* Effect.forkChild(call)
        while (answer.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(answer), "DeadlineExceeded")
        assert.deepStrictEqual(log, ["asked about early", "early a"])
      })
    )
  }
})
