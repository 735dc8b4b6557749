/** `VerifyLoop` as it is made from data. */
import * as Schema from "effect/Schema"
import * as Task from "../../core/Task.ts"
import * as Pattern from "../pattern/Pattern.ts"
import * as Verdict from "../Verdict.ts"
import * as VerifyLoop from "../verify-loop/VerifyLoop.ts"
import { Count, Duration } from "./Quantities.ts"
import type { Whoever } from "./Whoever.ts"

/** Makes a candidate. `last` is missing for the first one. */
const Attempting = Task.make("Attempting", {
  input: {
    input: Schema.Any,
    last: Schema.optionalKey(Schema.Struct({ candidate: Schema.Any, feedback: Schema.Any }))
  },
  output: Schema.Any
})

/** Says what a candidate is worth. */
const Verifying = Task.make("Verifying", {
  input: { input: Schema.Any, candidate: Schema.Any },
  output: Verdict.schema(Schema.Any)
})

const Strategy = Schema.Union([
  Schema.Literal("untilAccepted"),
  Schema.Struct({ bestOf: Count }),
  Schema.Struct({
    plateau: Schema.Struct({
      rounds: Count,
      epsilon: Pattern.optional(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)), 0)
    })
  })
])

const strategyOf = (strategy: typeof Strategy.Type): VerifyLoop.Strategy<unknown, unknown, never> => {
  if (typeof strategy === "string") return VerifyLoop.untilAccepted
  return "bestOf" in strategy ? VerifyLoop.bestOf(strategy.bestOf) : VerifyLoop.plateau(strategy.plateau)
}

const needs = (strategy: typeof Strategy.Type): number => strategyOf(strategy).needs ?? 1

export const verifyLoop = Pattern.make("VerifyLoop", {
  description: "An attempt that is verified, and made again with the feedback, until it is good enough.",
  options: {
    strategy: Pattern.optional(Strategy, "untilAccepted"),
    rounds: Schema.optionalKey(Count),
    stalls: Schema.optionalKey(Count),
    time: Schema.optionalKey(Duration)
  },
  slots: { attempt: Pattern.one(Attempting), verify: Pattern.one(Verifying) },
  validate: ({ rounds, strategy }) =>
    rounds === undefined || rounds >= needs(strategy)
      ? []
      : [{ path: ["rounds"], message: `the strategy needs ${needs(strategy)}, got ${rounds}` }],
  build: (
    { attempt, rounds, stalls, strategy, time, verify },
    name
  ): Whoever<"attempt" | "verify", VerifyLoop.NotAccepted<unknown, unknown>> =>
    VerifyLoop.make(name, {
      attempt: {
        agent: attempt,
        input: (input: unknown, last) =>
          last === undefined ? { input } : { input, last: { candidate: last.candidate, feedback: last.feedback } }
      },
      verify: { agent: verify, input: (candidate, input) => ({ input, candidate }) },
      strategy: strategyOf(strategy),
      limits: {
        ...(rounds === undefined ? {} : { rounds }),
        ...(stalls === undefined ? {} : { stalls }),
        ...(time === undefined ? {} : { time })
      }
    })
})
