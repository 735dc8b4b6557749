/** An article goes from hand to hand. The editor sends it back once, so the draft is thrown away and written again. */
import { Effect, Schema } from "effect"
import { Agent, Handoff, Task, Verdict } from "tutti"

const Outline = Task.make("Outline", { input: { topic: Schema.String }, output: Schema.Array(Schema.String) })
const Draft = Task.make("Draft", {
  input: { points: Schema.Array(Schema.String), wishes: Schema.Array(Schema.String) },
  output: { text: Schema.String }
})
const Edit = Task.make("Edit", { input: { text: Schema.String }, output: Verdict.schema(Schema.String) })

const log: Array<string> = []

const planner = Agent.make("planner", { task: Outline, run: ({ topic }) => Effect.succeed([topic, "an end"]) })
const writer = Agent.make("writer", {
  task: Draft,
  run: ({ points, wishes }) => Effect.succeed({ text: [...points, ...wishes].join(", ") })
})
const editor = Agent.make("editor", {
  task: Edit,
  run: ({ text }) => Effect.succeed(text.includes("joke") ? Verdict.accepted() : Verdict.rejected("a joke"))
})
const printer = Agent.make("printer", {
  task: Task.make("Print", { input: { text: Schema.String }, output: Schema.String }),
  run: ({ text }) => Effect.succeed(`printed: ${text}`)
})

// #region handoff
const publish = Handoff.make("publish", {
  input: { topic: Schema.String },
  feedback: Schema.String, // what gates say, and legs hear
  returns: 2 // how often the baton may go back
})
  .leg("outline", planner, { input: (_, { topic }) => ({ topic }) })
  .check("enough", ({ outline }) => (outline.length > 1 ? Verdict.accepted() : Verdict.rejected("more points")))
  .leg("draft", writer, {
    input: ({ outline }, _, feedback) => ({ points: outline, wishes: feedback }),
    undo: ({ text }) => Effect.sync(() => log.push(`thrown away: ${text}`))
  })
  .verify("editor", editor, { input: ({ draft }) => draft }) // back to the draft; `back: "outline"` goes further
  .leg("print", printer, { input: ({ draft }) => draft })
// #endregion

export const program = Effect.map(publish.run({ topic: "cats" }), ({ print }) => [...log, print])

export const expected = ["thrown away: cats, an end", "printed: cats, an end, a joke"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
