/** Two researchers under one budget: each has a share, and both shares together are more than there is. */
import { Effect, Schema } from "effect"
import { Agent, Budget, Step, Task } from "tutti"

const Ask = Task.make("Ask", {
  input: { prompt: Schema.String },
  output: { text: Schema.String, tokens: Schema.Int }
})

// #region charge
const model = Agent.make("model", {
  task: Ask,
  run: ({ prompt }) => Effect.succeed({ text: `All about ${prompt}.`, tokens: 20 * prompt.length })
}).pipe(
  // Reserves what an answer may cost at most, and settles what it has cost.
  Budget.charge({ reserve: { tokens: 200 }, settle: ({ tokens }) => ({ tokens }) })
)
// #endregion

// #region within
const researcher = Agent.compose("researcher", {
  run: (topics: ReadonlyArray<string>) =>
    Step.forEach(topics, (prompt) =>
      model.run({ prompt }).pipe(
        Effect.map(({ text }) => text),
        // Of which budget? Of one's own share, or of the research as a whole.
        Effect.catchTag("BudgetExceeded", ({ budget, used }) =>
          Effect.succeed(`${prompt}: ${used} tokens of ${budget} in use.`)
        )
      )
    )
}).pipe(Budget.within("share", { tokens: 400 }))

export const program = Effect.gen(function* () {
  const music = yield* researcher.run(["opera", "jazz", "symphonies", "blues"])
  const art = yield* researcher.run(["cubism", "dada"])
  return [...music, ...art, `${yield* Budget.remaining("tokens")} tokens are left.`]
}).pipe(Budget.within("research", { tokens: 700, time: "1 minute" }))
// #endregion

export const expected = [
  "All about opera.",
  "All about jazz.",
  "All about symphonies.",
  "blues: 380 tokens of share in use.",
  "All about cubism.",
  "All about dada.",
  "120 tokens are left."
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
