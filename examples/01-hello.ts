// A task is a contract, an agent performs it, and one layer makes it durable.
import { Effect, Layer, Schema } from "effect"
import { Agent, EphemeralEngine, Orchestration, Task } from "tutti"

class Mute extends Schema.TaggedError<Mute>()("Mute", { language: Schema.String }) {}
const Person = { name: Schema.String, language: Schema.String }
const Greet = Task.make("Greet", { input: Person, output: Schema.String, error: Mute })

const greeter = Agent.make("greeter", {
  task: Greet,
  run: ({ language, name }) => (language === "it" ? Effect.succeed(`Ciao, ${name}!`) : new Mute({ language }))
})

// Plain: an ordinary effect with a typed error.
const plain = Effect.flip(greeter.run({ name: "Ada", language: "fr" })).pipe(Effect.map(({ _tag }) => _tag))

// Durable: each agent that is called is a step in a journal, and a finished step never runs again.
const Hello = Orchestration.make("Hello", { ...Greet, run: greeter.run })
const engine = EphemeralEngine.layer() // in memory; Embedded.layer({ filename: "hello.db" }) keeps it in a file
const durable = Hello.run({ name: "Ada", language: "it" }).pipe(Effect.provide(Layer.provideMerge(Hello.layer, engine)))

export const program = Effect.all([plain, durable])
export const expected = ["Mute", "Ciao, Ada!"]
if (import.meta.main) console.log(await Effect.runPromise(program))
