import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Cascade from "../../src/patterns/Cascade.ts"
import { Lost, voices } from "./voices.ts"

const asked = (log: ReadonlyArray<string>) =>
  log.filter((line) => !line.endsWith("done") && !line.endsWith("failed")).map((line) => line.split(" ")[0])

/** How each tier fares: `Good` is accepted, `Poor` is not. */
const Tiers = Schema.Array(Schema.Literals(["Good", "Poor", "Fails"])).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(6)
)

/** What D1 to D4 say of it: who is asked, and what comes out. */
const model = (tiers: typeof Tiers.Type, options: { readonly acceptLast: boolean; readonly escalate: boolean }) => {
  const asked: Array<string> = []
  for (const [place, tier] of tiers.entries()) {
    const name = `t${place}`
    const isLast = place === tiers.length - 1
    asked.push(name)
    if (tier === "Fails" && (isLast || !options.escalate)) return { asked, outcome: `${name} lost` }
    if (tier === "Good" || (tier === "Poor" && isLast && options.acceptLast)) return { asked, outcome: `${name}(1)` }
    if (isLast) return { asked, outcome: `unsure of ${name}(1)` }
  }
  return assert.fail("there is a last tier")
}

describe("Cascade", () => {
  it.effect.prop(
    "D1, D2, D3, D4: any tiers under any policy fare as the rules say",
    [Tiers, Schema.Boolean, Schema.Boolean],
    ([behaviours, acceptLast, escalate]) =>
      Effect.gen(function* () {
        const { log, voice } = voices()
        const tiers = behaviours.map((behaviour, place) => voice(`t${place}`, { fails: behaviour === "Fails" }))
        const cascade = Cascade.make("cascade", {
          tiers: tiers as unknown as readonly [(typeof tiers)[0]],
          accept: ({ answer, input }) => answer.endsWith(`(${input})`) && behaviours[Number(answer[1])] === "Good",
          whenUnsure: acceptLast ? "acceptLast" : "fail",
          onFailure: escalate ? "escalate" : "fail"
        })
        const result = yield* Effect.result(cascade.run("1"))
        const expected = model(behaviours, { acceptLast, escalate })
        assert.deepStrictEqual(asked(log), expected.asked)
        assert.strictEqual(told(result), expected.outcome)
      })
  )

  it.effect("D1: an agent judges, and sees the input, too", () =>
    Effect.gen(function* () {
      const { log, voice } = voices()
      const Judge = Task.make("Judge", {
        input: { input: Schema.String, answer: Schema.String },
        output: Schema.Boolean
      })
      const judge = Agent.make("judge", {
        task: Judge,
        run: ({ answer, input }) =>
          Effect.sync(() => void log.push(`judge ${answer} for ${input}`)).pipe(Effect.as(answer[0] === "b"))
      })
      const cascade = Cascade.make("cascade", { tiers: [voice("a"), voice("b"), voice("c")], accept: judge })
      assert.strictEqual(yield* cascade.run("1"), "b(1)")
      assert.deepStrictEqual(log, ["a 1", "a done", "judge a(1) for 1", "b 1", "b done", "judge b(1) for 1"])
    })
  )

  it.effect("D3: nobody judges the last tier's answer", () =>
    Effect.gen(function* () {
      const { voice } = voices()
      const judged: Array<string> = []
      const accept = ({ answer }: { readonly answer: string }) => {
        judged.push(answer)
        return false
      }
      const tiers = [voice("a"), voice("b")] as const
      assert.strictEqual(yield* Cascade.make("cascade", { tiers, accept }).run("1"), "b(1)")
      assert.deepStrictEqual(judged, ["a(1)"])
      const strict = Cascade.make("cascade", { tiers, accept, whenUnsure: "fail" })
      assert.deepStrictEqual(
        yield* Effect.flip(strict.run("1")),
        new Cascade.Unsure({ cascade: "cascade", best: "b(1)" })
      )
      assert.deepStrictEqual(judged, ["a(1)", "a(1)", "b(1)"])
    })
  )

  it.effect("D4: what the judge fails with is no failure of a tier, and a defect is none either", () =>
    Effect.gen(function* () {
      const { log, voice } = voices()
      const judge = voice("judge", { fails: true }).pipe(
        Agent.mapInput(({ answer }: Cascade.Proposal<string, string>) => answer),
        Agent.mapOutput(() => true)
      )
      const cascade = Cascade.make("cascade", {
        tiers: [voice("a"), voice("b")],
        accept: judge,
        onFailure: "escalate"
      })
      assert.deepStrictEqual(yield* Effect.flip(cascade.run("1")), new Lost({ who: "judge" }))
      const broken = Cascade.make("cascade", {
        tiers: [voice("broken", { dies: true }), voice("c")],
        accept: () => true,
        onFailure: "escalate"
      })
      assert.match((yield* Effect.exit(broken.run("1"))).toString(), /broken broke/)
      assert.notInclude(asked(log), "b")
      assert.notInclude(asked(log), "c")
    })
  )

  it("needs a tier", () => {
    assert.throws(
      () => Cascade.make("cascade", { tiers: [] as never, accept: () => true }),
      `cascade "cascade" needs a tier`
    )
  })

  it.effect("Unsure.schema brings a typed answer back from JSON; the class itself keeps JSON", () =>
    Effect.gen(function* () {
      const error = new Cascade.Unsure<{ readonly at: Date }>({ cascade: "cascade", best: { at: new Date(0) } })
      const typed = Schema.toCodecJson(Cascade.Unsure.schema(Schema.Struct({ at: Schema.Date })))
      const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(typed)(error)))
      const back = yield* Schema.decodeEffect(typed)(json)
      assert.instanceOf(back, Cascade.Unsure)
      assert.deepStrictEqual(back.best, { at: new Date(0) })
      const plain = Schema.toCodecJson(Cascade.Unsure)
      const simple = new Cascade.Unsure({ cascade: "cascade", best: { text: "1" } })
      const again = yield* Schema.decodeUnknownEffect(plain)(
        JSON.parse(JSON.stringify(yield* Schema.encodeEffect(plain)(simple)))
      )
      assert.deepStrictEqual(again.best, { text: "1" })
      assert.match(again.message, /"cascade" is not sure/)
    })
  )
})

const told = (result: Result.Result<string, Lost | Cascade.Unsure<string>>) => {
  if (Result.isSuccess(result)) return result.success
  return result.failure._tag === "Lost" ? `${result.failure.who} lost` : `unsure of ${result.failure.best}`
}
