/** M5, M6 and M8 in runs: programs under budgets end alike everywhere, and after a crash at every mutation. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Schema } from "effect"
import { TestClock } from "effect/testing"
import {
  Agent,
  Budget,
  ContractViolation,
  Directive,
  Retry,
  Saga,
  Step,
  Supervisor,
  Task,
  Timer
} from "../../src/index.ts"
import * as Interceptor from "../../src/core/Interceptor.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Refused } from "../durable/program.ts"
import { heldRun } from "./heldRun.ts"

const { BudgetExceeded } = Budget

/** How a call under a budget ended: its answer, or what was not there. */
const told = <E extends { readonly _tag: string }, R>(effect: Effect.Effect<string, E, R>) =>
  Effect.match(effect, {
    onSuccess: (answer) => answer,
    onFailure: (error) => (error instanceof BudgetExceeded ? `no ${error.resource} of ${error.budget}` : error._tag)
  })

everywhere(
  define(
    "one after the other, until nothing is left",
    ({ agent }) => {
      const ask = agent("ask").pipe(
        Budget.charge({ reserve: { tokens: 1 }, settle: (answer) => ({ tokens: answer.length }) })
      )
      return Effect.gen(function* () {
        const first = yield* told(ask.run({ text: "abc" }))
        const second = yield* told(ask.run({ text: "de" }))
        // 8 + 7 of 12: one more than there was, and then nothing.
        const third = yield* told(ask.run({ text: "f" }))
        return [first, second, third, yield* Budget.remaining("tokens")]
      }).pipe(Budget.within("small", { tokens: 12 }))
    },
    {
      expected: Exit.succeed(["ask(abc)", "ask(de)", "no tokens of small", 0]),
      effects: ["ask abc", "ask de"],
      error: BudgetExceeded
    }
  )
)

everywhere(
  define(
    "branches at once share a budget, and what fails is given back",
    ({ agent }) => {
      const charge = Budget.charge({ reserve: { calls: 1 } })
      const slow = agent("slow", { takes: "2 seconds" }).pipe(charge)
      const broken = agent("broken", { takes: "1 second", fails: true }).pipe(charge)
      return Effect.gen(function* () {
        const answers = yield* Step.forEach(
          [0, 1, 2, 3, 4, 5],
          (n) => told(n % 3 === 2 ? broken.run({ text: `${n}` }) : slow.run({ text: `${n}` })),
          { concurrency: "unbounded" }
        )
        const granted = answers.filter((answer) => answer !== "no calls of shared")
        const spent = answers.filter((answer) => answer.startsWith("slow")).length
        const left = yield* Budget.remaining("calls")
        // Who comes first gets a place: that may differ, how many there are may not.
        return [granted.length, left === 3 - spent, (yield* Budget.usage).length]
      }).pipe(Budget.within("shared", { calls: 3 }))
    },
    { expected: Exit.succeed([3, true, 1]), effects: [], error: BudgetExceeded }
  )
)

everywhere(
  define(
    "a budget in a budget, around agents of agents",
    ({ agent }) => {
      const ask = agent("ask").pipe(Budget.turn)
      const research = Agent.compose("research", {
        run: ({ text }: { readonly text: string }) =>
          Effect.map(
            Effect.all([told(ask.run({ text })), told(ask.run({ text })), told(ask.run({ text }))]),
            (answers) => answers.join(" ")
          )
      }).pipe(Budget.within("each", { turns: 2 }))
      return Effect.all([research.run({ text: "a" }), research.run({ text: "b" }), Budget.remaining("turns")]).pipe(
        Budget.within("all", { turns: 3 })
      )
    },
    {
      expected: Exit.succeed(["ask(a) ask(a) no turns of each", "ask(b) no turns of all no turns of all", 0]),
      effects: ["ask a", "ask a", "ask b"],
      error: BudgetExceeded
    }
  )
)

everywhere(
  define(
    "a reservation of the loser of a race is given back",
    ({ agent }) => {
      const call = Budget.charge({ reserve: { calls: 1 } })
      const never = agent("never", { takes: "300 days" }).pipe(call)
      const quick = agent("quick", { takes: "1 second" }).pipe(call)
      return Effect.gen(function* () {
        const won = yield* Step.race({ never: told(never.run({ text: "a" })), quick: told(quick.run({ text: "b" })) })
        const then = yield* told(quick.run({ text: "c" }))
        return [won, then, yield* Budget.remaining("calls")]
      }).pipe(Budget.within("pair", { calls: 2 }))
    },
    {
      expected: Exit.succeed(["quick(b)", "quick(c)", 0]),
      effects: ["quick b", "quick c"],
      error: BudgetExceeded
    }
  )
)

everywhere(
  define(
    "time is up in the middle",
    ({ agent }) => {
      const step = agent("step", { takes: "40 minutes" })
      const work = Effect.gen(function* () {
        yield* step.run({ text: "a" })
        yield* Timer.sleep("10 minutes")
        yield* step.run({ text: "b" })
        return "done"
      })
      return Effect.gen(function* () {
        const short = yield* told(
          work.pipe(Budget.within("hour", { time: "1 hour" }), Budget.within("day", { time: "1 day" }))
        )
        const long = yield* told(step.pipe(Budget.within("day", { time: "1 day" })).run({ text: "c" }))
        return [short, long]
      })
    },
    { expected: Exit.succeed(["no time of hour", "step(c)"]), effects: ["step a", "step c"], error: BudgetExceeded }
  )
)

everywhere(
  define(
    "a team under a budget: a worker that fails has cost a turn, and what was done is undone for nothing",
    ({ agent }) => {
      const team = Supervisor.make("team", {
        agents: [agent("broken", { fails: true }).pipe(Budget.turn), agent("works").pipe(Budget.turn)],
        onFailure: { Refused: Directive.reroute, BudgetExceeded: Directive.escalate }
      })
      const undo = agent("undo").pipe(Budget.turn, Budget.exempt)
      return Effect.gen(function* () {
        const first = yield* told(team.run({ text: "a" }))
        const booked = team.run({ text: "b" }).pipe(Saga.undo((answer) => undo.run({ text: answer })))
        const second = yield* told(Effect.andThen(booked, team.run({ text: "c" })).pipe(Saga.transaction("booking")))
        return [first, second, yield* Budget.remaining("turns")]
      }).pipe(Budget.within("job", { turns: 4 }))
    },
    {
      expected: Exit.succeed(["works(a)", "no turns of job", 0]),
      effects: ["undo works(b)", "works a", "works b"],
      error: BudgetExceeded
    }
  )
)

const Spend = Task.make("Spend", {
  input: { tokens: Schema.Int },
  output: Schema.Union([Schema.Struct({ tokens: Schema.Int }), Schema.String]),
  error: Refused
})

/** Spends in its own body, once per attempt. It answers with an object or a string, or refuses, as its name says. */
const spender = (name: "object" | "text" | "refusal", from = 1) =>
  Agent.make(name, {
    task: Spend,
    errors: BudgetExceeded,
    run: ({ tokens }, { attempt }) =>
      Effect.suspend(() => {
        if (name === "refusal" || attempt < from) return Effect.fail(new Refused({ what: `attempt ${attempt}` }))
        return Effect.succeed(name === "object" ? { tokens } : "spent")
      }).pipe(Budget.charge({ reserve: { tokens }, settleFailure: () => ({ tokens }) }))
  })

const retried = spender("object", 3).pipe(Retry.upTo({ attempts: 3, base: "1 minute" }))

const left = Effect.map(Budget.remaining("tokens"), String)

const inBodies = (hold: Effect.Effect<unknown, any> = Effect.void) =>
  Effect.gen(function* () {
    yield* spender("object").run({ tokens: 1 })
    yield* spender("text").run({ tokens: 10 })
    yield* Effect.flip(spender("refusal").run({ tokens: 100 }))
    yield* retried.run({ tokens: 1000 })
    const inner = yield* left.pipe(
      Effect.ensuring(Effect.ignore(spender("text").run({ tokens: 10_000 }))),
      Budget.within("inner", { tokens: 50_000 })
    )
    yield* Budget.exempt(spender("text").run({ tokens: 500 }))
    const apart = yield* spender("object")
      .run({ tokens: 3 })
      .pipe(Effect.andThen(left), Budget.within("apart", { tokens: 10 }), Budget.exempt)
    yield* hold
    return [inner, apart, yield* left]
  }).pipe(Budget.within("outer", { tokens: 100_000 }))

everywhere(
  define("M8: agents that spend in their bodies", () => inBodies(), {
    expected: Exit.succeed(["50000", "7", "86889"]),
    effects: [],
    error: Schema.Union([BudgetExceeded, ContractViolation])
  })
)

everywhere(
  define(
    "M2, M8: branches at once that spend in their bodies, until nothing is left",
    () =>
      Effect.gen(function* () {
        const answers = yield* Step.forEach(
          [1, 2, 3, 4],
          () => told(Effect.as(spender("text").run({ tokens: 3 }), "ok")),
          {
            concurrency: "unbounded"
          }
        )
        return [answers.filter((answer) => answer === "ok").length, yield* left]
      }).pipe(Budget.within("small", { tokens: 7 })),
    { expected: Exit.succeed([2, "1"]), effects: [], error: BudgetExceeded }
  )
)

const Ask = Task.make("Ask", { input: {}, output: { tokens: Schema.Int } })

/** Says what three calls of four tokens each came to, before and after the run was held. */
const three = (limit: number, log: Array<string>) => (hold: Effect.Effect<void>) => {
  const ask = Agent.make("ask", {
    task: Ask,
    run: () => Effect.sync(() => ({ tokens: log.push("asked") && 4 }))
  }).pipe(
    Budget.charge({ reserve: { tokens: 1 }, settle: ({ tokens }) => ({ tokens }) }),
    Agent.mapOutput(() => "answered")
  )
  return Effect.gen(function* () {
    const before = [yield* told(ask.run({})), yield* told(ask.run({}))]
    yield* hold
    return [...before, yield* told(ask.run({})), `${yield* Budget.remaining("tokens")} left`]
  }).pipe(Budget.within("small", { tokens: limit }), Effect.orDie)
}

describe("M5: in two processes", () => {
  it.effect(
    "M5: a replay refuses what was refused, although there is more by then, and goes on with what is left",
    () =>
      Effect.gen(function* () {
        const { events, finish, untilHeld } = yield* heldRun
        const log: Array<string> = []
        yield* untilHeld(three(4, log))
        assert.deepStrictEqual(yield* finish(three(9, log)), ["answered", "no tokens of small", "answered", "1 left"])
        assert.strictEqual(log.length, 2)
        assert.deepStrictEqual(
          (yield* events(three(9, log))).filter((event) => event.includes("small/")),
          [
            "StepCompleted small/charge",
            "StepCompleted small/ask",
            "StepCompleted small/charge#2",
            "BudgetExhausted small/~BudgetExhausted",
            "StepCompleted small/hold",
            "StepCompleted small/charge#3",
            "StepCompleted small/ask#2",
            "StepCompleted small/usage"
          ]
        )
      })
  )

  it.effect("M5: a replay grants what was granted, although there is less by then, and counts it", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const log: Array<string> = []
      yield* untilHeld(three(100, log))
      assert.deepStrictEqual(yield* finish(three(2, log)), ["answered", "answered", "no tokens of small", "0 left"])
      assert.strictEqual(log.length, 2)
    })
  )
})

describe("M8: in two processes", () => {
  it.effect("M8: what bodies have spent is spent after a crash: with objects, other values, errors and attempts", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const body = (hold: Effect.Effect<void>) => Effect.orDie(inBodies(hold))
      const held = yield* Effect.forkChild(untilHeld(body))
      while (held.pollUnsafe() === undefined) yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* finish(body), ["50000", "7", "86889"])
    })
  )
})

describe("M8: beside other interceptors", () => {
  it.effect("who is asked at each call outside a budget is asked within it, too", () =>
    Effect.gen(function* () {
      const { finish } = yield* heldRun
      const asked: Array<string> = []
      const witness: Interceptor.Intercept = (call, proceed) =>
        Effect.suspend(() => {
          asked.push(call.agent)
          return proceed(call.input)
        })
      const team = Agent.compose("team", { run: (_: {}) => spender("text").run({ tokens: 4 }) })
      const body = () =>
        Effect.andThen(team.run({}), left).pipe(
          Budget.within("small", { tokens: 9 }),
          Effect.provideService(Interceptor.Interceptor, witness),
          Effect.map((left) => [left]),
          Effect.orDie
        )
      assert.deepStrictEqual(yield* finish(body), ["5"])
      assert.deepStrictEqual(asked, ["team", "text"])
    })
  )
})

describe("metered", () => {
  it.effect("a replay tells what it has cost as it was told, also of a loser that left no outcome", () =>
    Effect.gen(function* () {
      const { finish, untilHeld } = yield* heldRun
      const body = (hold: Effect.Effect<void>) =>
        Effect.gen(function* () {
          const spent = yield* Deferred.make<void>()
          const loser = Agent.make("loser", {
            task: Task.make("Lose", { input: {}, output: {} }),
            errors: BudgetExceeded,
            run: () =>
              Effect.void.pipe(
                Budget.charge({ reserve: { tokens: 5 } }),
                Effect.andThen(Deferred.succeed(spent, undefined)),
                Effect.andThen(Effect.never)
              )
          })
          const winner = Step.run("winner", { output: Schema.Void, run: () => Deferred.await(spent) })
          const { spent: told } = yield* Budget.metered(Step.race({ loser: loser.run({}), winner }))
          yield* hold
          return [JSON.stringify(told)]
        }).pipe(Effect.orDie)
      yield* untilHeld(body)
      assert.deepStrictEqual(yield* finish(body), ['{"tokens":5}'])
    })
  )
})
