/** A pattern of your own: a text goes round until no editor changes it any more. */
// #region agent
import { Effect, Schema } from "effect"
import { Agent, Pattern, Step, Task } from "tutti"

export const Edit = Task.make("Edit", { input: { text: Schema.String }, output: Schema.String })

const editor = (name: string, wrong: string, right: string) =>
  Agent.make(name, { task: Edit, run: ({ text }) => Effect.succeed(text.replace(wrong, right)) })
// #endregion

// #region pattern
export class Disputed extends Schema.TaggedError<Disputed>()("Disputed", { text: Schema.String }) {}

export const Polished = Pattern.make("Polished", {
  description: "A text that goes round until no editor changes it any more.",
  options: { rounds: Pattern.optional(Schema.Int.check(Schema.isGreaterThan(0)), 3) },
  slots: { editors: Pattern.list(Edit) },
  validate: ({ editors }) => (new Set(editors).size < editors.length ? ["an editor is there twice"] : []),
  build: ({ editors, rounds }) =>
    Effect.fnUntraced(function* ({ text }: { readonly text: string }) {
      for (let round = 1; round <= rounds; round++) {
        const texts = yield* Step.forEach(editors, (editor) => editor.run({ text }), { concurrency: 4 })
        const changed = texts.find((other) => other !== text)
        if (changed === undefined) return text
        text = changed
      }
      return yield* new Disputed({ text })
    })
})
// #endregion

// #region instance
// Agent<{ text: string }, string, Disputed | ContractViolation>
export const letter = Polished.make("letter", { editors: [editor("bob", "see", "sea"), editor("eve", "teh", "the")] })
// #endregion

export const program = letter.run({ text: "by teh see" })

export const expected = "by the sea"

if (import.meta.main) console.log(await Effect.runPromise(program))
