import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Pattern from "../../src/patterns/pattern/Pattern.ts"
import * as PatternLibrary from "../../src/patterns/library/PatternLibrary.ts"
import * as PatternTemplate from "../../src/patterns/library/PatternTemplate.ts"

class Vague extends Schema.TaggedError<Vague>()("Vague", {}) {}
class Shallow extends Schema.TaggedError<Shallow>()("Shallow", {}) {}
class Model extends Context.Service<Model, { readonly say: Effect.Effect<string> }>()("test/Model") {}
class Ink extends Context.Service<Ink, { readonly colour: string }>()("test/Ink") {}

const Write = Task.make("Write", { input: { topic: Schema.String }, output: Schema.Date, error: Vague })
const alice = Agent.make("alice", {
  task: Write,
  run: () => Effect.flatMap(Model, () => Effect.fail(new Vague()))
})
const bob = Agent.compose("bob", { run: (text: string) => Effect.succeed(text) })

const Quiet = Pattern.make("Quiet", {
  slots: { writer: Pattern.one(Write) },
  build:
    ({ writer }) =>
    (input: { readonly topic: string }) =>
      writer.run(input).pipe(Effect.catch(() => Effect.fail(new Shallow())))
})
const Loud = Pattern.make("Loud", {
  options: { times: Schema.Int },
  slots: { speaker: Pattern.one() },
  build:
    ({ speaker }) =>
    (input: unknown) =>
      Effect.andThen(Ink, speaker.run(input))
})

const library = PatternLibrary.make([Quiet, Loud])

describe("PatternLibrary", () => {
  it("knows its patterns by their names", () => {
    expectTypeOf(library.get("Quiet")).toEqualTypeOf<typeof Quiet>()
    expectTypeOf(library.get("Loud")).toEqualTypeOf<typeof Loud>()
    // @ts-expect-error there is no such pattern
    library.get("Silent")
    library.get("Loud").make("loud", { times: 2, speaker: bob })
    // @ts-expect-error times is missing
    library.get("Loud").make("loud", { speaker: bob })
  })

  it("takes a name that is data only where it may not be there", () => {
    const name: string = "Quiet"
    // @ts-expect-error nobody knows whether there is such a pattern
    library.get(name)
    const listed: PatternLibrary.PatternLibrary = library
    // @ts-expect-error nor what this library holds
    listed.get("Quiet")
    expectTypeOf(PatternLibrary.find(library, name)).toEqualTypeOf<
      Result.Result<typeof Quiet | typeof Loud, PatternLibrary.PatternUnknown>
    >()
    expectTypeOf(PatternLibrary.find(listed, name, { path: ["steps", 0] })).toEqualTypeOf<
      Result.Result<Pattern.Any, PatternLibrary.PatternUnknown>
    >()
  })

  it("gives agents over JSON, with the errors and services of all that data could name", () => {
    const made = Result.getOrThrow(PatternLibrary.instantiate(library, {}, { agents: [alice, bob] }))
    expectTypeOf(made).toEqualTypeOf<
      Agent.Agent<Schema.Json, Schema.Json, Shallow | Vague | ContractViolation, Model | Ink>
    >()
    const alone = Result.getOrThrow(PatternLibrary.instantiate(library, {}))
    expectTypeOf(alone).toEqualTypeOf<Agent.Agent<Schema.Json, Schema.Json, Shallow | ContractViolation, Ink>>()
  })

  it("gives agents of the task that is asked for", () => {
    const made = PatternLibrary.instantiate(PatternLibrary.make([Quiet]), {}, { agents: [bob], task: Write })
    expectTypeOf(made).toEqualTypeOf<
      Result.Result<
        Agent.Agent<{ readonly topic: string }, Date, Shallow | ContractViolation>,
        PatternLibrary.InstanceInvalid
      >
    >()
  })

  it("has built-in patterns without errors by the names of slots", () => {
    const made = Result.getOrThrow(PatternLibrary.instantiate(PatternLibrary.builtIn, {}, { agents: [alice] }))
    expectTypeOf<Agent.Services<typeof made>>().toEqualTypeOf<Model>()
    expectTypeOf<Agent.Error<typeof made>["_tag"]>().toEqualTypeOf<
      | "Vague"
      | "ContractViolation"
      | "NoWorker"
      | "RestartsExceeded"
      | "CircuitOpen"
      | "NoConsensus"
      | "NotAccepted"
      | "AllFailed"
      | "Unsure"
      | "RouteUnknown"
      | "HandoffRejected"
      | "CompensationFailed"
      | "ApprovalTimedOut"
    >()
  })

  it("may be joined with others", () => {
    const joined = PatternLibrary.make([...PatternLibrary.builtIn.patterns, Quiet])
    expectTypeOf(joined.get("Quiet")).toEqualTypeOf<typeof Quiet>()
    expectTypeOf(joined.get("Pipeline").name).toEqualTypeOf<"Pipeline">()
  })
})

describe("PatternTemplate", () => {
  it("types its parameters, with defaults", () => {
    const template = PatternTemplate.make("Twice", {
      parameters: { who: PatternTemplate.Member, times: Pattern.optional(Schema.Int, 2) },
      produce: ({ times, who }) => {
        expectTypeOf(times).toEqualTypeOf<number>()
        expectTypeOf(who).toEqualTypeOf<PatternTemplate.Member>()
        return { pattern: "Loud", options: { times }, slots: { speaker: who } }
      }
    })
    expectTypeOf(template.name).toEqualTypeOf<"Twice">()
    PatternTemplate.make("Wrong", {
      parameters: {},
      // @ts-expect-error a pattern or a template is missing
      produce: () => ({ slots: {} })
    })
  })
})
