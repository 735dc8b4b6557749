/** The two programs that MIGRATION_GUIDE.md shows do the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Overloaded, reviewer } from "../fixtures/migration/after.ts"
import { Reviews } from "../fixtures/migration/before.ts"

describe("migration guide", () => {
  it.effect("both try again, and give the same verdict", () =>
    Effect.gen(function* () {
      const busy = { before: 2, after: 2 }
      const before = yield* Effect.promise(() =>
        new Reviews().review(
          "1",
          async (code) => (busy.before-- > 0 ? Promise.reject(new Overloaded()) : `${code}: fine`),
          "x"
        )
      )
      const agent = reviewer((code) =>
        Effect.suspend(() => (busy.after-- > 0 ? Effect.fail(new Overloaded()) : Effect.succeed(`${code}: fine`)))
      )
      const after = yield* agent.run({ code: "x" })
      assert.strictEqual(after, before)
    })
  )
})
