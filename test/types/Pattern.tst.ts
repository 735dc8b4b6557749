import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Pattern from "../../src/patterns/pattern/Pattern.ts"

class Vague extends Schema.TaggedError<Vague>()("Vague", {}) {}
class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
class Shallow extends Schema.TaggedError<Shallow>()("Shallow", {}) {}
class Model extends Context.Service<Model, { readonly say: Effect.Effect<string> }>()("test/Model") {}

const Write = Task.make("Write", { input: { topic: Schema.String }, output: Schema.String, error: Vague })
const Review = Task.make("Review", { input: { text: Schema.String }, output: Schema.Boolean })

const alice = Agent.make("alice", {
  task: Write,
  errors: Busy,
  run: () => Effect.flatMap(Model, ({ say }) => say)
})
const bob = Agent.make("bob", { task: Review, run: () => Effect.succeed(true) })

const Reviewed = Pattern.make("Reviewed", {
  options: { drafts: Schema.Int, tone: Pattern.optional(Schema.String, "plain") },
  slots: { writer: Pattern.one(Write), critics: Pattern.list(Review) },
  build:
    ({ critics, drafts, tone, writer }) =>
    (input: { readonly topic: string }) =>
      Effect.gen(function* () {
        expectTypeOf(drafts).toEqualTypeOf<number>()
        expectTypeOf(tone).toEqualTypeOf<string>()
        const text = yield* writer.run(input)
        for (const critic of critics) if (!(yield* critic.run({ text }))) return yield* new Shallow()
        return text
      }).pipe(Effect.catchTag("Vague", () => Effect.succeed("")))
})

describe("Pattern.make", () => {
  it("replaces the errors and services of slots by those of the agents in them", () => {
    const reviewed = Reviewed.make("reviewed", { drafts: 2, writer: alice, critics: [bob] })
    expectTypeOf(reviewed).toEqualTypeOf<
      Agent.Agent<{ readonly topic: string }, string, Shallow | Busy | ContractViolation, Model>
    >()
  })

  it("does not compile without its slots, with another agent in one, or with wrong options", () => {
    // @ts-expect-error the slot "critics" is empty
    Reviewed.make("reviewed", { drafts: 2, writer: alice })
    // @ts-expect-error bob does not write
    Reviewed.make("reviewed", { drafts: 2, writer: bob, critics: [bob] })
    // @ts-expect-error drafts is a number
    Reviewed.make("reviewed", { drafts: "2", writer: alice, critics: [bob] })
  })

  it("leaves nothing of a slot whose failures are handled", () => {
    const Safe = Pattern.make("Safe", {
      slots: { writer: Pattern.one(Write) },
      build:
        ({ writer }) =>
        (input: { readonly topic: string }) =>
          Effect.catch(writer.run(input), () => Effect.succeed("nothing"))
    })
    const safe = Safe.make("safe", { writer: alice })
    expectTypeOf(safe).toEqualTypeOf<Agent.Agent<{ readonly topic: string }, string, never, Model>>()
  })

  it("names slots by their errors and services, for annotations", () => {
    const Asked = Pattern.make("Asked", {
      slots: { answerers: Pattern.record() },
      build:
        ({ answerers }) =>
        (): Effect.Effect<number, Pattern.SlotError<"answerers">, Pattern.SlotServices<"answerers">> =>
          Effect.as(
            Effect.forEach(Object.values(answerers), (one) => one.run({ topic: "" })),
            1
          )
    })
    const asked = Asked.make("asked", { answerers: { alice, bob } })
    expectTypeOf<Agent.Error<typeof asked>>().toEqualTypeOf<Vague | Busy | ContractViolation>()
    expectTypeOf<Agent.Services<typeof asked>>().toEqualTypeOf<Model>()
  })

  it("may be made of an agent", () => {
    const Echo = Pattern.make("Echo", {
      slots: { of: Pattern.one(Review) },
      build: ({ of }, name) => Agent.compose(name, { run: of.run })
    })
    expectTypeOf(Echo.make("echo", { of: bob })).toEqualTypeOf<
      Agent.Agent<{ readonly text: string }, boolean, ContractViolation>
    >()
  })

  it("has defaults in the options' own type", () => {
    const Patient = Pattern.make("Patient", {
      options: { patience: Pattern.optional(Schema.DurationFromString, Duration.seconds(1)) },
      slots: {},
      build:
        ({ patience }) =>
        () =>
          Effect.sleep(patience)
    })
    Patient.make("patient", {})
    Patient.make("patient", { patience: Duration.minutes(1) })
    // @ts-expect-error in code a duration is no text
    Patient.make("patient", { patience: "1 minute" })
    // @ts-expect-error a default matches its schema
    Pattern.optional(Schema.Int, "many")
  })
})
