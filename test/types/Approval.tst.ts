import { Context, Effect, Schema } from "effect"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import type { Engine } from "../../src/durable/Engine.ts"
import * as Approval from "../../src/patterns/approval/Approval.ts"

class Mailer extends Context.Service<Mailer, { readonly send: (text: string) => Effect.Effect<void> }>()("Mailer") {}
class MailDown extends Schema.TaggedError<MailDown>()("MailDown", {}) {}
const mail = Agent.make("mail", {
  task: Task.make("Mail", { input: { text: Schema.String }, output: Schema.Void, error: MailDown }),
  run: ({ text }) => Effect.flatMap(Mailer, ({ send }) => send(text))
})

describe("Approval.make", () => {
  const plain = Approval.make("plain", { request: { id: Schema.Int }, decision: { approved: Schema.Boolean } })
  const full = Approval.make("full", {
    request: { id: Schema.Int },
    decision: Schema.Literals(["yes", "no"]),
    key: ({ id }) => String(id),
    person: Schema.Literals(["ann", "bob"]),
    to: ({ id }) => (id > 3 ? ["ann"] : ["ann", "bob"]),
    timeout: "3 days",
    remind: {
      every: "1 day",
      agent: mail,
      input: (reminder) => {
        expectTypeOf(reminder).toEqualTypeOf<Approval.Reminder<{ readonly id: number }, "ann" | "bob">>()
        return { text: reminder.to.join() }
      }
    }
  })

  it("is an agent from the request to the answer", () => {
    expectTypeOf<Agent.Input<typeof plain>>().toEqualTypeOf<{ readonly id: number }>()
    expectTypeOf<Agent.Output<typeof plain>>().toEqualTypeOf<Approval.Answer<{ readonly approved: boolean }, string>>()
    expectTypeOf<Agent.Output<typeof full>>().toEqualTypeOf<Approval.Answer<"yes" | "no", "ann" | "bob">>()
  })

  it("can only run out of time if it has a timeout", () => {
    expectTypeOf<Agent.Error<typeof plain>>().toEqualTypeOf<ContractViolation>()
    expectTypeOf<Agent.Error<typeof full>>().toEqualTypeOf<ContractViolation | Approval.ApprovalTimedOut>()
  })

  it("needs what its reminder needs, and handles its failures", () => {
    expectTypeOf<Agent.Services<typeof plain>>().toEqualTypeOf<never>()
    expectTypeOf<Agent.Services<typeof full>>().toEqualTypeOf<Mailer>()
  })

  it("takes answers and delegations of its own types", () => {
    expectTypeOf(full.answer("run", "4", { by: "ann", decision: "yes" })).toEqualTypeOf<
      Effect.Effect<void, Approval.SendError, Engine>
    >()
    full.delegate("run", "4", { by: "ann", to: "bob" })
    // @ts-expect-error cy is nobody
    full.answer("run", "4", { by: "cy", decision: "yes" })
    // @ts-expect-error maybe is no decision
    full.answer("run", "4", { by: "ann", decision: "maybe" })
    // @ts-expect-error cy is nobody
    full.delegate("run", "4", { by: "ann", to: "cy" })
  })

  it("addresses only persons that there are", () => {
    Approval.make("wrong", {
      request: {},
      decision: Schema.Boolean,
      person: Schema.Literals(["ann", "bob"]),
      // @ts-expect-error cy is nobody
      to: () => ["cy"]
    })
  })
})
