import { Effect, Schema } from "effect"
import { expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Budget from "../../src/policies/Budget.ts"

class Broken extends Schema.TaggedError<Broken>()("Broken", { cost: Schema.Number }) {}

const ask = Agent.make("ask", {
  task: Task.make("Ask", {
    input: { question: Schema.String },
    output: { answer: Schema.String, tokens: Schema.Int },
    error: Broken
  }),
  run: ({ question }) => Effect.succeed({ answer: question, tokens: 1 })
})

type Ask = { readonly question: string }
type Answer = { readonly answer: string; readonly tokens: number }

it("a charge adds BudgetExceeded to an agent and to an effect, and knows what it settles", () => {
  const charged = ask.pipe(
    Budget.charge({
      reserve: { tokens: 10 },
      settle: (answer) => {
        expectTypeOf(answer).toEqualTypeOf<Answer>()
        return { tokens: answer.tokens }
      },
      settleFailure: (cause) => ({ tokens: cause.reasons.length })
    })
  )
  expectTypeOf(charged).toEqualTypeOf<
    Agent.Agent<Ask, Answer, Broken | ContractViolation | Budget.BudgetExceeded, never>
  >()

  const effect = Effect.succeed(5).pipe(Budget.charge({ settle: (spent) => ({ tokens: spent }) }))
  expectTypeOf(effect).toEqualTypeOf<Effect.Effect<number, Budget.BudgetExceeded, never>>()

  const byInput = ask.pipe(Budget.charge({ reserve: ({ question }) => ({ tokens: question.length }) }))
  expectTypeOf(byInput).toEqualTypeOf<typeof charged>()

  const first = Budget.charge(ask, { settle: (answer) => ({ tokens: answer.tokens }) })
  expectTypeOf(first).toEqualTypeOf<typeof charged>()
})

it("a charge without settlement, a turn and a budget are values that fit any target", () => {
  const ten = Budget.charge({ reserve: { tokens: 10 } })
  const small = Budget.within("small", { tokens: 10, searches: 3, time: "1 minute" })
  expectTypeOf(ask.pipe(ten, Budget.turn, small)).toEqualTypeOf<
    Agent.Agent<Ask, Answer, Broken | ContractViolation | Budget.BudgetExceeded, never>
  >()
  expectTypeOf(Effect.void.pipe(ten, Budget.turn, small)).toEqualTypeOf<
    Effect.Effect<void, Budget.BudgetExceeded, never>
  >()
})

it("who handles BudgetExceeded is rid of it", () => {
  const handled = Effect.fail(new Broken({ cost: 1 })).pipe(
    Budget.within("small", { tokens: 10 }),
    Effect.catchTag("BudgetExceeded", (error) => Effect.succeed(error.resource))
  )
  expectTypeOf(handled).toEqualTypeOf<Effect.Effect<string, Broken, never>>()
})

it("what must not compile", () => {
  // @ts-expect-error time is a duration, not a date
  Budget.within("b", { time: new Date() })
  // @ts-expect-error an amount is a number
  Budget.within("b", { tokens: "10" })
  // @ts-expect-error an amount of a resource of one's own, too
  Budget.within("b", { searches: "10" })
  // @ts-expect-error nobody can spend time
  Budget.charge({ reserve: { time: 5 } })
  // @ts-expect-error the answer has no cost
  ask.pipe(Budget.charge({ settle: (answer) => ({ tokens: answer.cost }) }))
  // @ts-expect-error there is no such input
  ask.pipe(Budget.charge({ reserve: (input) => ({ tokens: input.length }) }))
  // @ts-expect-error a settlement is an amount of something
  Budget.charge(ask, { settle: (answer) => answer.tokens })
  // @ts-expect-error only an agent or an effect can be charged
  Budget.turn(5)
})
