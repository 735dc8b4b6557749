/** The budget that `docs/patterns/swarm.md` shows. */
import { assert, it } from "@effect/vitest"
import { Array, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Agent, Budget, Consensus, Swarm, Task } from "tutti"

const Judge = Task.make("Judge", { input: { text: Schema.String }, output: Schema.Literals(["guilty", "innocent"]) })

const asked = Agent.make("juror", {
  task: Judge,
  run: ({ text }) => Effect.as(Effect.sleep(text === "long" ? "1 hour" : "1 second"), "guilty" as const)
})

// #region budget
const juror = asked.pipe(Budget.charge({ reserve: { tokens: 200 } }))

const jury = Swarm.make("jury", {
  members: Array.replicate(juror, 12),
  rule: Consensus.majority({ quorum: 7 }),
  vote: (verdict) => verdict,
  concurrency: 3
}).pipe(Budget.within("trial", { tokens: 1_000, time: "10 minutes" }))

const trial = (text: string) =>
  jury.run({ text }).pipe(
    Effect.map(({ option }) => option),
    Effect.catchTags({
      // Tokens: who has none left abstains with the error, who is at work is interrupted, and the votes heard do not decide.
      NoConsensus: ({ abstentions, ending, votes }) =>
        Effect.succeed([
          ending,
          votes.length,
          ...abstentions.map((one) => (one._tag === "Failed" ? one.error._tag : one._tag))
        ]),
      // Time: it interrupts all of them.
      BudgetExceeded: ({ budget, limit, resource }) => Effect.succeed([budget, resource, limit])
    })
  )
// #endregion

it.effect("a swarm ends with its budget, of tokens or of time", () =>
  Effect.gen(function* () {
    const short = yield* Effect.forkChild(trial("short"), { startImmediately: true })
    yield* TestClock.adjust("1 minute")
    assert.deepStrictEqual(yield* Fiber.join(short), ["BudgetExceeded", 3, "BudgetExceeded"])
    const long = yield* Effect.forkChild(trial("long"), { startImmediately: true })
    yield* TestClock.adjust("10 minutes")
    assert.deepStrictEqual(yield* Fiber.join(long), ["trial", "time", 600_000])
  })
)
