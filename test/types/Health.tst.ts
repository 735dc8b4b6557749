import { Context, Effect, type Layer, type Schedule, type Scope } from "effect"
import { expectTypeOf, it } from "vitest"
import * as Health from "../../src/policies/Health.ts"

class Db extends Context.Service<Db, { readonly ping: Effect.Effect<void> }>()("test/Db") {}
class Cache extends Context.Service<Cache, { readonly ping: Effect.Effect<void, "cold"> }>()("test/Cache") {}

const db = Health.check("db", { probe: Effect.flatMap(Db, ({ ping }) => ping) })
const cache = Health.check("cache", { probe: Effect.flatMap(Cache, ({ ping }) => ping), importance: "Optional" })

it("what the checks need, their health needs", () => {
  expectTypeOf(db).toEqualTypeOf<Health.Check<Db>>()
  expectTypeOf(Health.make([db, cache])).toEqualTypeOf<
    Effect.Effect<typeof Health.Health.Service, never, Db | Cache | Scope.Scope>
  >()
  expectTypeOf(Health.layer([db, cache])).toEqualTypeOf<Layer.Layer<Health.Health, never, Db | Cache>>()
  expectTypeOf(Health.layer([])).toEqualTypeOf<Layer.Layer<Health.Health>>()
})

it("what must not compile", () => {
  // @ts-expect-error there is no such importance
  Health.check("db", { probe: Effect.void, importance: "Nice" })
  // @ts-expect-error a schedule cannot need a service of its own
  Health.check("db", { probe: Effect.void, recovery: {} as Schedule.Schedule<number, unknown, never, Db> })
})
