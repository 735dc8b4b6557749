/** The test that `docs/patterns/your-own.md` shows. */
// #region test
import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { ContractViolation, Orchestration } from "tutti"
import { CrashSweep } from "tutti/testing"
import { alice, critic, Disliked, Reviewed } from "../../examples/24-own-pattern.ts"

const trial = (drafts: number) => () => {
  const poem = Reviewed.make("poem", {
    drafts,
    writer: alice,
    critics: [critic("bob", "waves"), critic("carol", "salt")]
  })
  const Poem = Orchestration.make("Poem", {
    input: { topic: Schema.String },
    output: Schema.String,
    error: Schema.Union([Disliked, ContractViolation]),
    run: poem.run
  })
  return { orchestration: Poem, layer: Poem.layer, input: { topic: "the sea" } }
}

it.effect("survives a crash at any point, whether the critics are content or not", () =>
  Effect.gen(function* () {
    assert.isAbove((yield* CrashSweep.check(trial(3))).crashes, 0)
    assert.isAbove((yield* CrashSweep.check(trial(1))).crashes, 0)
  })
)
// #endregion
