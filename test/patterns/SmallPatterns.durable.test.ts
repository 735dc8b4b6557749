/** The small patterns in a run: the same outcome everywhere, and what the log then says. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, Cascade, Debate, EventStore, MapReduce, Pipeline, Race, Router, Saga, Task } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define, type Program, Refused, type World } from "../durable/program.ts"

const pipeline = define(
  "Pipeline",
  ({ agent }) => {
    const text = Agent.mapInput((text: string) => ({ text }))
    return Pipeline.make("line", [agent("a"), text(agent("b")), text(agent("a"))]).run({ text: "1" })
  },
  { expected: Exit.succeed("a(b(a(1)))"), effects: ["a 1", "a b(a(1))", "b a(1)"] }
)

const failingPipeline = define(
  "Pipeline that fails",
  ({ agent }) => {
    const text = Agent.mapInput((text: string) => ({ text }))
    return Pipeline.make("line", [agent("a"), text(agent("bad", { fails: true })), text(agent("c"))]).run({ text: "1" })
  },
  { expected: Exit.fail(new Refused({ what: "bad" })), effects: ["a 1"] }
)

const Kind = Task.make("Kind", { input: { text: Schema.String }, output: Schema.String })
const triage = ({ act }: World) =>
  Agent.make("triage", {
    task: Kind,
    run: ({ text }, { idempotencyKey }) =>
      Effect.sync(() => {
        act(idempotencyKey, `triage ${text}`)
        return text === "?" ? "nowhere" : `${text} desk`
      })
  }).pipe(Agent.transform(Effect.catchTag("ContractViolation", Effect.die)))

const routes = (here: World) =>
  Router.make("router", {
    routes: { "a desk": here.agent("a"), "b desk": here.agent("b") },
    choose: triage(here)
  })

const router = define(
  "Router",
  (here) =>
    Effect.gen(function* () {
      const router = routes(here)
      return [yield* router.run({ text: "a" }), yield* router.run({ text: "b" })]
    }),
  {
    expected: Exit.succeed(["a(a)", "b(b)"]),
    effects: ["a a", "b b", "triage a", "triage b"],
    error: Router.RouteUnknown
  }
)

const stray = define("Router that strays", (here) => routes(here).run({ text: "?" }), {
  expected: Exit.fail(new Router.RouteUnknown({ router: "router", route: "nowhere", routes: ["a desk", "b desk"] })),
  effects: ["triage ?"],
  error: Router.RouteUnknown
})

const items = ({ text }: { readonly text: string }) => text.split(" ").map((text) => ({ text }))

/** The first items are the slowest. */
const uneven = ({ agent }: World) =>
  Agent.compose("uneven", {
    run: ({ text }: { readonly text: string }) => {
      const fails = text === "bad"
      return agent("a", { takes: `${20 - text.length} seconds`, fails }).run({ text })
    }
  })

const mapReduce = define(
  "MapReduce",
  (here) =>
    MapReduce.make("whole", {
      split: items,
      map: uneven(here),
      reduce: Agent.mapInput(here.agent("join"), ({ answers }: MapReduce.Harvest<unknown, string>) => ({
        text: answers.join()
      })),
      concurrency: 2,
      key: ({ text }) => text
    }).run({ text: "1 22 333 1 4444" }),
  {
    expected: Exit.succeed("join(a(1),a(22),a(333),a(1),a(4444))"),
    effects: ["a 1", "a 1", "a 22", "a 333", "a 4444", "join a(1),a(22),a(333),a(1),a(4444)"]
  }
)

const collecting = define(
  "MapReduce that collects",
  (here) =>
    MapReduce.make("whole", {
      split: items,
      map: uneven(here),
      reduce: ({ answers }) =>
        answers.map((answer) => (Result.isSuccess(answer) ? answer.success : answer.failure.what)),
      concurrency: "unbounded",
      onFailure: "collect"
    }).run({ text: "1 bad 22" }),
  { expected: Exit.succeed(["a(1)", "a", "a(22)"]), effects: ["a 1", "a 22"] }
)

const failingFast = define(
  "MapReduce that fails",
  (here) =>
    MapReduce.make("whole", {
      split: items,
      map: uneven(here),
      reduce: ({ answers }) => answers,
      concurrency: 2
    }).run({ text: "55555 bad 22" }),
  { expected: Exit.fail(new Refused({ what: "a" })), effects: ["a 55555"] }
)

const AllFailed = Race.AllFailed.schema(Refused)

const race = define(
  "Race",
  ({ agent }) =>
    Race.make("race", {
      agents: [agent("slow", { takes: "1 hour" }), agent("bad", { fails: true }), agent("fast", { takes: "1 second" })]
    }).run({ text: "1" }),
  { expected: Exit.succeed("fast(1)"), effects: ["fast 1"], error: AllFailed }
)

const lost = define(
  "Race that all lose",
  ({ agent }) =>
    Race.make("race", {
      agents: [agent("a", { fails: true, takes: "2 seconds" }), agent("b", { fails: true, takes: "1 second" })]
    }).run({ text: "1" }),
  {
    expected: Exit.fail(
      new Race.AllFailed({
        race: "race",
        failures: [
          { agent: "a", error: new Refused({ what: "a" }) },
          { agent: "b", error: new Refused({ what: "b" }) }
        ]
      })
    ),
    effects: [],
    error: AllFailed
  }
)

/** The first fails at once, the second is slow: the third starts 10 seconds after it and wins. */
const staggered = define(
  "Race with a stagger",
  ({ agent }) =>
    Race.make("race", {
      agents: [
        agent("bad", { fails: true, takes: "1 second" }),
        agent("slow", { takes: "1 hour" }),
        agent("third", { takes: "1 minute" }),
        agent("fourth", { takes: "1 hour" })
      ],
      stagger: "10 seconds"
    }).run({ text: "1" }),
  { expected: Exit.succeed("third(1)"), effects: ["third 1"], error: AllFailed }
)

/** A loser undoes what it did before the race ends, and what the winner did stays. */
const undoing = define(
  "Race of transactions",
  ({ agent }) => {
    const contender = (name: string, takes: string) =>
      Agent.compose(name, {
        run: ({ text }: { readonly text: string }) =>
          Effect.gen(function* () {
            const seat = agent(`${name}-seat`).run({ text })
            yield* seat.pipe(Saga.undo(() => agent(`${name}-undo`).run({ text })))
            return yield* agent(`${name}-pay`, { takes }).run({ text })
          }).pipe(Saga.transaction(`${name}-book`))
      })
    return Race.make("race", { agents: [contender("slow", "1 hour"), contender("fast", "1 second")] }).run({
      text: "1"
    })
  },
  {
    expected: Exit.succeed("fast-pay(1)"),
    effects: ["fast-pay 1", "fast-seat 1", "slow-seat 1", "slow-undo 1"],
    error: Race.AllFailed.schema(Schema.Union([Refused, Saga.CompensationFailed]))
  }
)

const settled = define(
  "Race that settles",
  ({ agent }) =>
    Race.make("race", {
      agents: [agent("slow", { takes: "2 seconds" }), agent("bad", { fails: true, takes: "1 second" })],
      first: "settled"
    }).run({ text: "1" }),
  { expected: Exit.fail(new Refused({ what: "bad" })), effects: [] }
)

const Argue = Task.make("Argue", { input: Debate.turn(Schema.String, Schema.String), output: Schema.String })

const debate = (name: string, speaking: "alternate" | "simultaneous", expected: string, last: string) =>
  define(
    name,
    (here) => {
      const debater = Agent.make("debater", {
        task: Argue,
        run: ({ round, speaker, transcript }, { idempotencyKey }) =>
          Effect.gen(function* () {
            yield* Effect.sleep(speaker === "for" ? "2 seconds" : "1 second")
            const argument = `${speaker}${round}<${transcript.length}`
            here.act(idempotencyKey, argument)
            return argument
          })
      }).pipe(Agent.transform(Effect.catchTag("ContractViolation", Effect.die)))
      return Debate.make("debate", {
        debaters: { for: debater, against: debater },
        judge: Agent.mapInput(here.agent("judge"), ({ transcript }: Debate.Hearing<string, string>) => ({
          text: transcript.map(({ argument }) => argument).join()
        })),
        until: ({ transcript }) => transcript.length >= 4,
        rounds: 3,
        speaking
      }).run("tea?")
    },
    {
      expected: Exit.succeed(`judge(${expected},${last})`),
      effects: [...expected.split(","), ...last.split(","), `judge ${expected},${last}`].toSorted()
    }
  )

const cascade = define(
  "Cascade",
  (here) =>
    Cascade.make("cascade", {
      tiers: [here.agent("bad", { fails: true }), here.agent("a"), here.agent("b"), here.agent("c")],
      accept: Agent.mapInput(triage(here), ({ answer }: Cascade.Proposal<unknown, string>) => ({ text: answer })).pipe(
        Agent.mapOutput((desk) => desk.startsWith("b"))
      ),
      onFailure: "escalate"
    }).run({ text: "1" }),
  { expected: Exit.succeed("b(1)"), effects: ["a 1", "b 1", "triage a(1)", "triage b(1)"] }
)

const unsure = define(
  "Cascade that is unsure",
  ({ agent }) =>
    Cascade.make("cascade", { tiers: [agent("a"), agent("b")], accept: () => false, whenUnsure: "fail" }).run({
      text: "1"
    }),
  {
    expected: Exit.fail(new Cascade.Unsure({ cascade: "cascade", best: "b(1)" })),
    effects: ["a 1", "b 1"],
    error: Cascade.Unsure.schema(Schema.String)
  }
)

const programs = {
  pipeline,
  failingPipeline,
  router,
  stray,
  mapReduce,
  collecting,
  failingFast,
  race,
  lost,
  staggered,
  undoing,
  settled,
  alternating: debate("Debate", "alternate", "for1<0,against1<1", "for2<2,against2<3"),
  simultaneous: debate("Debate at once", "simultaneous", "for1<0,against1<0", "for2<2,against2<2"),
  cascade,
  unsure
}

for (const program of Object.values(programs)) everywhere(program)

/** What the run says of itself, each with its place. */
const logOf = (program: Program) => {
  const { layer, orchestration } = program.make()
  return Effect.gen(function* () {
    const store = yield* EventStore.EventStore
    const handle = yield* orchestration.start({}, { key: "one" })
    const fiber = yield* Effect.forkChild(Effect.exit(handle.await))
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
    const events = yield* store.readArray(`run/${handle.id}` as never)
    return events
      .filter(({ type }) => !type.startsWith("Run"))
      .map(({ data, meta, type }) => {
        const { digest: _, output: __, error: ___, deadline: ____, ...rest } = data as Record<string, unknown>
        return [type, meta.path, ...Object.values(rest)].filter((part) => part !== undefined).join(" ")
      })
  }).pipe(Effect.provide(layer.pipe(Layer.provideMerge(Memory.layer)), { local: true }))
}

describe("the log", () => {
  it.effect("O3: says which route was chosen", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* logOf(router), [
        "StepCompleted router/triage",
        "RouteChosen router/~RouteChosen a desk",
        "StepCompleted router/a",
        "StepCompleted router#2/triage",
        "RouteChosen router#2/~RouteChosen b desk",
        "StepCompleted router#2/b"
      ])
    })
  )

  it.effect("M5: has a scope for each item, and one more for a key that occurs twice", () =>
    Effect.gen(function* () {
      assert.sameMembers(
        [...(yield* logOf(mapReduce))],
        [
          ...["[1]", "[22]", "[333]", "[1]#2", "[4444]"].map((item) => `StepCompleted whole/${item}/uneven/a`),
          "StepCompleted whole/join"
        ]
      )
    })
  )

  it.effect("A6: holds no outcome of losers, and says who won", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* logOf(race), [
        "StepFailed race/[bad]/bad",
        "StepCompleted race/[fast]/fast",
        "RaceWon race/~RaceWon fast"
      ])
      assert.deepStrictEqual(yield* logOf(staggered), [
        "TimerScheduled race/[slow]/sleep",
        "StepFailed race/[bad]/bad",
        "TimerScheduled race/[third]/sleep",
        "TimerFired race/[third]/sleep",
        "TimerScheduled race/[fourth]/sleep",
        "TimerFired race/[fourth]/sleep",
        "StepCompleted race/[third]/third",
        "RaceWon race/~RaceWon third"
      ])
    })
  )

  it.effect("B4: has a scope for each round, and says why there were no more", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* logOf(programs.alternating), [
        "StepCompleted debate/round/[for]/debater",
        "StepCompleted debate/round/[against]/debater",
        "StepCompleted debate/round#2/[for]/debater",
        "StepCompleted debate/round#2/[against]/debater",
        "DebateEnded debate/~DebateEnded 2 EnoughSaid",
        "StepCompleted debate/judge"
      ])
    })
  )

  it.effect("D5: says which tiers were passed over, why, and which one answered", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* logOf(cascade), [
        "StepFailed cascade/bad",
        "TierPassed cascade/~TierPassed bad Refused",
        "StepCompleted cascade/a",
        "StepCompleted cascade/triage",
        "TierPassed cascade/~TierPassed#2 a Unsure",
        "StepCompleted cascade/b",
        "StepCompleted cascade/triage#2",
        "TierAnswered cascade/~TierAnswered b"
      ])
      assert.deepStrictEqual(yield* logOf(unsure), [
        "StepCompleted cascade/a",
        "TierPassed cascade/~TierPassed a Unsure",
        "StepCompleted cascade/b",
        "TierPassed cascade/~TierPassed#2 b Unsure"
      ])
    })
  )
})
