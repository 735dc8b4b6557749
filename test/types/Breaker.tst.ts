import { Effect, Schema } from "effect"
import { expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Breaker from "../../src/policies/Breaker.ts"

class Down extends Schema.TaggedError<Down>()("Down", {}) {}
class Invalid extends Schema.TaggedError<Invalid>()("Invalid", {}) {}

const options = { trip: Breaker.consecutive(2), openFor: "1 second" } as const
const any = Breaker.make("any", options)
const picky = Breaker.make<Down | ContractViolation>("picky", {
  ...options,
  isFailure: (error) => error._tag === "Down"
})

const pay = Agent.make("pay", {
  task: Task.make("Pay", { input: { amount: Schema.Number }, output: Schema.String, error: Down }),
  run: () => Effect.succeed("paid")
})
type Protected = Agent.Agent<{ readonly amount: number }, string, Down | ContractViolation | Breaker.CircuitOpen, never>

it("a breaker adds CircuitOpen to an agent and to an effect", () => {
  expectTypeOf(pay.pipe(Breaker.protect(any))).toEqualTypeOf<Protected>()
  expectTypeOf(pay.pipe(Breaker.protect(picky))).toEqualTypeOf<Protected>()
  expectTypeOf(Breaker.protect(pay, picky)).toEqualTypeOf<Protected>()
  expectTypeOf(Effect.fail(new Down()).pipe(Breaker.protect(picky))).toEqualTypeOf<
    Effect.Effect<never, Down | Breaker.CircuitOpen, never>
  >()
  expectTypeOf(Breaker.protect(Effect.fail(new Invalid()), any)).toEqualTypeOf<
    Effect.Effect<never, Invalid | Breaker.CircuitOpen, never>
  >()
})

it("a breaker that judges errors takes only those it knows", () => {
  // @ts-expect-error it does not know what to think of Invalid
  Effect.fail(new Invalid()).pipe(Breaker.protect(picky))
  // @ts-expect-error nor when it comes second
  Breaker.protect(Effect.fail(new Invalid()), picky)
  const hosts = Breaker.keyed<Down>("hosts", { ...options, isFailure: (error) => error._tag === "Down" })
  // @ts-expect-error nor for a key
  Effect.fail(new Invalid()).pipe(Breaker.protect(hosts.of("a")))
})
