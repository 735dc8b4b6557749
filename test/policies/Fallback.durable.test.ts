/** F1 to F3 in runs. */
import { Effect, Exit } from "effect"
import { Fallback, Retry } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Refused } from "../durable/program.ts"
import { leafOf, told, twice } from "./policies.ts"

everywhere(
  define(
    "F1, F2, F3: around leaves, agents of agents and effects",
    (world) => {
      const broken = leafOf(world, "broken", { from: 9 })
      const flaky = leafOf(world, "flaky", { from: 2 })
      const spare = leafOf(world, "spare")
      const two = twice("two", broken)
      return Effect.all([
        told(broken.pipe(Fallback.to(spare)).run({ text: "a" })),
        told(two.pipe(Fallback.to(twice("spares", spare), { on: ["Refused"] })).run({ text: "b" })),
        told(two.pipe(Fallback.value("none", { on: ["ContractViolation"] })).run({ text: "c" })),
        told(flaky.pipe(Retry.upTo({ attempts: 2 }), Fallback.degradeToValue("none")).run({ text: "d" })),
        Effect.map(told(broken.pipe(Fallback.degrade(spare, { on: ["Refused"] })).run({ text: "e" })), (answer) =>
          typeof answer === "object" && answer._tag === "Degraded" ? [answer.value, answer.reason.what] : answer
        ),
        Effect.fail(new Refused({ what: "x" })).pipe(Fallback.to(Effect.orDie(spare.run({ text: "f" }))))
      ])
    },
    {
      expected: Exit.succeed([
        "spare(a)",
        "spare(b1) spare(b2)",
        "Refused",
        { _tag: "Full", value: "flaky(d)" },
        ["spare(e)", "broken 1"],
        "spare(f)"
      ]),
      effects: ["flaky d", "spare a", "spare b1", "spare b2", "spare e", "spare f"]
    }
  )
)
