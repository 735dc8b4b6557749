import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Debate from "../../src/patterns/Debate.ts"
import { Lost } from "./voices.ts"

type Turn = Debate.Turn<string, string>

const shown = (transcript: Turn["transcript"]) => transcript.map(({ argument }) => argument).join(" ")

/** Says who speaks, in which round, and how much was said before. */
const debaters = (names: ReadonlyArray<string>, takes: (name: string) => number = () => 0) => {
  const heard: Array<{ readonly speaker: string; readonly round: number; readonly transcript: string }> = []
  const debater = Agent.compose("debater", {
    run: ({ round, speaker, transcript }: Turn): Effect.Effect<string, Lost> =>
      Effect.suspend(() => {
        heard.push({ speaker, round, transcript: shown(transcript) })
        if (speaker === "sulking") return Effect.fail(new Lost({ who: speaker }))
        return Effect.as(Effect.sleep(takes(speaker)), `${speaker}${round}`)
      })
  })
  return { heard, debaters: Object.fromEntries(names.map((name) => [name, debater])) }
}

const count = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("Debate", () => {
  it.effect.prop(
    "B1, B2, B3, B4: who speaks when, and hears what",
    [count(1, 4), count(1, 4), count(1, 5), Schema.Boolean],
    ([size, rounds, enough, simultaneous]) =>
      Effect.gen(function* () {
        const names = ["a", "b", "c", "d"].slice(0, size)
        // The later in the alphabet, the faster.
        const { debaters: sides, heard } = debaters(names, (name) => 10 - name.charCodeAt(0) + 97)
        const judged: Array<string> = []
        const asked: Array<number> = []
        const debate = Debate.make("debate", {
          debaters: sides,
          judge: ({ question, transcript }) => {
            judged.push(shown(transcript))
            return `${question}: ${transcript.length}`
          },
          until: ({ transcript }) => {
            asked.push(transcript.length / size)
            return transcript.length / size >= enough
          },
          rounds,
          speaking: simultaneous ? "simultaneous" : "alternate"
        })
        const fiber = yield* Effect.forkChild(debate.run("tea?"))
        yield* TestClock.adjust("1 hour")
        const held = Math.min(rounds, enough)
        const said = (through: number) =>
          Array.from({ length: through }, (_, round) => names.map((name) => `${name}${round + 1}`)).flat()
        assert.strictEqual(yield* Fiber.join(fiber), `tea?: ${held * size}`)
        assert.deepStrictEqual(judged, [said(held).join(" ")])
        assert.deepStrictEqual(
          asked,
          Array.from({ length: Math.min(held, rounds - 1) }, (_, round) => round + 1)
        )
        assert.deepStrictEqual(
          heard,
          Array.from({ length: held }, (_, before) =>
            names.map((speaker, place) => ({
              speaker,
              round: before + 1,
              transcript: [
                ...said(before),
                ...(simultaneous ? [] : names.slice(0, place).map((name) => `${name}${before + 1}`))
              ].join(" ")
            }))
          ).flat()
        )
      })
  )

  it.effect("B2: debaters who speak simultaneously do not wait for each other", () =>
    Effect.gen(function* () {
      const slow = (speaking: "alternate" | "simultaneous") =>
        Debate.make("debate", {
          debaters: debaters(["a", "b", "c"], () => 1000).debaters,
          judge: ({ transcript }) => shown(transcript),
          rounds: 2,
          speaking
        }).run("tea?")
      const both = yield* Effect.forEach(["alternate", "simultaneous"] as const, (speaking) =>
        Effect.forkChild(slow(speaking))
      )
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(
        both.map((fiber) => fiber.pollUnsafe() !== undefined),
        [false, true]
      )
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* Effect.forEach(both, Fiber.join), Array(2).fill("a1 b1 c1 a2 b2 c2"))
    })
  )

  it.effect("B3: judges and debaters are agents with schemas", () =>
    Effect.gen(function* () {
      const Argue = Task.make("Argue", { input: Debate.turn(Schema.String, Schema.Int), output: Schema.Int })
      const Judge = Task.make("Judge", { input: Debate.hearing(Schema.String, Schema.Int), output: Schema.Int })
      const up = Agent.make("up", {
        task: Argue,
        run: ({ transcript }) => Effect.succeed((transcript.at(-1)?.argument ?? 0) + 1)
      })
      const judge = Agent.make("judge", {
        task: Judge,
        run: ({ transcript }) => Effect.succeed(transcript.reduce((sum, { argument }) => sum + argument, 0))
      })
      const debate = Debate.make("debate", { debaters: { for: up, against: up }, judge, rounds: 2 })
      assert.strictEqual(yield* debate.run("how much?"), 1 + 2 + 3 + 4)
    })
  )

  it.effect("B5: the first failure ends the debate", () =>
    Effect.gen(function* () {
      const { debaters: sides, heard } = debaters(["a", "sulking", "c"])
      const debate = Debate.make("debate", {
        debaters: sides,
        judge: () => assert.fail("there is no verdict"),
        rounds: 2
      })
      assert.deepStrictEqual(yield* Effect.flip(debate.run("tea?")), new Lost({ who: "sulking" }))
      assert.deepStrictEqual(
        heard.map(({ speaker }) => speaker),
        ["a", "sulking"]
      )
    })
  )

  it("needs debaters and rounds", () => {
    const make = (names: ReadonlyArray<string>, rounds: number) =>
      Debate.make("debate", { debaters: debaters(names).debaters, judge: () => "", rounds })
    assert.throws(() => make([], 1), `debate "debate" needs a debater`)
    for (const wrong of [0, 1.5, -1, Number.NaN, Infinity]) {
      assert.throws(() => make(["a"], wrong), `rounds of debate "debate" must be an integer from 1, got ${wrong}`)
    }
  })
})
