/** A child run under the budget and the deadline of its parent: what it may is in its input, what it spent in its output. */
import { Effect, Layer, Option, Schema } from "effect"
import { Agent, Budget, Deadline, Orchestration, Task } from "tutti"
import * as Memory from "tutti/memory"

const model = Agent.make("model", {
  task: Task.make("Ask", { input: { prompt: Schema.String }, output: { text: Schema.String, tokens: Schema.Int } }),
  run: ({ prompt }) => Effect.succeed({ text: `All about ${prompt}.`, tokens: 20 * prompt.length })
}).pipe(Budget.charge({ reserve: { tokens: 100 }, settle: ({ tokens }) => ({ tokens }) }))

const Research = Orchestration.make("Research", {
  input: { topic: Schema.String, tokens: Schema.Finite, until: Schema.DateTimeUtcFromMillis },
  output: { value: Schema.String, spent: Budget.Spent },
  error: Schema.Union([Budget.BudgetExceeded, Deadline.DeadlineExceeded]),
  run: ({ tokens, topic, until }) =>
    Effect.map(model.run({ prompt: topic }), ({ text }) => text).pipe(
      Budget.within("research", { tokens }),
      Deadline.at(until),
      Budget.metered // outermost: it tells the parent
    )
})

const Report = Orchestration.make("Report", {
  input: {},
  output: Schema.Array(Schema.String),
  run: () =>
    Effect.gen(function* () {
      const until = Option.getOrThrow(yield* Deadline.current)
      const lines: Array<string> = []
      for (const topic of ["opera", "jazz", "symphonies"]) {
        const tokens = Math.min(150, yield* Budget.remaining("tokens"))
        const line = yield* Research.run({ topic, tokens, until }).pipe(
          // The share is reserved as long as the child runs. What a failed child has spent nobody knows: all of it.
          Budget.charge({
            reserve: { tokens },
            settle: ({ spent }) => spent,
            settleFailure: () => ({ tokens })
          }),
          Effect.map(({ value }) => value),
          Effect.catchTag("BudgetExceeded", ({ limit }) => Effect.succeed(`${topic}: ${limit} tokens are too few.`))
        )
        lines.push(line)
      }
      return [...lines, `${yield* Budget.remaining("tokens")} tokens are left.`]
    }).pipe(Budget.within("report", { tokens: 240 }), Deadline.within("1 hour"), Effect.orDie)
})

export const program = Effect.flatMap(Report.start({}), (handle) => handle.await).pipe(
  Effect.provide(Report.layer.pipe(Layer.provideMerge(Research.layer), Layer.provideMerge(Memory.layer)))
)

export const expected = [
  "All about opera.",
  "All about jazz.",
  "symphonies: 60 tokens are too few.",
  "0 tokens are left."
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
