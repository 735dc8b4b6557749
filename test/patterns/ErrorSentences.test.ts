/** What errors of patterns say to people, where no other test reads it. */
import { assert, it } from "@effect/vitest"
import { ApprovalClosed, NotAddressed } from "../../src/patterns/approval/ApprovalError.ts"
import * as ConsensusReason from "../../src/patterns/consensus/ConsensusReason.ts"

it("why votes led to no decision", () => {
  const options = ["a", "b", "c", "d", "e", "f", "g"]
  const sentences = (
    [
      { _tag: "Tie", options: ["a", "b"] },
      { _tag: "Split", votes: 2, needed: 3 },
      { _tag: "QuorumMissed", cast: 1, needed: 2 },
      { _tag: "Cycle", options }
    ] satisfies ReadonlyArray<ConsensusReason.Reason>
  ).map(ConsensusReason.describe)
  assert.deepStrictEqual(sentences, [
    '"a", "b" are tied',
    "the leading option has 2 of the 3 votes needed",
    "1 voted where 2 must",
    '"a", "b", "c", "d", "e" and 2 more beat each other in a circle'
  ])
})

it("why an answer was not sent", () => {
  const request = { runId: "r", approval: "release", key: "k" }
  const closed = new ApprovalClosed({ ...request, ending: "Answered", by: "ann" })
  assert.strictEqual(closed.message, 'Request "k" of approval "release" in run "r" is closed: "ann" has answered it.')
  assert.strictEqual(
    new NotAddressed({ ...request, by: "bob", to: ["ann", "carol"] }).message,
    '"bob" may not answer request "k" of approval "release" in run "r": it is addressed to ann, carol.'
  )
})
