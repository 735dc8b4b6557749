/**
 * Every pattern as a function from agents to an agent: what it takes to nest each in each.
 *
 * A new pattern gets an entry here; a test misses it otherwise.
 */
import { Duration, Effect, Schema } from "effect"
import {
  Agent,
  Auction,
  Blackboard,
  Breaker,
  Budget,
  Bulkhead,
  Cascade,
  Consensus,
  Deadline,
  Debate,
  Directive,
  Fallback,
  Gossip,
  Handoff,
  Hedge,
  Hierarchy,
  MapReduce,
  Pattern,
  Pipeline,
  Race,
  RateLimiter,
  Retry,
  Router,
  Saga,
  SharedBreaker,
  Supervisor,
  Swarm,
  TaskGraph,
  Timeout,
  Verdict,
  VerifyLoop
} from "../../../src/index.ts"
import { type Line, type Player, player, type Stage } from "./stage.ts"

export interface Entry {
  /** The namespace it is exported as. */
  readonly name: string
  /** It waits for signals, which only a run has. */
  readonly needsRun?: boolean
  /** Makes a player of this name out of another one, and of others from the stage. */
  readonly wrap: (name: string, inner: Player, stage: Stage) => Player
}

const fromText = Agent.mapInput((text: string): Line => ({ text }))

/** The same player under another name. */
const as = (name: string, inner: Player): Player => Agent.compose(name, { run: inner.run })

const unhurried = Duration.days(30)

/** A pattern made with what is public. */
const Relay = Pattern.make("Relay", {
  options: { separator: Schema.String },
  slots: { runners: Pattern.list() },
  build:
    ({ runners, separator }) =>
    ({ text }: Line) =>
      runners.reduce(
        (said: Effect.Effect<string, any, any>, runner) =>
          Effect.flatMap(said, (text) => runner.run({ text: text + separator })),
        Effect.succeed(text)
      ) as Effect.Effect<string, Pattern.SlotError<"runners">, Pattern.SlotServices<"runners">>
})

export const patterns: ReadonlyArray<Entry> = [
  {
    name: "Supervisor",
    wrap: (name, inner, stage) =>
      player(
        Supervisor.make(name, {
          agents: [stage.refusing("shirker"), inner],
          onFailure: { Refused: Directive.reroute }
        })
      )
  },
  {
    name: "Saga",
    wrap: (name, inner, stage) => {
      const [first, last] = [stage.leaf("first"), stage.refusing("last")]
      return player(
        Agent.compose(name, {
          run: ({ text }: Line) =>
            Effect.gen(function* () {
              // One transaction that ends well, and one that does not.
              const kept = yield* Saga.transaction("kept")(
                Effect.flatMap(first.run({ text }), (text) => inner.run({ text }))
              )
              const undone = Effect.andThen(inner.run({ text: "undone" }), last.run({ text }))
              const lost = yield* undone.pipe(
                Saga.transaction("lost"),
                Effect.catchTag("Refused", ({ what }) => Effect.succeed(what))
              )
              return `${kept} ${lost}`
            })
        })
      )
    }
  },
  {
    name: "TaskGraph",
    wrap: (name, inner, stage) => {
      const graph = TaskGraph.make(name, { input: { text: Schema.String } })
        .add("left", inner, { input: (_, { text }) => ({ text: `${text}l` }) })
        .add("right", inner, { input: (_, { text }) => ({ text: `${text}r` }) })
        .add("both", stage.leaf("both"), {
          after: ["left", "right"],
          input: ({ left, right }) => ({ text: `${left}+${right}` })
        })
      return player(Agent.mapOutput(graph, ({ both }) => both))
    }
  },
  {
    name: "Router",
    wrap: (name, inner, stage) =>
      player(
        Router.make(name, {
          routes: { taken: inner, other: stage.leaf("other") },
          choose: Agent.mapOutput(stage.leaf("chooser"), (answer) => (answer === "" ? "other" : "taken"))
        })
      )
  },
  {
    name: "MapReduce",
    wrap: (name, inner) =>
      player(
        MapReduce.make(name, {
          split: ({ text }: Line) => [{ text: `${text}1` }, { text: `${text}2` }, { text: `${text}3` }],
          map: inner,
          reduce: ({ answers }) => answers.join("+"),
          concurrency: 2
        })
      )
  },
  {
    name: "Race",
    wrap: (name, inner, stage) =>
      player(Race.make(name, { agents: [stage.refusing("loser"), inner, stage.rival("rival")], stagger: "1 second" }))
  },
  {
    name: "Pipeline",
    wrap: (name, inner, stage) => player(Pipeline.make(name, [inner, fromText(stage.leaf("middle")), fromText(inner)]))
  },
  {
    name: "Debate",
    wrap: (name, inner) => {
      const debater = Agent.mapInput(inner, ({ question, speaker, transcript }: Debate.Turn<Line, string>) => ({
        text: `${question.text}${speaker}${transcript.length}`
      }))
      return player(
        Debate.make(name, {
          debaters: { a: debater, b: debater },
          judge: ({ transcript }) => transcript.map(({ argument }) => argument).join("+"),
          rounds: 2,
          speaking: "simultaneous"
        })
      )
    }
  },
  {
    name: "Cascade",
    wrap: (name, inner, stage) =>
      player(
        Cascade.make(name, {
          tiers: [stage.refusing("down"), stage.leaf("cheap"), inner],
          accept: ({ answer }) => !answer.startsWith("cheap"),
          onFailure: "escalate",
          whenUnsure: "fail"
        })
      )
  },
  {
    name: "Hierarchy",
    wrap: (name, inner, stage) =>
      player(
        Hierarchy.make(name, {
          reports: { one: inner, two: stage.leaf("two") },
          lead: ({ text }: Line, { delegate }) =>
            Effect.map(
              Effect.all([delegate("one", { text: `${text}1` }), delegate("two", { text: `${text}2` })], {
                concurrency: "unbounded"
              }),
              (answers) => answers.join("+")
            )
        })
      )
  },
  {
    name: "Swarm",
    wrap: (name, inner) =>
      player(
        Agent.mapOutput(
          Swarm.make(name, {
            members: [as("m1", inner), as("m2", inner), as("m3", inner)],
            vote: (answer: string) => answer,
            rule: Consensus.unanimous()
          }),
          ({ option }) => option
        )
      )
  },
  {
    name: "Blackboard",
    wrap: (name, inner, stage) =>
      player(
        Agent.mapOutput(
          Blackboard.make(name, {
            sources: [as("source", inner), stage.leaf("critic")],
            posts: (answer) => [answer],
            question: ({ text }: Line, { length }) => ({ text: `${text}${length}` }),
            solved: ({ length }) => length >= 3
          }),
          (solution) => JSON.stringify(solution)
        )
      )
  },
  {
    name: "Gossip",
    wrap: (name, inner) =>
      player(
        Agent.mapOutput(
          Gossip.make(name, {
            members: [as("m1", inner), as("m2", inner)],
            state: (answer) => answer,
            question: ({ text }: Line, { heard }) => ({ text: `${text}${heard.length}` }),
            settled: (states) => states.every((state) => state === states[0]),
            rounds: 5
          }),
          ({ states }) => states.join("+")
        )
      )
  },
  {
    name: "Auction",
    wrap: (name, inner, stage) => {
      const bidder = (name: string, price: number) => Agent.mapOutput(stage.leaf(name), () => ({ price }))
      return player(
        Agent.mapOutput(
          Auction.make(name, {
            contractors: {
              dear: { bid: bidder("dear", 3), perform: stage.leaf("dear one") },
              cheap: { bid: bidder("cheap", 1), perform: inner }
            },
            worth: ({ price }) => -price
          }),
          (awarded) => JSON.stringify(awarded)
        )
      )
    }
  },
  {
    name: "VerifyLoop",
    wrap: (name, inner, stage) =>
      player(
        VerifyLoop.make(name, {
          attempt: {
            agent: inner,
            input: ({ text }: Line, last) => ({ text: `${text}${last?.feedback ?? ""}` })
          },
          verify: {
            agent: Agent.mapOutput(stage.leaf("critic"), (heard) => contentWith(heard)),
            input: (candidate) => ({ text: candidate })
          }
        })
      )
  },
  {
    name: "Handoff",
    wrap: (name, inner, stage) => {
      const handoff = Handoff.make(name, { input: { text: Schema.String } })
        .leg("first", inner, { input: (_, { text }, feedback) => ({ text: `${text}${feedback.join("")}` }) })
        .check("better", ({ first }) => contentWith(first))
        .leg("second", stage.leaf("second"), { input: ({ first }) => ({ text: first }) })
      return player(Agent.mapOutput(handoff, ({ second }) => second))
    }
  },
  {
    name: "Pattern",
    wrap: (name, inner, stage) => player(Relay.make(name, { separator: ", ", runners: [inner, stage.leaf("last")] }))
  },
  {
    name: "Approval",
    needsRun: true,
    wrap: (name, inner, stage) => {
      const approval = stage.approving(name)
      return player(
        Agent.compose(name, {
          run: (line: Line) =>
            Effect.flatMap(approval.run(line), ({ by, decision }) =>
              inner.run({ text: `${line.text}${by}${decision}` })
            )
        })
      )
    }
  }
]

/** A second attempt is good enough. */
const contentWith = (text: string): Verdict.Verdict<string> =>
  text.includes("!") ? Verdict.accepted() : Verdict.rejected("!")

/** Policies nest as patterns do. */
export const policies: ReadonlyArray<Entry> = [
  { name: "Retry", wrap: (name, inner) => player(as(name, inner).pipe(Retry.upTo({ attempts: 3 }))) },
  { name: "Timeout", wrap: (name, inner) => player(as(name, inner).pipe(Timeout.after(unhurried))) },
  { name: "Deadline", wrap: (name, inner) => player(as(name, inner).pipe(Deadline.within(unhurried))) },
  {
    name: "Fallback",
    wrap: (name, inner, stage) => player(as(name, stage.refusing("first")).pipe(Fallback.to(inner)))
  },
  { name: "Hedge", wrap: (name, inner) => player(as(name, inner).pipe(Hedge.after("10 days"))) },
  {
    name: "Bulkhead",
    // Wide: a memory that is thrown away after every answer never gives its places back.
    wrap: (name, inner) => player(as(name, inner).pipe(Bulkhead.protect(Bulkhead.make(name, { concurrency: 1000 }))))
  },
  {
    name: "Budget",
    wrap: (name, inner) =>
      player(as(name, inner).pipe(Budget.turn, Budget.within(name, { turns: 10_000, time: unhurried })))
  },
  {
    name: "Breaker",
    wrap: (name, inner) =>
      player(
        as(name, inner).pipe(
          Breaker.protect(Breaker.make(name, { trip: Breaker.consecutive(1000), openFor: "1 hour" }))
        )
      )
  },
  {
    name: "SharedBreaker",
    wrap: (name, inner) =>
      player(
        as(name, inner).pipe(
          SharedBreaker.protect(SharedBreaker.make(name, { trip: Breaker.consecutive(1000), openFor: "1 hour" })),
          Agent.provide(SharedBreaker.layerMemory)
        )
      )
  },
  {
    name: "RateLimiter",
    wrap: (name, inner) =>
      player(
        as(name, inner).pipe(
          RateLimiter.protect(RateLimiter.make(name, { limit: 1000, window: "1 second" })),
          Agent.provide(RateLimiter.layerMemory)
        )
      )
  }
]
