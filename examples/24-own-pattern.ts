/** A pattern of your own: a text is written again until every critic is content. */
import { Effect, Schema } from "effect"
import { Agent, Pattern, Step, Task } from "tutti"

const Write = Task.make("Write", {
  input: { topic: Schema.String, remarks: Schema.Array(Schema.String) },
  output: Schema.String
})
const Criticise = Task.make("Criticise", { input: { text: Schema.String }, output: Schema.Array(Schema.String) })

// #region pattern
export class Disliked extends Schema.TaggedError<Disliked>()("Disliked", { remarks: Schema.Array(Schema.String) }) {}

export const Reviewed = Pattern.make("Reviewed", {
  description: "A text, written again until every critic is content.",
  options: { drafts: Pattern.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)), 3) },
  slots: { writer: Pattern.one(Write), critics: Pattern.list(Criticise) },
  validate: ({ critics, writer }) => (critics.includes(writer) ? ["nobody criticises a text of their own"] : []),
  build: ({ critics, drafts, writer }) =>
    Effect.fnUntraced(function* ({ topic }: { readonly topic: string }) {
      let remarks: ReadonlyArray<string> = []
      for (let draft = 1; draft <= drafts; draft++) {
        const text = yield* writer.run({ topic, remarks })
        remarks = (yield* Step.forEach(critics, (critic) => critic.run({ text }), { concurrency: 4 })).flat()
        if (remarks.length === 0) return text
      }
      return yield* new Disliked({ remarks })
    })
})
// #endregion

export const alice = Agent.make("alice", {
  task: Write,
  run: ({ remarks, topic }) => Effect.succeed([topic, ...remarks].join(", "))
})
export const critic = (name: string, wish: string) =>
  Agent.make(name, {
    task: Criticise,
    run: ({ text }) => Effect.succeed(text.includes(wish) ? [] : [wish])
  })

// #region instance
const poem = Reviewed.make("poem", { writer: alice, critics: [critic("bob", "waves"), critic("carol", "salt")] })
// Agent<{ topic: string }, string, Disliked | ContractViolation>
// #endregion

export const program = poem.run({ topic: "the sea" })

export const expected = "the sea, waves, salt"

if (import.meta.main) console.log(await Effect.runPromise(program))
