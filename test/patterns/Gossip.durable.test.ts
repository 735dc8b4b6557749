/** O5: in a run, a replay has the same conversations: what a member has heard is part of its step's digest. */
import { describe } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Gossip } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"

/** Letters it has ever heard of. */
const lettersOf = (answer: string): string => [...new Set(answer.match(/[A-Z]/g))].toSorted().join("")

describe("Gossip in a run", () => {
  everywhere(
    define(
      "until all have heard of all",
      ({ agent }) =>
        Gossip.make("gossip", {
          members: [agent("A", { takes: "2 seconds" }), agent("B"), agent("C", { takes: "1 second" }), agent("D")],
          state: lettersOf,
          question: (_: {}, { heard, member, own = "" }) => ({ text: [member, own, ...heard].join(" ") }),
          settled: (states) => states.every((letters) => letters === "ABCD")
        })
          .run({})
          .pipe(Effect.map(({ states }) => states)),
      { expected: Exit.succeed(["ABCD", "ABCD", "ABCD", "ABCD"]), effects: [] }
    )
  )

  everywhere(
    define(
      "never settled",
      ({ agent }) =>
        Gossip.make("gossip", {
          members: [agent("A"), agent("B", { fails: true })],
          state: (answer) => answer,
          question: (_: {}, { heard }) => ({ text: heard.join() }),
          settled: () => false,
          rounds: 3
        }).run({}),
      {
        error: Gossip.Unsettled,
        expected: Exit.fail(new Gossip.Unsettled({ gossip: "gossip", rounds: 3, members: 2, undecided: 1 })),
        effects: ["A ", "A ", "A "]
      }
    )
  )
})
