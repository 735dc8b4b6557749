/** What could not be read is named, and an audit that lacks it is no success. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { summarise } from "../../../src/cli/Audit.ts"
import { unreadable, unreadIn } from "../../../src/cli/audit/Finding.ts"

it("each file that could not be read is named once", () => {
  const findings = [
    unreadable("sources", "b.ts", "EACCES"),
    unreadable("sources", "a.ts", "EIO"),
    unreadable("links", "b.ts", "EACCES"),
    { ...unreadable("links", "c.ts", "x"), rule: "dead-link" }
  ]
  assert.deepStrictEqual(unreadIn(findings), ["a.ts", "b.ts"])
})

const outcome = { report: "audit.md", files: 3, findings: 1 }

it.effect("an audit without them ends with one sentence and a non-zero exit code", () =>
  Effect.gen(function* () {
    const one = yield* Effect.flip(summarise({ ...outcome, unread: ["a.ts"] }))
    assert.deepStrictEqual([one.exitCode, one.sentence], [1, "The report is without a.ts, which could not be read."])
    const two = yield* Effect.flip(summarise({ ...outcome, unread: ["a.ts", "b.ts", "c.ts"] }))
    assert.strictEqual(two.sentence, "The report is without a.ts and 2 others, which could not be read.")
    yield* summarise(outcome)
  })
)
