import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Schema } from "effect"
import * as Decision from "../../src/policies/Decision.ts"
import { heldRun } from "./heldRun.ts"

describe("Decision", () => {
  it.effect("outside a run it is made each time", () =>
    Effect.gen(function* () {
      let made = 0
      const choose = Decision.make("choose", Schema.Int)
      const twice = Effect.all([
        choose(
          null,
          Effect.sync(() => ++made)
        ),
        choose(
          null,
          Effect.sync(() => ++made)
        )
      ])
      assert.deepStrictEqual(yield* twice, [1, 2])
    })
  )

  it.effect("in a run it is made once, and a replay answers what was recorded", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      let made = 0
      const choose = Decision.make("choose", Schema.Int)
      const body = (hold: Effect.Effect<void>) =>
        Effect.gen(function* () {
          const chosen = yield* choose(
            { of: 3 },
            Effect.sync(() => ++made)
          )
          yield* hold
          return [String(chosen)]
        })
      yield* untilHeld(body)
      assert.deepStrictEqual(yield* finish(body), ["1"])
      assert.strictEqual(made, 1)
    })
  )

  it.effect("one that waits is made by whoever recovers the run, if it was not made before", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const gate = yield* Deferred.make<number>()
      const choose = Decision.make("choose", Schema.Int, { waits: true })
      const body = (hold: Effect.Effect<void>) =>
        Effect.map(Effect.all([choose(null, Deferred.await(gate)), hold], { concurrency: 2 }), ([chosen]) => [
          String(chosen)
        ])
      yield* untilHeld(body)
      yield* Deferred.succeed(gate, 7)
      assert.deepStrictEqual(yield* finish(body), ["7"])
    })
  )

  it.effect("an answer that its schema does not allow ends the run", () =>
    Effect.gen(function* () {
      const { finish } = yield* heldRun
      const choose = Decision.make("choose", Schema.Int)
      const body = () => Effect.map(choose(null, Effect.succeed("three" as never)), (chosen) => [String(chosen)])
      const exit = yield* Effect.exit(finish(body))
      assert.include(
        Exit.isFailure(exit) ? String(exit.cause) : "",
        'decision "choose" has an answer that its schema does not allow'
      )
    })
  )
})
