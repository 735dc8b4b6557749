import { describe, expectTypeOf, it } from "vitest"
import * as Consensus from "../../src/patterns/consensus/Consensus.ts"

describe("rules", () => {
  it("take ballots of their kind", () => {
    expectTypeOf(Consensus.majority()).toEqualTypeOf<Consensus.Rule<string>>()
    expectTypeOf(Consensus.borda(["a", "b"])).toEqualTypeOf<Consensus.Rule<ReadonlyArray<"a" | "b">>>()
    expectTypeOf(Consensus.condorcet(["a", "b"])).toEqualTypeOf<Consensus.Rule<ReadonlyArray<"a" | "b">>>()
    // @ts-expect-error one option is no ranking
    Consensus.count(Consensus.borda(["a", "b"]), ["a"])
    // @ts-expect-error a ranking is no option
    Consensus.count(Consensus.majority(), [["a"]])
    // @ts-expect-error nobody stands for c
    Consensus.count(Consensus.borda(["a", "b"]), [["a", "c"]])
  })

  it("answer with an option of the ballots, or say why not", () => {
    const { outcome, tally } = Consensus.count(Consensus.majority(), ["yes", "no", undefined])
    expectTypeOf(tally).toEqualTypeOf<Consensus.Tally<"yes" | "no">>()
    expectTypeOf(outcome).toEqualTypeOf<Consensus.Outcome<"yes" | "no">>()
    if (outcome._tag === "Decided") expectTypeOf(outcome.option).toEqualTypeOf<"yes" | "no">()
    else expectTypeOf(outcome.reason._tag).toEqualTypeOf<"Tie" | "Split" | "QuorumMissed" | "Cycle">()
    const ranked = Consensus.count(Consensus.condorcet(["a", "b"]), [["a", "b"], ["b"]])
    expectTypeOf(ranked.outcome).toEqualTypeOf<Consensus.Outcome<"a" | "b">>()
  })
})
