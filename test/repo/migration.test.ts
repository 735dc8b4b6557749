/** The programs that MIGRATION_GUIDE.md shows before and after do the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { Agent } from "../../src/index.ts"
import { Overloaded, reviewer } from "../fixtures/migration/after.ts"
import { Reviews } from "../fixtures/migration/before.ts"
import { essay, Judge, Write } from "../fixtures/migration/loop-after.ts"
import { write } from "../fixtures/migration/loop-before.ts"

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

  it.effect("both write again what most judges find wanting, and try again when the writer is busy", () =>
    Effect.gen(function* () {
      const busy = { before: 1, after: 1 }
      const text = (topic: string, remark = "short") => `${topic}, ${remark}`
      const opinion = (text: string) => (text.includes("longer") ? "fine" : "longer")
      const before = yield* Effect.promise(() =>
        write(
          async (topic, remark) => (busy.before-- > 0 ? Promise.reject(new Overloaded()) : text(topic, remark)),
          [async (text) => opinion(text), async (text) => opinion(text), async () => "duller"],
          "Sagas"
        )
      )
      const writer = Agent.make("writer", {
        task: Write,
        run: ({ remark, topic }) =>
          Effect.suspend(() => (busy.after-- > 0 ? Effect.fail(new Overloaded()) : Effect.succeed(text(topic, remark))))
      })
      const judge = (name: string, says: (text: string) => string) =>
        Agent.make(name, { task: Judge, run: ({ text }) => Effect.succeed(says(text)) })
      const judges = [judge("ann", opinion), judge("bob", opinion), judge("eve", () => "duller")] as const
      const after = yield* Effect.forkChild(essay(writer, judges).run("Sagas"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(after), before)
      assert.strictEqual(before, "Sagas, longer")
    })
  )
})
