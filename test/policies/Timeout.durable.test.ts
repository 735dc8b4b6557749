/** O1 to O3 in runs. */
import { Effect, Exit } from "effect"
import { Agent, Timeout, Timer } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"
import { leafOf, told, twice } from "./policies.ts"

everywhere(
  define(
    "O1, O2: around leaves",
    (world) => {
      const slow = leafOf(world, "slow", { takes: "1 minute" }).pipe(Timeout.after("30 seconds"))
      const fast = leafOf(world, "fast", { takes: "1 second" }).pipe(Timeout.after("30 seconds"))
      return Effect.all([told(slow.run({ text: "a" })), told(fast.run({ text: "b" }))])
    },
    { expected: Exit.succeed(["TimedOut", "fast(b)"]), effects: ["fast b"] }
  )
)

everywhere(
  define(
    "O1, O2, O3: around agents of agents and effects, one within the other",
    (world) => {
      const ask = leafOf(world, "ask", { takes: "20 seconds" })
      const tooSlow = twice("tooSlow", leafOf(world, "slow", { takes: "1 hour" })).pipe(Timeout.after("90 minutes"))
      const inTime = twice("inTime", ask).pipe(Timeout.after("10 minutes"), Timeout.after("1 hour"))
      const parked = Agent.compose("parked", { run: (_: {}) => Timer.sleep("1 day") })
      return Effect.all([
        told(tooSlow.run({ text: "a" })),
        told(inTime.run({ text: "b" })),
        told(parked.run({}).pipe(Timeout.after("1 hour"))),
        told(ask.run({ text: "c" }).pipe(Timeout.after("10 minutes")))
      ])
    },
    {
      expected: Exit.succeed(["TimedOut", "ask(b1) ask(b2)", "TimedOut", "ask(c)"]),
      // A crash may cost the first of the slow ones so much time that it does not end either.
      effects: []
    }
  )
)
