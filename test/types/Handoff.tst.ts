/** Types of `Handoff`: checked by `tsc -p test/types`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Handoff from "../../src/patterns/handoff/Handoff.ts"
import type { CompensationFailed } from "../../src/patterns/saga/Saga.ts"
import * as Verdict from "../../src/patterns/Verdict.ts"

class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}
class Db extends Context.Service<Db, { readonly read: Effect.Effect<string> }>()("test/Db") {}
class Bin extends Context.Service<Bin, { readonly drop: (text: string) => Effect.Effect<void, Broken> }>()(
  "test/Bin"
) {}

const Feedback = Schema.Struct({ line: Schema.Int })
const Plan = Task.make("Plan", { input: { topic: Schema.String }, output: { lines: Schema.Int }, error: Broken })
const Write = Task.make("Write", { input: { lines: Schema.Int }, output: Schema.String })
const Judge = Task.make("Judge", { input: Schema.String, output: Verdict.schema(Feedback) })

const planner = Agent.make("planner", { task: Plan, run: () => Effect.as(Db, { lines: 1 }) })
const writer = Agent.make("writer", { task: Write, run: () => Effect.succeed("") })
const judge = Agent.make("judge", { task: Judge, run: () => Effect.succeed(Verdict.accepted()) })

const start = Handoff.make("publish", { input: { topic: Schema.String }, feedback: Feedback })
const planned = start.leg("plan", planner, {
  input: (baton, input, feedback) => {
    expectTypeOf(baton).toEqualTypeOf<{}>()
    expectTypeOf(input).toEqualTypeOf<{ readonly topic: string }>()
    expectTypeOf(feedback).toEqualTypeOf<ReadonlyArray<{ readonly line: number }>>()
    return input
  }
})
const written = planned.leg("write", writer, {
  input: ({ plan }) => plan,
  undo: (text, baton) => {
    expectTypeOf(text).toEqualTypeOf<string>()
    expectTypeOf(baton).toEqualTypeOf<{ readonly plan: { readonly lines: number } }>()
    return Effect.flatMap(Bin, (bin) => bin.drop(text))
  }
})

describe("Handoff", () => {
  it("is an agent with the outputs, errors and services of its legs; errors of undo stay in", () => {
    expectTypeOf(written).toEqualTypeOf<
      Handoff.Handoff<
        { readonly topic: string },
        { readonly plan: { readonly lines: number }; readonly write: string },
        { readonly line: number },
        Broken | ContractViolation | CompensationFailed,
        Db | Bin
      >
    >()
    expectTypeOf(written).toExtend<
      Agent.Agent<
        { readonly topic: string },
        { readonly plan: { readonly lines: number }; readonly write: string },
        Broken | ContractViolation | CompensationFailed,
        Db | Bin
      >
    >()
  })

  it("has no other error than CompensationFailed without legs, and feedback that is a string by default", () => {
    const empty = Handoff.make("empty", { input: {} })
    expectTypeOf<Agent.Error<typeof empty>>().toEqualTypeOf<CompensationFailed>()
    empty.leg("a", writer, {
      input: (_, __, feedback) => {
        expectTypeOf(feedback).toEqualTypeOf<ReadonlyArray<string>>()
        return { lines: 1 }
      }
    })
  })

  it("gates see the baton, and add HandoffRejected", () => {
    const checked = written
      .check("long", (baton, input) => {
        expectTypeOf(baton).toEqualTypeOf<{ readonly plan: { readonly lines: number }; readonly write: string }>()
        expectTypeOf(input).toEqualTypeOf<{ readonly topic: string }>()
        return baton.write === "" ? Verdict.rejected({ line: 1 }) : Verdict.accepted()
      })
      .verify("judge", judge, { input: ({ write }) => write, back: "plan" })
    expectTypeOf<Agent.Error<typeof checked>>().toEqualTypeOf<
      Broken | ContractViolation | CompensationFailed | Handoff.HandoffRejected
    >()
  })

  it("does not take what does not fit", () => {
    // @ts-expect-error the planner needs a topic
    planned.leg("write", planner, { input: ({ plan }) => plan })
    // @ts-expect-error a leg of that name is there already
    planned.leg("plan", planner, { input: (_, input) => input })
    // @ts-expect-error the writer has not written yet
    planned.leg("judge", judge, { input: ({ write }) => write })
    // @ts-expect-error no such leg to go back to
    planned.check("gate", () => Verdict.accepted(), { back: "write" })
    // @ts-expect-error feedback is a line
    planned.check("gate", () => Verdict.rejected("too short"))
    // @ts-expect-error a writer gives no verdict
    planned.verify("gate", writer, { input: ({ plan }) => plan })
    // @ts-expect-error the undo of another output
    planned.leg("write", writer, { input: ({ plan }) => plan, undo: (lines: number) => Effect.succeed(lines) })
  })
})
