// A task is a contract, an agent performs it, and one layer makes it durable. See docs/tutorial.
import { Effect, Layer, Schema } from "effect"
import { Agent, EphemeralEngine, Orchestration, Task } from "tutti"

class Mute extends Schema.TaggedError<Mute>()("Mute", { language: Schema.String }) {}

const Greet = Task.make("Greet", {
  input: { name: Schema.String, language: Schema.String },
  output: Schema.String,
  error: Mute
})

const greeter = Agent.make("greeter", {
  task: Greet,
  run: ({ language, name }) =>
    language === "it" ? Effect.succeed(`Ciao, ${name}!`) : Effect.fail(new Mute({ language }))
})

// Plain: an ordinary effect with a typed error.
const plain = greeter
  .run({ name: "Ada", language: "fr" })
  .pipe(Effect.catchTag("Mute", ({ language }) => Effect.succeed(`No word of "${language}".`)))

// Durable: each agent that is called is now a step in a journal, and a finished step never runs again.
const Hello = Orchestration.make("Hello", {
  ...Greet,
  run: greeter.run
})
const durable = Hello.run({ name: "Ada", language: "it" })

export const program = Effect.all([plain, durable]).pipe(
  Effect.provide(Hello.layer.pipe(Layer.provideMerge(EphemeralEngine.layer())))
)

export const expected = ['No word of "fr".', "Ciao, Ada!"]

if (import.meta.main) console.log(await Effect.runPromise(program))
