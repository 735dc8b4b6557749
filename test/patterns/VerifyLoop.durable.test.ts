/** K6, K9 and K10 in runs: whatever happens to the process, a loop takes the same rounds and ends the same way. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schema, Stream } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import * as Agent from "../../src/core/Agent.ts"
import * as Run from "../../src/core/Run.ts"
import * as Task from "../../src/core/Task.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import type { StoredEvent, StreamId } from "../../src/event-store/Envelope.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import type { RunHandle } from "../../src/durable/RunHandle.ts"
import * as Step from "../../src/durable/Step.ts"
import * as Timer from "../../src/durable/Timer.ts"
import * as Verdict from "../../src/patterns/Verdict.ts"
import * as VerifyLoop from "../../src/patterns/verify-loop/VerifyLoop.ts"
import * as Budget from "../../src/policies/Budget.ts"
import { CrashSweep } from "../../src/testing/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, Refused, type World } from "../durable/program.ts"

const Feedback = Schema.Struct({ add: Schema.String })
const NotAccepted = VerifyLoop.NotAccepted.schema(Schema.String, Feedback)

const Check = Task.make("Check", {
  input: { text: Schema.String },
  output: Verdict.schema(Feedback),
  error: Refused
})

type Takes = "10 minutes" | "10 days"

/** Accepts what is long enough, and scores by length. */
const critic = ({ act }: World, long: number, takes?: Takes) =>
  Agent.make("critic", {
    task: Check,
    run: ({ text }, { idempotencyKey }) =>
      Effect.gen(function* () {
        if (takes !== undefined) yield* Effect.sleep(takes)
        act(idempotencyKey, `critic ${text.length}`)
        return text.length >= long
          ? Verdict.accepted(text.length)
          : Verdict.rejected({ add: "x".repeat(text.length) }, text.length)
      })
  }).pipe(Agent.transform(Effect.catchTag("ContractViolation", Effect.die)))

/** Long texts take it longer than any limit, so that a crash, which costs time, decides nothing. */
const writer = (world: World) =>
  Agent.compose("author", {
    run: (input: { readonly text: string }) =>
      world.agent("writer", { takes: input.text.length < 50 ? "1 hour" : "10 days" }).run(input)
  })

const essay = (
  world: World,
  options: { readonly long: number; readonly verifyTakes?: Takes } & Pick<
    VerifyLoop.Options<string, any, string, any, any, any, { readonly add: string }, any, any>,
    "strategy" | "limits"
  >
) =>
  VerifyLoop.make("essay", {
    attempt: {
      agent: writer(world),
      input: (topic: string, last) => ({ text: last === undefined ? topic : `${last.candidate}${last.feedback?.add}` })
    },
    verify: { agent: critic(world, options.long, options.verifyTakes), input: (text) => ({ text }) },
    ...options
  })

const reasonOf = (run: Effect.Effect<string, VerifyLoop.NotAccepted<string, unknown> | Refused, any>) =>
  Effect.catchTag(run, "NotAccepted", (error) =>
    Effect.succeed(`${error.reason._tag} after ${error.rounds.length}, best ${error.best?.candidate.length}`)
  )

// "writer(a)" is 9 long; each round doubles and wraps it.
everywhere(
  define("accepted in the third round", (world) => essay(world, { long: 40 }).run("a"), {
    expected: Exit.succeed(`writer(writer(writer(a)${"x".repeat(9)})${"x".repeat(26)})`),
    effects: [
      "critic 26",
      "critic 60",
      "critic 9",
      "writer a",
      `writer writer(a)${"x".repeat(9)}`,
      `writer writer(writer(a)${"x".repeat(9)})${"x".repeat(26)}`
    ]
  })
)

everywhere(
  define(
    "exhausted, and its failure is that of the run",
    (world) => essay(world, { long: 100, limits: { rounds: 2 } }).run("a"),
    {
      error: NotAccepted,
      expected: Exit.fail(
        new VerifyLoop.NotAccepted({
          loop: "essay",
          reason: { _tag: "RoundsExhausted", limit: 2 },
          rounds: [
            { number: 1, candidate: "writer(a)", verdict: Verdict.rejected({ add: "x".repeat(9) }, 9) },
            {
              number: 2,
              candidate: `writer(writer(a)${"x".repeat(9)})`,
              verdict: Verdict.rejected({ add: "x".repeat(26) }, 26)
            }
          ]
        })
      ),
      effects: ["critic 26", "critic 9", "writer a", `writer writer(a)${"x".repeat(9)}`]
    }
  )
)

everywhere(
  define(
    "out of time in the middle of an attempt, then a step",
    (world) =>
      Effect.gen(function* () {
        const end = yield* reasonOf(
          essay(world, { long: 1000, verifyTakes: "10 minutes", limits: { time: "1 day" } }).run("a")
        )
        return yield* world.agent("after").run({ text: end })
      }),
    {
      expected: Exit.succeed("after(TimeExceeded after 2, best 26)"),
      effects: [
        "after TimeExceeded after 2, best 26",
        "critic 26",
        "critic 9",
        "writer a",
        `writer writer(a)${"x".repeat(9)}`
      ]
    }
  )
)

everywhere(
  define(
    "best of four, two at once",
    (world) => essay(world, { long: 20, strategy: VerifyLoop.bestOf(4, { atOnce: 2 }) }).run("a"),
    {
      expected: Exit.succeed(`writer(writer(a)${"x".repeat(9)})`),
      effects: [
        "critic 26",
        "critic 26",
        "critic 9",
        "critic 9",
        "writer a",
        "writer a",
        `writer writer(a)${"x".repeat(9)}`,
        `writer writer(a)${"x".repeat(9)}`
      ]
    }
  )
)

everywhere(
  define(
    "out of budget, then a step",
    (world) =>
      Effect.gen(function* () {
        const writer = world.agent("writer").pipe(Budget.turn)
        const loop = VerifyLoop.make("essay", {
          attempt: { agent: writer, input: (topic: string, last) => ({ text: `${topic}${last?.rounds.length ?? 0}` }) },
          verify: { agent: critic(world, 1000), input: (text) => ({ text }) }
        })
        const end = yield* reasonOf(
          loop.run("a").pipe(Budget.within("small", { turns: 2 }), Effect.catchTag("BudgetExceeded", Effect.die)) as any
        )
        return yield* world.agent("after").run({ text: end })
      }),
    {
      expected: Exit.succeed("after(BudgetExceeded after 2, best 10)"),
      effects: ["after BudgetExceeded after 2, best 10", "critic 10", "critic 10", "writer a0", "writer a1"]
    }
  )
)

everywhere(
  define(
    "given up in the middle of the third wave, then a step",
    (world) =>
      Effect.gen(function* () {
        const waves = { strategy: VerifyLoop.bestOf(8, { atOnce: 2 }) }
        const end = yield* Step.race({
          loop: essay(world, { long: 1000, verifyTakes: "10 minutes", ...waves }).run("a"),
          timer: Effect.as(Timer.sleep("1 day"), "given up")
        })
        return yield* world.agent("after").run({ text: end })
      }),
    {
      expected: Exit.succeed("after(given up)"),
      effects: [
        "after given up",
        "critic 26",
        "critic 26",
        "critic 9",
        "critic 9",
        "writer a",
        "writer a",
        `writer writer(a)${"x".repeat(9)}`,
        `writer writer(a)${"x".repeat(9)}`
      ]
    }
  )
)

/** Two rounds at once, of which the second one is made by another agent. */
const twoHanded = (world: World, second: ReturnType<World["agent"]>, verifyTakes?: Takes) => {
  const attempt = Agent.compose("author", {
    run: (input: { readonly text: string }) =>
      Run.withCurrent(
        ({ scope }) => (scope.path.includes("round#2") ? second : world.agent("writer")).run(input),
        Effect.die("outside of every run")
      )
  })
  return VerifyLoop.make("essay", {
    attempt: { agent: attempt, input: (text: string) => ({ text }) },
    verify: { agent: critic(world, 1000, verifyTakes), input: (text) => ({ text }) },
    strategy: VerifyLoop.bestOf(2, { atOnce: 2 })
  })
}
/** The second round fails while the first one is verified. */
const broken = (world: World) => twoHanded(world, world.agent("fails", { fails: true, takes: "1 minute" }), "10 days")
/** The first round is over long before the second one. */
const uneven = (world: World) => twoHanded(world, world.agent("slow", { takes: "10 days" }))

everywhere(
  define(
    "broken off by a round that fails, then a step",
    (world) =>
      Effect.gen(function* () {
        const end = yield* Effect.flip(broken(world).run("a"))
        return yield* world.agent("after").run({ text: end._tag })
      }),
    {
      expected: Exit.succeed("after(Refused)"),
      needsEngine: true,
      effects: ["after Refused", "writer a"]
    }
  )
)

describe("K10: what the log says of each round that began, crashed at every mutation", () => {
  /** `Started 1`, `Failed 1 Attempt Refused`: in the order of the log. */
  const said = (events: ReadonlyArray<StoredEvent>) =>
    events.flatMap(({ data, type }) => {
      const { error, part, round } = data as Record<string, unknown>
      const words = [type.replace("Iteration", ""), round, part, error]
      return type.startsWith("Iteration") ? [words.filter((word) => word !== undefined).join(" ")] : []
    })

  const says = (
    name: string,
    body: (world: World) => Effect.Effect<unknown, any, any>,
    expected: ReadonlyArray<string>,
    drive: (handle: RunHandle<any, any>) => Effect.Effect<unknown, unknown> = () => Effect.void
  ) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const report = yield* CrashSweep.run(() => {
          const { layer, orchestration } = define("job", body, { expected: Exit.void, effects: [] }).make()
          let lines: ReadonlyArray<string> = []
          const scenario = Effect.gen(function* () {
            const handle = yield* orchestration.start({}, { key: "one" })
            yield* Effect.forkChild(drive(handle))
            yield* Effect.exit(handle.await)
            const store = yield* EventStore
            const events = yield* Stream.runCollect(store.read(`run/${handle.id}` as StreamId))
            lines = said(events)
          })
          return { layer, scenario, invariant: Effect.sync(() => assert.deepStrictEqual(lines, expected)) }
        })
        assert.isAbove(report.crashes, 3)
      })
    )

  const attempt = (agent: ReturnType<World["agent"]>) => ({ agent, input: (text: string) => ({ text }) })
  const patient = (world: World) => ({ agent: critic(world, 1000, "10 minutes"), input: (text: string) => ({ text }) })

  says(
    "the attempt fails",
    (world) =>
      VerifyLoop.make("essay", { attempt: attempt(world.agent("w", { fails: true })), verify: patient(world) }).run(
        "a"
      ),
    ["Started 1", "Failed 1 Attempt Refused"]
  )

  says(
    "the attempt is a bug",
    (world) =>
      VerifyLoop.make("essay", {
        attempt: {
          agent: world.agent("w"),
          input: (): { readonly text: string } => {
            throw new Error("a bug")
          }
        },
        verify: patient(world)
      }).run("a"),
    ["Started 1", "Failed 1 Attempt Unknown"]
  )

  says(
    "the verification fails",
    (world) =>
      VerifyLoop.make("essay", {
        attempt: attempt(world.agent("w")),
        verify: {
          agent: Agent.make("critic", { task: Check, run: () => Effect.fail(new Refused({ what: "critic" })) }),
          input: (text) => ({ text })
        }
      }).run("a"),
    ["Started 1", "Failed 1 Verification Refused"]
  )

  says(
    "the time is up",
    (world) => essay(world, { long: 1000, verifyTakes: "10 days", limits: { time: "1 day" } }).run("a"),
    ["Started 1", "Interrupted 1 Verification"]
  )

  says("another round of the wave fails", (world) => broken(world).run("a"), [
    "Started 1",
    "Started 2",
    "Failed 2 Attempt Refused",
    "Interrupted 1 Verification"
  ])

  says(
    "the loop is given up in a wave of which one round is over",
    (world) => Step.race({ loop: uneven(world).run("a"), timer: Timer.sleep("1 day") }),
    ["Started 1", "Started 2", "Interrupted 2 Attempt", "Completed 1"]
  )

  says(
    "the run is cancelled",
    (world) => twoHanded(world, world.agent("slow", { takes: "10 days" }), "10 days").run("a"),
    ["Started 1", "Started 2", "Interrupted 1 Verification", "Interrupted 2 Attempt"],
    (handle) =>
      handle.events.pipe(
        Stream.filter(({ type }) => type === "VerificationStarted"),
        Stream.take(1),
        Stream.runDrain,
        Effect.andThen(handle.cancel())
      )
  )
})

describe("in the log", () => {
  const Draft = Task.make("Draft", { input: { nth: Schema.Int }, output: Schema.Int })
  const Judge = Task.make("Judge", { input: { nth: Schema.Int }, output: Verdict.schema({ nth: Schema.Int }) })
  const loop = VerifyLoop.make("loop", {
    attempt: {
      agent: Agent.make("writer", { task: Draft, run: ({ nth }) => Effect.succeed(nth) }),
      input: (_: {}, last) => ({ nth: (last?.feedback?.nth ?? 0) + 1 })
    },
    verify: {
      agent: Agent.make("critic", {
        task: Judge,
        run: ({ nth }) => Effect.succeed(nth === 2 ? Verdict.accepted(1) : Verdict.rejected({ nth }))
      }),
      input: (nth) => ({ nth })
    }
  })

  it.effect("K9: each round has a scope of its own, and states what happens in it", () =>
    Effect.gen(function* () {
      const job = Orchestration.make("Job", {
        input: {},
        output: Schema.Int,
        error: VerifyLoop.NotAccepted.schema(Schema.Int, { nth: Schema.Int }),
        run: loop.run
      })
      const events = yield* Effect.gen(function* () {
        const handle = yield* job.start({})
        assert.strictEqual(yield* handle.await, 2)
        const store = yield* EventStore
        return yield* Stream.runCollect(store.read(`run/${handle.id}` as never))
      }).pipe(Effect.provide(job.layer.pipe(Layer.provideMerge(Memory.layer))))
      assert.deepStrictEqual(
        events.filter(({ type }) => !type.startsWith("Run")).map(({ meta, type }) => `${type} ${meta.path}`),
        [
          "IterationStarted loop/round/~IterationStarted",
          "StepCompleted loop/round/writer",
          "VerificationStarted loop/round/~VerificationStarted",
          "StepCompleted loop/round/critic",
          "VerificationCompleted loop/round/~VerificationCompleted",
          "IterationCompleted loop/round/~IterationCompleted",
          "StrategyDecided loop/~StrategyDecided",
          "IterationStarted loop/round#2/~IterationStarted",
          "StepCompleted loop/round#2/writer",
          "VerificationStarted loop/round#2/~VerificationStarted",
          "StepCompleted loop/round#2/critic",
          "VerificationCompleted loop/round#2/~VerificationCompleted",
          "IterationCompleted loop/round#2/~IterationCompleted",
          "StrategyDecided loop/~StrategyDecided#2"
        ]
      )
      const decided = events.filter(({ type }) => type === "StrategyDecided").map(({ data }) => data)
      assert.deepStrictEqual(decided, [
        { loop: "loop", round: 1, strategy: "until accepted", decision: "Continue" },
        { loop: "loop", round: 2, strategy: "until accepted", decision: "Answer" }
      ])
    })
  )
})
