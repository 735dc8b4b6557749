import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Race from "../../src/patterns/Race.ts"
import { type Behaviour, Lost, voices } from "./voices.ts"

const seconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 30 }))
const Contender = Schema.Struct({ takes: seconds, fails: Schema.Boolean })
const Contenders = Schema.Array(Contender).check(Schema.isMinLength(1), Schema.isMaxLength(6))

/** A race in test time: how it ended, and after how many seconds. */
const timed = (
  behaviours: ReadonlyArray<Behaviour>,
  options: { readonly stagger?: number; readonly first?: Race.First }
) =>
  Effect.gen(function* () {
    const { log, voice } = voices()
    const agents = behaviours.map((behaviour, place) => voice(`v${place}`, behaviour))
    const race = Race.make("race", {
      agents: agents as unknown as readonly [(typeof agents)[0]],
      ...(options.first === undefined ? {} : { first: options.first as "success" }),
      ...(options.stagger === undefined ? {} : { stagger: `${options.stagger} seconds` as const })
    })
    const fiber = yield* Effect.forkChild(Effect.exit(race.run("1")))
    for (let second = 0; ; second++) {
      if (second > 1000) assert.fail("the race does not end")
      yield* Effect.yieldNow
      const ended = fiber.pollUnsafe()
      if (ended !== undefined) {
        const exit = yield* ended
        return { exit, outcome: Exit.isSuccess(exit) ? exit.value : Cause.squash(exit.cause), second, log }
      }
      yield* TestClock.adjust("1 second")
    }
  })

/** When each contender starts and ends by A1 and A4, and who wins. */
const model = (contenders: ReadonlyArray<typeof Contender.Type>, stagger: number | undefined) => {
  let start = 0
  const ends = contenders.map(({ fails, takes }, place) => {
    const previous = contenders[place - 1]
    if (place > 0 && stagger !== undefined) start += previous!.fails ? Math.min(previous!.takes, stagger) : stagger
    return { place, fails, start, end: start + takes }
  })
  const winners = ends.filter(({ fails }) => !fails).toSorted((a, b) => a.end - b.end)
  return { ends, winner: winners[0], last: Math.max(...ends.map(({ end }) => end)) }
}

describe("Race", () => {
  it.effect.prop(
    "A1, A4: the first success wins, at the moment it comes; when all have failed, AllFailed says how",
    [Contenders, Schema.UndefinedOr(seconds)],
    ([contenders, stagger]) =>
      Effect.gen(function* () {
        const behaviours = contenders.map(({ fails, takes }) => ({ fails, takes: `${takes} seconds` as const }))
        const { outcome, second } = yield* timed(behaviours, stagger === undefined ? {} : { stagger })
        const { ends, last, winner } = model(contenders, stagger)
        if (winner === undefined) {
          const failures = ends.map(({ place }) => ({ agent: `v${place}`, error: new Lost({ who: `v${place}` }) }))
          assert.deepStrictEqual(outcome, new Race.AllFailed({ race: "race", failures }))
          assert.strictEqual(second, last)
        } else {
          const tied = ends.filter(({ end, fails }) => !fails && end === winner.end)
          assert.include(
            tied.map(({ place }) => `v${place}(1)`),
            outcome as string
          )
          assert.strictEqual(second, winner.end)
        }
      })
  )

  it.effect("A2: the first to end decides, also by its failure", () =>
    Effect.gen(function* () {
      const contenders = [{ takes: "2 seconds", fails: true }, { takes: "3 seconds" }] as const
      const settled = yield* timed(contenders, { first: "settled" })
      assert.deepStrictEqual(settled.outcome, new Lost({ who: "v0" }))
      assert.strictEqual(settled.second, 2)
      assert.strictEqual((yield* timed(contenders, {})).outcome, "v1(1)")
    })
  )

  it.effect("A3: losers are interrupted and waited for", () =>
    Effect.gen(function* () {
      const { log, outcome, second } = yield* timed(
        [{ takes: "1 second" }, { takes: "1 hour", stopsIn: "4 seconds" }, { takes: "1 hour" }],
        {}
      )
      assert.strictEqual(outcome, "v0(1)")
      assert.strictEqual(second, 5)
      assert.includeMembers(log, ["v1 stopped", "v2 stopped"])
    })
  )

  it.effect("A3: a race that is interrupted ends when its contenders have", () =>
    Effect.gen(function* () {
      const { log, voice } = voices()
      const race = Race.make("race", {
        agents: [voice("a", { takes: "1 hour", stopsIn: "4 seconds" }), voice("b", { takes: "1 hour" })],
        stagger: "1 minute"
      })
      const fiber = yield* Effect.forkChild(race.run("1"))
      yield* TestClock.adjust("1 second")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("3 seconds")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(log, ["a 1", "a stopped"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(log, ["a 1", "a stopped"])
    })
  )

  it.effect("A4: nobody starts who is not needed any more", () =>
    Effect.gen(function* () {
      const { log } = yield* timed([{ takes: "3 seconds" }, {}, {}], { stagger: 5 })
      assert.deepStrictEqual(log, ["v0 1", "v0 done"])
    })
  )

  it.effect("A5: a defect ends the race, whoever might still win", () =>
    Effect.gen(function* () {
      const { exit, log, second } = yield* timed([{ takes: "1 second", dies: true }, { takes: "2 seconds" }], {})
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.strictEqual(second, 1)
      assert.include(log, "v1 stopped")
    })
  )

  it("names who raced twice, and needs somebody", () => {
    const { voice } = voices()
    assert.throws(() => Race.make("race", { agents: [voice("a"), voice("a")] }), `race "race" has two agents named "a"`)
    assert.throws(() => Race.make("race", { agents: [] as never }), `race "race" needs an agent`)
  })

  it.effect("AllFailed.schema brings typed errors back from JSON; the class itself keeps their messages", () =>
    Effect.gen(function* () {
      const failures = [{ agent: "a", error: new Lost({ who: "a" }) }]
      const error = new Race.AllFailed<Lost>({ race: "race", failures })
      assert.strictEqual(error.message, `All agents of race "race" failed: "a" (a lost).`)
      const typed = Schema.toCodecJson(Race.AllFailed.schema(Lost))
      const json = yield* Schema.encodeEffect(typed)(error)
      const back = yield* Schema.decodeEffect(typed)(JSON.parse(JSON.stringify(json)))
      assert.instanceOf(back, Race.AllFailed)
      assert.instanceOf(back.failures[0]?.error, Lost)
      assert.deepStrictEqual(back.failures, failures)
      const plain = Schema.toCodecJson(Race.AllFailed)
      const lossy = yield* Schema.decodeUnknownEffect(plain)(
        JSON.parse(JSON.stringify(yield* Schema.encodeEffect(plain)(error)))
      )
      assert.strictEqual(lossy.message, error.message)
    })
  )
})
