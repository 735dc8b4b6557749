/** Orchestration from a YAML document: patterns and agents by name, checked as a whole before anything runs. */
import { Effect, Result, Schema } from "effect"
import { Agent, PatternLibrary, Task } from "tutti"

const Say = Task.make("Say", { input: Schema.String, output: Schema.String })
const agent = (name: string, say: (text: string) => string) =>
  Agent.make(name, { task: Say, run: (text) => Effect.succeed(say(text)) })

const agents = [
  agent("translator", (text) => text.replace("guten Tag", "good day")),
  agent("optimist", () => "great"),
  agent("pessimist", () => "poor"),
  agent("realist", () => "great")
]

// #region document
const document = `
pattern: Pipeline
name: reception
slots:
  agents:
    - translator
    - verdict                       # made once, below
where:
  verdict:
    template: MajorityOfThree
    parameters: { first: optimist, second: pessimist, third: realist }
`
// #endregion

// #region instantiate
const make = (text: string) =>
  PatternLibrary.parse(text).pipe(
    Result.flatMap((data) => PatternLibrary.instantiate(PatternLibrary.builtIn, data, { agents })),
    Effect.fromResult
  )
// #endregion

const mistaken = document.replace("- translator", "- transistor").replace("first:", "frist:")

export const program = Effect.gen(function* () {
  const reception = yield* make(document)
  const answer = yield* reception.run("guten Tag")
  const error = yield* Effect.flip(make(mistaken))
  return [(answer as { readonly option: string }).option, ...error.message.split("; ")]
})

export const expected = [
  "great",
  'The data of "reception" makes no agent: where.verdict.parameters.frist: there is no parameter "frist": did you mean "first"?',
  "where.verdict.parameters.first: Missing key",
  'slots.agents[0]: there is no agent "transistor": did you mean "translator"?.'
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
