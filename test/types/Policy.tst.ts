import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Policy from "../../src/policies/Policy.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}

const limit = Policy.make({
  errors: Busy,
  around: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(effect, (value) => (value === null ? Effect.fail(new Busy()) : Effect.succeed(value)))
})
const work = Agent.make("work", {
  task: Task.make("Work", { input: { id: Schema.Int }, output: Schema.String, error: Broken }),
  run: () => Effect.succeed("done")
})

it("a policy adds its errors to an agent and to an effect, in a pipe", () => {
  expectTypeOf(work.pipe(limit)).toEqualTypeOf<
    Agent.Agent<{ readonly id: number }, string, Broken | ContractViolation | Busy, never>
  >()
  expectTypeOf(Effect.fail(new Broken()).pipe(limit)).toEqualTypeOf<Effect.Effect<never, Broken | Busy, never>>()
})
