import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import type { Redis } from "../../src/persistence/RedisClient.ts"
import * as Breaker from "../../src/policies/Breaker.ts"
import * as SharedBreaker from "../../src/policies/SharedBreaker.ts"

class Down extends Schema.TaggedError<Down>()("Down", {}) {}
class Invalid extends Schema.TaggedError<Invalid>()("Invalid", {}) {}
class Db extends Context.Service<Db, { readonly query: Effect.Effect<string, Down> }>()("test/SharedBreakerDb") {}

const options = { trip: Breaker.consecutive(2), openFor: "1 second" } as const
const any = SharedBreaker.make("any", options)
const picky = SharedBreaker.make<Down | ContractViolation>("picky", {
  ...options,
  isFailure: (error) => error._tag === "Down"
})

const pay = Agent.make("pay", {
  task: Task.make("Pay", { input: { amount: Schema.Number }, output: Schema.String, error: Down }),
  run: () => Effect.flatMap(Db, ({ query }) => query)
})
type Protected = Agent.Agent<
  { readonly amount: number },
  string,
  Down | ContractViolation | Breaker.CircuitOpen,
  Db | SharedBreaker.Circuits
>
const query = Effect.flatMap(Db, ({ query }) => query)

it("a shared breaker adds CircuitOpen and Circuits to an agent and to an effect", () => {
  expectTypeOf(pay.pipe(SharedBreaker.protect(any))).toEqualTypeOf<Protected>()
  expectTypeOf(pay.pipe(SharedBreaker.protect(picky))).toEqualTypeOf<Protected>()
  expectTypeOf(SharedBreaker.protect(pay, picky)).toEqualTypeOf<Protected>()
  expectTypeOf(query.pipe(SharedBreaker.protect(picky))).toEqualTypeOf<
    Effect.Effect<string, Down | Breaker.CircuitOpen, Db | SharedBreaker.Circuits>
  >()
  expectTypeOf(SharedBreaker.protect(Effect.fail(new Invalid()), any)).toEqualTypeOf<
    Effect.Effect<never, Invalid | Breaker.CircuitOpen, SharedBreaker.Circuits>
  >()
})

it("a layer takes Circuits away: in memory it needs nothing, in Redis a client", () => {
  const shared = query.pipe(SharedBreaker.protect(any))
  expectTypeOf(Effect.provide(shared, SharedBreaker.layerMemory)).toEqualTypeOf<
    Effect.Effect<string, Down | Breaker.CircuitOpen, Db>
  >()
  expectTypeOf(SharedBreaker.layerMemory).toEqualTypeOf<Layer.Layer<SharedBreaker.Circuits>>()
  expectTypeOf(SharedBreaker.layerRedis()).toEqualTypeOf<Layer.Layer<SharedBreaker.Circuits, never, Redis>>()
  // @ts-expect-error nobody has said where the circuits are kept
  Effect.runSync(Effect.succeed(1).pipe(SharedBreaker.protect(any)))
})

it("a shared breaker that judges errors takes only those it knows", () => {
  // @ts-expect-error it does not know what to think of Invalid
  Effect.fail(new Invalid()).pipe(SharedBreaker.protect(picky))
  // @ts-expect-error nor when it comes second
  SharedBreaker.protect(Effect.fail(new Invalid()), picky)
  const hosts = SharedBreaker.keyed<Down>("hosts", { ...options, isFailure: (error) => error._tag === "Down" })
  expectTypeOf(hosts).toEqualTypeOf<(key: string) => SharedBreaker.SharedBreaker<Down>>()
  // @ts-expect-error nor for a key
  Effect.fail(new Invalid()).pipe(SharedBreaker.protect(hosts("a")))
})
