import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Verdict from "../../src/patterns/Verdict.ts"
import * as VerifyLoop from "../../src/patterns/verify-loop/VerifyLoop.ts"
import { BudgetExceeded } from "../../src/policies/Budget.ts"
import * as Budget from "../../src/policies/Budget.ts"

/** One round as the test wants it. */
interface Scripted {
  readonly candidate: number
  readonly verdict: Verdict.Verdict<string>
}
interface Asked {
  readonly candidate: number | undefined
  readonly feedback: string | undefined
}

/** Agents that play a script: the n-th attempt makes the n-th candidate, and the verifier knows its verdict. */
const scripted = (
  script: (round: number) => Scripted,
  takes: { attempt?: Duration.Input; verify?: Duration.Input } = {}
) => {
  const asked: Array<Asked> = []
  const verdicts: Array<Verdict.Verdict<string>> = []
  let active = 0
  let most = 0
  const working = <A>(duration: Duration.Input | undefined, value: A) =>
    Effect.suspend(() => {
      most = Math.max(most, ++active)
      return Effect.as(duration === undefined ? Effect.void : Effect.sleep(duration), value)
    }).pipe(Effect.ensuring(Effect.sync(() => active--)))
  const attempt = Agent.compose("writer", {
    run: (last: Asked) =>
      Effect.suspend(() => {
        asked.push(last)
        const { candidate, verdict } = script(asked.length)
        verdicts.push(verdict)
        return working(takes.attempt, { candidate, nth: asked.length })
      })
  })
  const verify = Agent.compose("critic", {
    run: ({ nth }: { readonly candidate: number; readonly nth: number }) =>
      Effect.suspend(() => working(takes.verify, verdicts[nth - 1]!))
  })
  type Draft = { readonly candidate: number; readonly nth: number }
  return {
    asked,
    active: () => active,
    most: () => most,
    loop: (
      options: Pick<
        VerifyLoop.Options<{}, Asked, Draft, never, never, Draft, string, never, never>,
        "strategy" | "limits" | "unchanged"
      > = {}
    ) =>
      VerifyLoop.make("loop", {
        attempt: {
          agent: attempt,
          input: (_: {}, last) => ({ candidate: last?.candidate.candidate, feedback: last?.feedback })
        },
        verify: { agent: verify, input: (draft) => draft },
        // Candidates carry their number, so equality of their content is asked for.
        unchanged: (before, latest) =>
          before.candidate.candidate === latest.candidate.candidate ||
          (before.verdict.score !== undefined && before.verdict.score === latest.verdict.score),
        ...options
      })
  }
}

const { accepted, rejected } = Verdict
const no = (candidate: number, score?: number): Scripted => ({
  candidate,
  verdict: rejected(`not ${candidate}`, score)
})
const yes = (candidate: number, score?: number): Scripted => ({ candidate, verdict: accepted(score) })
/** The rounds given, and from then on rejections. */
const rounds =
  (...script: ReadonlyArray<Scripted>) =>
  (round: number) =>
    script[round - 1] ?? no(1000 + round)

type Failed = VerifyLoop.NotAccepted<{ readonly candidate: number }, string>
const ending = (error: Failed) => [error.reason._tag, error.rounds.map(({ candidate }) => candidate.candidate)]
/** Time passes until the fiber is done. */
const pass = <A, E>(fiber: Fiber.Fiber<A, E>, step: Duration.Input) =>
  Effect.gen(function* () {
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(step)
    return yield* Fiber.join(fiber)
  })
const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })
const childrenOf = (fiber: Fiber.Fiber<unknown, unknown>): number =>
  (fiber as unknown as { _children?: Set<unknown> })._children?.size ?? 0

describe("answers", () => {
  it.effect("K1: answers with the candidate that was accepted", () =>
    Effect.gen(function* () {
      const { asked, loop } = scripted(rounds(no(1), no(2), yes(3)))
      assert.strictEqual((yield* loop().run({})).candidate, 3)
      assert.strictEqual(asked.length, 3)
    })
  )

  it.effect("K1: the best of n: accepted before rejected, then the score, then the earlier", () =>
    Effect.gen(function* () {
      const best = (...script: ReadonlyArray<Scripted>) =>
        Effect.map(
          scripted(rounds(...script))
            .loop({ strategy: VerifyLoop.bestOf(script.length) })
            .run({}),
          ({ candidate }) => candidate
        )
      assert.strictEqual(yield* best(no(1, 0.5), no(2, 0.9), no(3, 0.7)), 2)
      assert.strictEqual(yield* best(no(1, 0.9), yes(2, 0.1), no(3, 1)), 2)
      assert.strictEqual(yield* best(yes(1, 0.4), yes(2, 0.6), yes(3, 0.6)), 2)
      assert.strictEqual(yield* best(no(1), no(2), no(3, -1)), 3)
      assert.strictEqual(yield* best(no(1, Number.NaN), no(2, -5)), 2)
      assert.strictEqual(yield* best(no(1), no(2)), 1)
    })
  )

  it.effect("K1: an answer with a round that does not exist is a bug", () =>
    Effect.gen(function* () {
      const { loop } = scripted(rounds())
      const exit = yield* Effect.exit(
        loop({ strategy: { name: "wrong", decide: () => ({ _tag: "Answer", round: 7 }) } }).run({})
      )
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )

  it.effect("K2: feedback and candidate go into the next attempt, nothing into the first", () =>
    Effect.gen(function* () {
      const { asked, loop } = scripted(rounds(no(1), no(2), yes(3)))
      yield* loop().run({})
      assert.deepStrictEqual(asked, [
        { candidate: undefined, feedback: undefined },
        { candidate: 1, feedback: "not 1" },
        { candidate: 2, feedback: "not 2" }
      ])
    })
  )

  it.effect("K2: a strategy may say something else instead", () =>
    Effect.gen(function* () {
      const { asked, loop } = scripted(rounds(no(1), yes(2), yes(3)))
      const strategy: VerifyLoop.Strategy<unknown, unknown, string> = {
        name: "twice",
        decide: (history) =>
          history.length < 2
            ? VerifyLoop.retry("shorter")
            : history.length < 3
              ? VerifyLoop.continue
              : VerifyLoop.answer(history[2]!)
      }
      yield* loop({ strategy }).run({})
      assert.deepStrictEqual(asked.slice(1), [
        { candidate: 1, feedback: "shorter" },
        { candidate: 2, feedback: undefined }
      ])
    })
  )

  it.effect("K2: a wave knows of the best of the wave before", () =>
    Effect.gen(function* () {
      const { asked, loop, most } = scripted(rounds(no(1, 0.8), no(2, 0.2), no(3, 0.5), no(4, 0.6)), {
        attempt: "1 second"
      })
      const run = loop({ strategy: VerifyLoop.bestOf(4, { atOnce: 2 }) }).run({})
      assert.strictEqual((yield* pass(yield* start(run), "1 second")).candidate, 1)
      assert.deepStrictEqual(asked, [
        { candidate: undefined, feedback: undefined },
        { candidate: undefined, feedback: undefined },
        { candidate: 1, feedback: "not 1" },
        { candidate: 1, feedback: "not 1" }
      ])
      assert.strictEqual(most(), 2)
    })
  )
})

describe("limits", () => {
  it.effect("K3: rounds are limited, by default to 10", () =>
    Effect.gen(function* () {
      const { asked, loop } = scripted(rounds())
      const error = yield* Effect.flip(loop().run({}))
      assert.deepStrictEqual(error.reason, { _tag: "RoundsExhausted", limit: 10 })
      assert.strictEqual(asked.length, 10)
      assert.strictEqual(error.rounds.length, 10)
      assert.strictEqual(
        error.message,
        'Loop "loop" ended without an answer after 10 rounds: all 10 rounds are used up.'
      )
      const few = scripted(rounds(no(1), no(2), yes(3)))
      assert.deepStrictEqual(ending(yield* Effect.flip(few.loop({ limits: { rounds: 2 } }).run({}))), [
        "RoundsExhausted",
        [1, 2]
      ])
      assert.strictEqual(few.asked.length, 2)
    })
  )

  it.effect("K3: attempts at once are as many as the strategy asks for, and never beyond the rounds", () =>
    Effect.gen(function* () {
      const all = scripted(rounds(no(1, 1), no(2, 3), no(3, 2)), { attempt: "1 second", verify: "1 second" })
      const run = all.loop({ strategy: VerifyLoop.bestOf(12, { atOnce: "unbounded" }) }).run({})
      yield* pass(yield* start(run), "1 second")
      assert.strictEqual(all.most(), 12)
      const wide = scripted(rounds(), { attempt: "1 second" })
      const limited = wide
        .loop({ strategy: { name: "wide", decide: () => VerifyLoop.continue, width: () => 4 }, limits: { rounds: 6 } })
        .run({})
      const error = yield* pass(yield* start(Effect.flip(limited)), "1 second")
      assert.strictEqual(error.rounds.length, 6)
      assert.deepStrictEqual(
        error.rounds.map(({ number }) => number),
        [1, 2, 3, 4, 5, 6]
      )
      assert.strictEqual(wide.most(), 4)
    })
  )

  it.effect("K4: rounds that bring nothing new are counted in a row", () =>
    Effect.gen(function* () {
      const stalls = (...script: ReadonlyArray<Scripted>) =>
        Effect.map(
          Effect.flip(
            scripted(rounds(...script))
              .loop({ limits: { stalls: 2, rounds: 8 } })
              .run({})
          ),
          ending
        )
      assert.deepStrictEqual(yield* stalls(no(1), no(1), no(1), yes(2)), ["Stalled", [1, 1, 1]])
      assert.deepStrictEqual(yield* stalls(no(1), no(1), no(2), no(2), no(2)), ["Stalled", [1, 1, 2, 2, 2]])
      assert.deepStrictEqual(yield* stalls(no(1, 0.5), no(2, 0.5), no(3, 0.5)), ["Stalled", [1, 2, 3]])
    })
  )

  it.effect("K4: by default, equal candidates are the same", () =>
    Effect.gen(function* () {
      const writer = Agent.compose("writer", { run: (_: {}) => Effect.sync(() => ({ lines: ["a", "b"] })) })
      const critic = Agent.compose("critic", { run: (_: {}) => Effect.succeed(rejected("no")) })
      const loop = VerifyLoop.make("loop", {
        attempt: { agent: writer, input: (_: {}) => ({}) },
        verify: { agent: critic, input: () => ({}) },
        limits: { stalls: 3 }
      })
      const error = yield* Effect.flip(loop.run({}))
      assert.deepStrictEqual(error.reason, { _tag: "Stalled", limit: 3 })
      assert.strictEqual(error.rounds.length, 4)
    })
  )

  it.effect("K5: when the time is up, what is under way is interrupted", () =>
    Effect.gen(function* () {
      const { active, asked, loop } = scripted(rounds(no(1, 3), no(2, 5)), { attempt: "4 seconds" })
      const fiber = yield* start(Effect.flip(loop({ limits: { time: "10 seconds" } }).run({})))
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(active(), 1)
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(active(), 0)
      assert.deepStrictEqual(ending(error), ["TimeExceeded", [1, 2]])
      assert.strictEqual(error.best?.candidate.candidate, 2)
      assert.strictEqual(asked.length, 3)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(asked.length, 3)
      assert.strictEqual(error.message, 'Loop "loop" ended without an answer after 2 rounds: 10s have passed.')
    })
  )

  it.effect("K5: of a wave, those that have a verdict by then are kept, with their numbers", () =>
    Effect.gen(function* () {
      const times = ["8 seconds", "30 seconds", "2 seconds"] as const
      let nth = 0
      const writer = Agent.compose("writer", {
        run: (_: {}) => Effect.suspend(() => ((nth) => Effect.as(Effect.sleep(times[nth]!), nth))(nth++))
      })
      const critic = Agent.compose("critic", {
        run: ({ nth }: { readonly nth: number }) => Effect.succeed(rejected("no", nth))
      })
      const loop = VerifyLoop.make("loop", {
        attempt: { agent: writer, input: (_: {}) => ({}) },
        verify: { agent: critic, input: (nth) => ({ nth }) },
        strategy: VerifyLoop.bestOf(3, { atOnce: "unbounded" }),
        limits: { time: "10 seconds" }
      })
      const fiber = yield* start(Effect.flip(loop.run({})))
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        error.rounds.map(({ number }) => number),
        [1, 3]
      )
      assert.strictEqual(error.best?.number, 3)
    })
  )

  it.effect("K5: a loop that ends before leaves no timer behind", () =>
    Effect.gen(function* () {
      const { loop } = scripted(rounds(yes(1)))
      yield* loop({ limits: { time: "10 seconds" } }).run({})
      const here = yield* Effect.withFiber((fiber) => Effect.succeed(fiber))
      assert.strictEqual(childrenOf(here), 0)
    })
  )
})

describe("endings", () => {
  it.effect("K6: a strategy may give up", () =>
    Effect.gen(function* () {
      const { loop } = scripted(rounds(no(1), no(2)))
      const strategy: VerifyLoop.Strategy<unknown, unknown, never> = {
        name: "short of patience",
        decide: (history) => (history.length < 2 ? VerifyLoop.continue : VerifyLoop.stop)
      }
      const error = yield* Effect.flip(loop({ strategy }).run({}))
      assert.deepStrictEqual(error.reason, { _tag: "Stopped", strategy: "short of patience" })
      assert.deepStrictEqual(ending(error)[1], [1, 2])
    })
  )

  it.effect("K6: the error survives JSON as it is, for each reason", () =>
    Effect.sync(() => {
      const schema = Schema.toCodecJson(
        VerifyLoop.NotAccepted.schema({ text: Schema.String, at: Schema.DateFromString }, Schema.Array(Schema.String))
      )
      const reasons: ReadonlyArray<typeof VerifyLoop.Reason.Type> = [
        { _tag: "RoundsExhausted", limit: 3 },
        { _tag: "Stalled", limit: 3 },
        { _tag: "TimeExceeded", limit: Duration.minutes(3) },
        { _tag: "Stopped", strategy: "x" },
        new BudgetExceeded({ budget: "b", resource: "tokens", limit: 1, used: 1, requested: 1 })
      ]
      const at = new Date(0)
      for (const reason of reasons) {
        const error = new VerifyLoop.NotAccepted({
          loop: "loop",
          reason,
          rounds: [
            { number: 1, candidate: { text: "a", at }, verdict: rejected(["x"], 1) },
            { number: 3, candidate: { text: "b", at }, verdict: accepted() }
          ]
        })
        const json = JSON.parse(JSON.stringify(Schema.encodeSync(schema)(error)))
        const back = Schema.decodeUnknownSync(schema)(json)
        assert.instanceOf(back, VerifyLoop.NotAccepted)
        assert.deepStrictEqual(back.rounds, error.rounds)
        assert.deepStrictEqual(JSON.stringify(back.reason), JSON.stringify(error.reason))
        assert.strictEqual(back.message, error.message)
        assert.strictEqual(back.best?.number, 3)
        assert.include(back.message, "after 2 rounds: ")
      }
    })
  )

  it.effect("K6: one reason can be caught by itself", () =>
    Effect.gen(function* () {
      const { loop } = scripted(rounds())
      const caught = loop()
        .run({})
        .pipe(Effect.catchReason("NotAccepted", "RoundsExhausted", ({ limit }) => Effect.succeed({ candidate: limit })))
      assert.strictEqual((yield* caught).candidate, 10)
    })
  )

  const Try = Task.make("Try", { input: {}, output: Schema.Int })
  it.effect("K7: the end of a budget is a reason", () =>
    Effect.gen(function* () {
      const critic = Agent.compose("critic", { run: (_: {}) => Effect.succeed(rejected("no")) })
      let candidate = 0
      const writer = Agent.make("writer", { task: Try, run: () => Effect.sync(() => ++candidate) }).pipe(Budget.turn)
      const loop = VerifyLoop.make("loop", {
        attempt: { agent: writer, input: (_: {}) => ({}) },
        verify: { agent: critic, input: () => ({}) }
      })
      const error = yield* loop.run({}).pipe(Budget.within("small", { turns: 3 }), Effect.flip)
      assert.strictEqual(error._tag, "NotAccepted")
      if (error._tag !== "NotAccepted") return
      assert.strictEqual(error.reason._tag, "BudgetExceeded")
      assert.deepStrictEqual(
        error.rounds.map((round) => round.candidate),
        [1, 2, 3]
      )
    })
  )

  class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}
  it.effect("K7: any other failure is that of the loop, and interrupts the rest of the wave", () =>
    Effect.gen(function* () {
      let active = 0
      let calls = 0
      const writer = Agent.compose("writer", {
        run: (_: {}) =>
          Effect.suspend(() => {
            active++
            return ++calls === 3 ? Effect.fail(new Broken()) : Effect.never
          }).pipe(Effect.ensuring(Effect.sync(() => active--)))
      })
      const critic = Agent.compose("critic", { run: (_: {}) => Effect.succeed(rejected("no")) })
      const loop = VerifyLoop.make("loop", {
        attempt: { agent: writer, input: (_: {}) => ({}) },
        verify: { agent: critic, input: () => ({}) },
        strategy: VerifyLoop.bestOf(4, { atOnce: "unbounded" })
      })
      assert.strictEqual((yield* Effect.flip(loop.run({})))._tag, "Broken")
      assert.strictEqual(active, 0)
    })
  )

  it.effect("K8: an answer comes before a stall, a stall before the end of the rounds", () =>
    Effect.gen(function* () {
      const both = { limits: { rounds: 3, stalls: 2 } }
      const same = rounds(no(1), no(1), no(1))
      assert.deepStrictEqual(ending(yield* Effect.flip(scripted(same).loop(both).run({})))[0], "Stalled")
      const answered = scripted(rounds(no(1), no(1), yes(1))).loop(both)
      assert.strictEqual((yield* answered.run({})).candidate, 1)
      const stopped = scripted(same).loop({
        ...both,
        strategy: {
          name: "stops",
          decide: (history) => (history.length < 3 ? VerifyLoop.continue : VerifyLoop.stop)
        }
      })
      assert.deepStrictEqual(ending(yield* Effect.flip(stopped.run({})))[0], "Stopped")
    })
  )
})

describe("options that cannot be", () => {
  const { loop } = scripted(rounds())
  const cases: ReadonlyArray<readonly [string, () => unknown, RegExp]> = [
    ["rounds", () => loop({ limits: { rounds: 0 } }), /limits\.rounds must be an integer from 1, got 0/],
    ["stalls", () => loop({ limits: { stalls: 1.5 } }), /limits\.stalls must be an integer from 1, got 1\.5/],
    ["time", () => loop({ limits: { time: 0 } }), /limits\.time must be positive and finite, got 0/],
    ["best of nothing", () => VerifyLoop.bestOf(0), /rounds of bestOf must be an integer from 1, got 0/],
    ["nothing at once", () => VerifyLoop.bestOf(2, { atOnce: 0 }), /atOnce of bestOf/],
    ["no patience", () => VerifyLoop.plateau({ rounds: 0 }), /rounds of plateau/],
    ["epsilon", () => VerifyLoop.plateau({ rounds: 1, epsilon: -1 }), /epsilon of plateau .* got -1/],
    [
      "fewer rounds than needed",
      () => loop({ strategy: VerifyLoop.bestOf(5), limits: { rounds: 4 } }),
      /strategy "best of 5" needs 5 rounds, but limits\.rounds is 4/
    ]
  ]
  for (const [name, make, message] of cases) it(name, () => assert.throws(make, message))
})

// ------------------------------------------------------------------ against a model

const Step = Schema.Struct({
  candidate: Schema.Literals([1, 2, 3]),
  accepted: Schema.Literals([false, false, false, true]),
  score: Schema.UndefinedOr(Schema.Literals([0, 0.1, 0.25, 0.5, 0.6]))
})
const Plan = Schema.Struct({
  script: Schema.Array(Step).check(Schema.isMinLength(8), Schema.isMaxLength(8)),
  strategy: Schema.Literals(["accepted", "best", "waves", "plateau", "custom"]),
  n: Schema.Literals([1, 2, 3, 4, 6]),
  epsilon: Schema.Literals([0, 0.1, 0.3]),
  rounds: Schema.Literals([6, 7, 8]),
  stalls: Schema.UndefinedOr(Schema.Literals([1, 2, 3]))
})
type Plan = typeof Plan.Type

const strategyOf = ({ epsilon, n, strategy }: Plan): VerifyLoop.Strategy<unknown, unknown, string> => {
  switch (strategy) {
    case "accepted":
      return VerifyLoop.untilAccepted
    case "best":
      return VerifyLoop.bestOf(n)
    case "waves":
      return VerifyLoop.bestOf(n, { atOnce: 2 })
    case "plateau":
      return VerifyLoop.plateau({ rounds: n, epsilon })
    case "custom":
      return {
        name: "custom",
        decide: (history) => {
          const last = history.at(-1)!
          if (last.verdict._tag === "Accepted") return history.length < n ? VerifyLoop.stop : VerifyLoop.answer(last)
          return history.length % 2 === 0 ? VerifyLoop.retry("again") : VerifyLoop.continue
        }
      }
  }
}

type Played = Plan["script"][number]
const better = (a: Played, b: Played) =>
  a.accepted !== b.accepted ? a.accepted : (a.score ?? -Infinity) > (b.score ?? -Infinity)
const bestIndex = (script: ReadonlyArray<Played>) => {
  let best = 0
  for (let index = 1; index < script.length; index++) if (better(script[index]!, script[best]!)) best = index
  return best
}

/** What must come of it, told without a loop: index of the answer, or the reason and the number of rounds. */
const model = ({ epsilon, n, rounds, script, stalls, strategy }: Plan): readonly [string, number] => {
  const heads: Array<Played> = []
  for (let done = 0; ;) {
    const width = strategy === "waves" ? Math.min(2, n - done) : 1
    const wave = script.slice(done, done + width)
    heads.push(wave[bestIndex(wave)]!)
    done += width
    const tried = script.slice(0, done)
    const last = tried.at(-1)!
    if (strategy === "accepted" && last.accepted) return ["Answer", done - 1]
    if ((strategy === "best" || strategy === "waves") && done >= n) return ["Answer", bestIndex(tried)]
    if (strategy === "custom" && last.accepted) return done < n ? ["Stopped", done] : ["Answer", done - 1]
    if (strategy === "plateau") {
      let high = -Infinity
      let grewAt = 0
      tried.forEach(({ score = -Infinity }, index) => {
        if (score > high && score - high >= epsilon) {
          high = score
          grewAt = index + 1
        }
      })
      if (last.accepted || done - grewAt >= n) return ["Answer", bestIndex(tried)]
    }
    let stalled = 0
    for (let index = heads.length - 1; index > 0; index--) {
      const [before, latest] = [heads[index - 1]!, heads[index]!]
      const same =
        before.candidate === latest.candidate || (before.score !== undefined && before.score === latest.score)
      if (!same) break
      stalled++
    }
    if (stalls !== undefined && stalled >= stalls) return ["Stalled", done]
    if (done >= rounds) return ["RoundsExhausted", done]
  }
}

describe("random verdicts", () => {
  it.effect.prop(
    "K1 K3 K4 K6 K8: every strategy under every limit does what the model says",
    { plan: Plan },
    ({ plan }) =>
      Effect.gen(function* () {
        const played = (round: number): Scripted => {
          const { accepted, candidate, score } = plan.script[round - 1]!
          return accepted ? yes(candidate, score) : no(candidate, score)
        }
        const { asked, loop } = scripted(played)
        const exit = yield* Effect.exit(
          loop({
            strategy: strategyOf(plan),
            limits: { rounds: plan.rounds, ...(plan.stalls === undefined ? {} : { stalls: plan.stalls }) }
          }).run({})
        )
        const [end, count] = model(plan)
        if (Exit.isSuccess(exit)) {
          assert.deepStrictEqual(["Answer", exit.value.nth - 1], [end, count])
        } else {
          const error = Cause.squash(exit.cause) as Failed
          assert.deepStrictEqual([error.reason._tag, error.rounds.length], [end, count])
          assert.strictEqual(asked.length, count)
        }
      }),
    { arbitrary: { runs: 500 } }
  )

  it.effect("K5 K7: interrupted, or out of time, at any moment: nothing is left running", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 60; seed++) {
        const plan = {
          attempt: `${100 + ((seed * 37) % 400)} millis`,
          verify: `${50 + ((seed * 53) % 300)} millis`
        } as const
        const { active, asked, loop } = scripted(
          (round) => (round < 6 + (seed % 3) ? no(round) : yes(round)),
          plan as never
        )
        const run = loop({
          limits: { time: `${400 + seed * 60} millis`, rounds: 8 },
          ...(seed % 2 === 0 ? {} : { strategy: VerifyLoop.bestOf(8, { atOnce: 3 }) })
        }).run({})
        const fiber = yield* start(run)
        yield* TestClock.adjust((seed * 97) % 2_500)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(active(), 0)
        assert.strictEqual(childrenOf(fiber), 0)
        const before = asked.length
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(asked.length, before)
      }
    })
  )
})
