import { Context, Effect, Schema } from "effect"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import * as Verdict from "../../src/patterns/Verdict.ts"
import * as VerifyLoop from "../../src/patterns/verify-loop/VerifyLoop.ts"
import * as Budget from "../../src/policies/Budget.ts"

class Db extends Context.Service<Db, { readonly query: Effect.Effect<string> }>()("Db") {}
class Offline extends Schema.TaggedError<Offline>()("Offline", {}) {}

const Notes = Schema.Struct({ missing: Schema.Array(Schema.String) })
type Notes = typeof Notes.Type
const Write = Task.make("Write", {
  input: { topic: Schema.String, missing: Schema.Array(Schema.String) },
  output: { text: Schema.String },
  error: Offline
})
interface Draft {
  readonly text: string
}
const writer = Agent.make("writer", {
  task: Write,
  run: ({ topic }) => Effect.flatMap(Db, (db) => Effect.map(db.query, (text) => ({ text: text + topic })))
})
const Check = Task.make("Check", { input: { text: Schema.String }, output: Verdict.schema(Notes) })
const critic = Agent.make("critic", { task: Check, run: () => Effect.succeed(Verdict.accepted()) })

describe("VerifyLoop.make", () => {
  const essay = VerifyLoop.make("essay", {
    attempt: {
      agent: writer,
      input: (topic: string, last) => {
        expectTypeOf(last).toEqualTypeOf<VerifyLoop.Last<Draft, Notes> | undefined>()
        return { topic, missing: last?.feedback?.missing ?? [] }
      }
    },
    verify: {
      agent: critic,
      input: (draft, topic) => {
        expectTypeOf(draft).toEqualTypeOf<Draft>()
        expectTypeOf(topic).toEqualTypeOf<string>()
        return draft
      }
    },
    strategy: {
      name: "mine",
      decide: (history) => {
        expectTypeOf(history).toEqualTypeOf<VerifyLoop.History<Draft, Notes>>()
        return history.length < 3 ? VerifyLoop.retry({ missing: [] }) : VerifyLoop.answer(VerifyLoop.best(history))
      }
    }
  })

  it("is an agent from the input to the candidate, with all failures and needs of its parts", () => {
    expectTypeOf<Agent.Input<typeof essay>>().toEqualTypeOf<string>()
    expectTypeOf<Agent.Output<typeof essay>>().toEqualTypeOf<Draft>()
    expectTypeOf<Agent.Error<typeof essay>>().toEqualTypeOf<
      Offline | ContractViolation | VerifyLoop.NotAccepted<Draft, Notes>
    >()
    expectTypeOf<Agent.Services<typeof essay>>().toEqualTypeOf<Db>()
  })

  it("takes the end of a budget out of the failures of its parts", () => {
    const charged = VerifyLoop.make("charged", {
      attempt: { agent: Budget.turn(writer), input: (topic: string) => ({ topic, missing: [] }) },
      verify: { agent: critic, input: (draft) => draft },
      strategy: VerifyLoop.bestOf(3)
    })
    expectTypeOf<Agent.Error<typeof charged>>().toEqualTypeOf<
      Offline | ContractViolation | VerifyLoop.NotAccepted<Draft, Notes>
    >()
  })

  it("rejects agents, inputs and strategies that do not fit", () => {
    VerifyLoop.make("wrong", {
      // @ts-expect-error missing is missing
      attempt: { agent: writer, input: (topic: string) => ({ topic }) },
      verify: { agent: critic, input: (draft) => draft }
    })
    VerifyLoop.make("wrong", {
      attempt: { agent: writer, input: (topic: string) => ({ topic, missing: [] }) },
      // @ts-expect-error a writer gives no verdict
      verify: { agent: writer, input: () => ({ topic: "", missing: [] }) }
    })
    VerifyLoop.make("wrong", {
      attempt: { agent: writer, input: (topic: string) => ({ topic, missing: [] }) },
      verify: { agent: critic, input: (draft) => draft },
      // @ts-expect-error feedback is of another type
      strategy: { name: "mine", decide: () => VerifyLoop.retry("shorter") }
    })
  })

  it("has an error with a schema, for what must survive a restart", () => {
    const schema = VerifyLoop.NotAccepted.schema({ text: Schema.String }, Notes)
    expectTypeOf(schema.Type).toEqualTypeOf<VerifyLoop.NotAccepted<Draft, Notes>>()
    Orchestration.make("Essay", {
      input: Schema.String,
      output: { text: Schema.String },
      error: Schema.Union([Offline, schema]),
      run: essay.run
    })
    Orchestration.make("Essay", {
      input: Schema.String,
      output: { text: Schema.String },
      error: Offline,
      // @ts-expect-error NotAccepted has no schema here
      run: essay.run
    })
  })

  it("can have each reason caught by itself", () => {
    const caught = Effect.catchReason(essay.run(""), "NotAccepted", "Stalled", ({ limit }, error) => {
      expectTypeOf(limit).toEqualTypeOf<number>()
      expectTypeOf(error.best).toEqualTypeOf<VerifyLoop.Round<Draft, Notes> | undefined>()
      return Effect.succeed({ text: "" })
    })
    expectTypeOf(caught).toExtend<Effect.Effect<Draft, unknown, Db>>()
  })
})

describe("Verdict", () => {
  it("is typed by its feedback", () => {
    const schema = Verdict.schema({ missing: Schema.Array(Schema.String) })
    expectTypeOf(schema.Type).toExtend<Verdict.Verdict<Notes>>()
    expectTypeOf<Verdict.Feedback<typeof schema.Type>>().toEqualTypeOf<Notes>()
    expectTypeOf(Verdict.rejected({ missing: ["a"] })).toEqualTypeOf<Verdict.Rejected<{ missing: Array<string> }>>()
    // @ts-expect-error the feedback is a struct
    const wrong: typeof schema.Type = Verdict.rejected("no")
    return wrong
  })
})
