import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Saga from "../../src/patterns/saga/Saga.ts"

class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", {}) {}
class Declined extends Schema.TaggedError<Declined>()("Declined", {}) {}
class Airline extends Context.Service<Airline, { readonly free: Effect.Effect<void, Declined> }>()("test/Airline") {}

const Seat = Schema.Struct({ seat: Schema.String })
const Book = Task.make("Book", { input: Schema.Struct({ city: Schema.String }), output: Seat, error: SoldOut })
const Release = Task.make("Release", { input: Seat, output: Seat })
const book = Agent.make("book", { task: Book, run: () => Effect.succeed({ seat: "12A" }) })
const release = Agent.make("release", { task: Release, run: (seat) => Effect.as(Airline, seat) })

const step = book.run({ city: "Oslo" }).pipe(Saga.undo((seat) => release.run(seat)))
const whole = step.pipe(Saga.transaction("trip"))

describe("Saga.undo", () => {
  it("keeps value and errors, adds the services of the compensation and the transaction, drops its errors", () => {
    expectTypeOf(step).toEqualTypeOf<
      Effect.Effect<{ readonly seat: string }, SoldOut | ContractViolation, Airline | Saga.Transaction>
    >()
    const failing = Effect.void.pipe(Saga.undo(() => Effect.flatMap(Airline, (airline) => airline.free)))
    expectTypeOf<Effect.Error<typeof failing>>().toEqualTypeOf<never>()
  })

  it("gives the value to the compensation, also point-free", () => {
    book.run({ city: "Oslo" }).pipe(
      Saga.undo((seat) => {
        expectTypeOf(seat).toEqualTypeOf<{ readonly seat: string }>()
        return Effect.void
      })
    )
    expectTypeOf(book.run({ city: "Oslo" }).pipe(Saga.undo(release.run), Saga.transaction("trip"))).toEqualTypeOf(whole)
  })

  it("does not take a compensation of another value", () => {
    // @ts-expect-error a number is no seat
    Effect.succeed(1).pipe(Saga.undo((seat: { readonly seat: string }) => release.run(seat)))
  })

  it("does not run outside a transaction", () => {
    const alone = Effect.void.pipe(Saga.undo(() => Effect.void))
    // @ts-expect-error the transaction is missing
    const run = () => Effect.runSync(alone)
    // @ts-expect-error the transaction is missing
    const irreversible = () => Effect.runSync(Effect.void.pipe(Saga.irreversible))
    expectTypeOf(run).toBeFunction()
    expectTypeOf(irreversible).toBeFunction()
  })
})

describe("Saga.transaction", () => {
  it("takes away its own service only, and adds CompensationFailed", () => {
    expectTypeOf(whole).toEqualTypeOf<
      Effect.Effect<{ readonly seat: string }, SoldOut | ContractViolation | Saga.CompensationFailed, Airline>
    >()
  })

  it("lets catchTag reach both failures", () => {
    const handled = whole.pipe(
      Effect.catchTag("CompensationFailed", (error) => {
        expectTypeOf(error.irreversible).toEqualTypeOf<ReadonlyArray<string>>()
        return Effect.succeed(undefined)
      }),
      Effect.catchTag("SoldOut", () => Effect.succeed(undefined))
    )
    expectTypeOf<Effect.Error<typeof handled>>().toEqualTypeOf<ContractViolation>()
  })

  it("nests, and a nested one stands alone", () => {
    const outer = Effect.andThen(step, whole).pipe(Saga.transaction("outer"))
    expectTypeOf<Effect.Services<typeof outer>>().toEqualTypeOf<Airline>()
  })

  it("takes its options by name", () => {
    step.pipe(Saga.transaction("trip", { compensate: "parallel" }))
    // @ts-expect-error no such order
    step.pipe(Saga.transaction("trip", { compensate: "random" }))
  })
})
