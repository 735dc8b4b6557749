import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Fallback from "../../src/policies/Fallback.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
class Broken extends Schema.TaggedError<Broken>()("Broken", { part: Schema.String }) {}

const agent = <E>(name: string, run: (text: string) => Effect.Effect<string, E>) =>
  Agent.compose(name, { run: ({ text }: { readonly text: string }) => run(text) })

const busy = Effect.suspend(() => Effect.fail<Busy | Broken>(new Busy()))
const broken = Effect.suspend(() => Effect.fail<Busy | Broken>(new Broken({ part: "x" })))

describe("Fallback", () => {
  it.effect("F1: only what is asked for is handled", () =>
    Effect.gen(function* () {
      const onBusy = { on: ["Busy"] } as const
      assert.strictEqual(yield* busy.pipe(Fallback.value(0, onBusy)), 0)
      assert.strictEqual(yield* busy.pipe(Fallback.to(Effect.succeed(0), onBusy)), 0)
      assert.strictEqual((yield* Effect.flip(broken.pipe(Fallback.value(0, onBusy))))._tag, "Broken")
      assert.strictEqual((yield* Effect.flip(broken.pipe(Fallback.degrade(busy, onBusy))))._tag, "Broken")
      assert.strictEqual(yield* broken.pipe(Fallback.value(0)), 0)
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Effect.die("bug").pipe(Fallback.value(0)))))
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(Effect.interrupt.pipe(Fallback.value(0)))))
      assert.strictEqual(yield* Effect.fail("no tag").pipe(Fallback.value(0)), 0)
    })
  )

  it.effect("F2: the other agent is called once, with the same input, and only after a failure", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const bob = agent("bob", (text) =>
        Effect.as(
          Effect.sync(() => void asked.push(text)),
          `bob: ${text}`
        )
      )
      const alice = agent("alice", (text) => (text === "hard" ? busy : Effect.succeed(`alice: ${text}`)))
      const either = alice.pipe(Fallback.to(bob))
      assert.strictEqual(either.name, "alice")
      assert.deepStrictEqual(yield* Effect.all([either.run({ text: "easy" }), either.run({ text: "hard" })]), [
        "alice: easy",
        "bob: hard"
      ])
      assert.deepStrictEqual(asked, ["hard"])
      const error = yield* Effect.flip(alice.pipe(Fallback.to(agent("carol", () => broken))).run({ text: "hard" }))
      assert.strictEqual(error._tag, "Broken")
    })
  )

  it.effect("F2: agents that perform tasks keep their contracts", () =>
    Effect.gen(function* () {
      const Work = Task.make("Work", { input: { text: Schema.String }, output: Schema.String, error: Busy })
      const alice = Agent.make("alice", { task: Work, run: () => Effect.fail(new Busy()) })
      const bob = Agent.make("bob", { task: Work, run: ({ text }) => Effect.succeed(`bob: ${text}`) })
      assert.strictEqual(yield* alice.pipe(Fallback.to(bob, { on: ["Busy"] })).run({ text: "a" }), "bob: a")
      assert.strictEqual(yield* alice.pipe(Fallback.value(null, { on: ["Busy"] })).run({ text: "a" }), null)
    })
  )

  it.effect("F3: a degraded answer says so and why; a full one says so", () =>
    Effect.gen(function* () {
      const cache = agent("cache", (text) => Effect.succeed(`old ${text}`))
      const live = agent("live", (text) => (text === "news" ? broken : Effect.succeed(`new ${text}`)))
      const page = live.pipe(Fallback.degrade(cache))
      assert.deepStrictEqual(yield* page.run({ text: "sport" }), { _tag: "Full", value: "new sport" })
      const degraded = yield* page.run({ text: "news" })
      assert(degraded._tag === "Degraded" && degraded.reason._tag === "Broken")
      assert.deepStrictEqual([degraded.value, degraded.reason.part], ["old news", "x"])
      const empty = yield* busy.pipe(Fallback.degradeToValue([], { on: ["Busy"] }))
      assert.deepStrictEqual(empty, { _tag: "Degraded", value: [], reason: new Busy() })
    })
  )

  it.effect("F3: its schema carries it through a store", () =>
    Effect.gen(function* () {
      const answer = Schema.toCodecJson(
        Fallback.Answer({ full: Schema.String, degraded: Schema.Null, reason: Schema.Union([Busy, Broken]) })
      )
      const given = yield* broken.pipe(Effect.as("never"), Fallback.degradeToValue(null))
      const back = yield* Schema.decodeUnknownEffect(answer)(yield* Schema.encodeEffect(answer)(given))
      assert.deepStrictEqual(back, given)
    })
  )
})
