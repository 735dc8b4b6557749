/** What a pattern costs beside the calls that it makes. Outside any run: its scope, its span, its own decisions. */
import { Clock, Effect, Schema } from "effect"
import {
  Agent,
  Approval,
  Auction,
  Blackboard,
  Cascade,
  Consensus,
  Debate,
  Directive,
  Gossip,
  Handoff,
  Hierarchy,
  MapReduce,
  Pattern,
  Pipeline,
  Race,
  Router,
  Saga,
  Supervisor,
  Swarm,
  Task,
  TaskGraph,
  Verdict,
  VerifyLoop
} from "tutti"
import { compare, microsEach, printMachine } from "./harness.ts"

const rounds = 5_000

const Input = Schema.Struct({ value: Schema.Int })
const Work = Task.make("Work", { input: Input, output: Input })
const Argue = Task.make("Argue", { input: Debate.turn(Input, Input), output: Input })

const agent = (name: string) =>
  Agent.make(name, { task: Work, run: ({ value }) => Effect.succeed({ value: value + 1 }) })
const debater = Agent.make("debater", { task: Argue, run: ({ round }) => Effect.succeed({ value: round }) })
const [a, b, c, d] = [agent("a"), agent("b"), agent("c"), agent("d")]

interface Call {
  readonly run: (input: typeof Input.Type) => Effect.Effect<unknown, unknown>
}

const each = ({ run }: Call) => {
  const all = Effect.suspend(() => {
    let done = 0
    return Effect.whileLoop({ while: () => done < rounds, body: () => run({ value: done++ }), step: () => {} })
  })
  return microsEach(rounds, () => Effect.runPromise(all))
}

/** The same calls without a pattern. */
const calls = (...agents: ReadonlyArray<Call>): Call => ({
  run: (input) => Effect.whileLoop(walk(agents, input))
})

const walk = (agents: ReadonlyArray<Call>, input: typeof Input.Type) => {
  let next = 0
  return { while: () => next < agents.length, body: () => agents[next++]!.run(input), step: () => {} }
}

const turn = (transcript: ReadonlyArray<Debate.Entry<typeof Input.Type>>): Call => ({
  run: (question) => debater.run({ question, round: 1, speaker: "for", transcript })
})
const entry = { round: 1, speaker: "for", argument: { value: 1 } }

const graph = TaskGraph.make("graph", { input: Input })
  .add("a", a, { input: (_, input) => input })
  .add("b", b, { after: ["a"], input: (seen) => seen.a })
  .add("c", c, { after: ["a"], input: (seen) => seen.a })
  .add("d", d, { after: ["b", "c"], input: (seen) => seen.b })

const hierarchy = Hierarchy.make("hierarchy", {
  reports: { a, b, c, d },
  lead: (input: typeof Input.Type, { delegate }) =>
    Effect.gen(function* () {
      for (const report of ["a", "b", "c", "d"] as const) yield* delegate(report, input)
    })
})

const handoff = Handoff.make("handoff", { input: Input })
  .leg("a", a, { input: (_, input) => input })
  .leg("b", b, { input: (baton) => baton.a })
  .leg("c", c, { input: (baton) => baton.b })
  .leg("d", d, { input: (baton) => baton.c })

const critic = Agent.make("critic", {
  task: Task.make("Judge", { input: Input, output: Verdict.schema(Schema.String) }),
  run: () => Effect.succeed(Verdict.accepted())
})
const loop = VerifyLoop.make("loop", {
  attempt: { agent: a, input: (input: typeof Input.Type) => input },
  verify: { agent: critic, input: (candidate) => candidate }
})

const saga: Call = {
  run: (input) =>
    a.run(input).pipe(
      Saga.undo(() => Effect.void),
      Saga.transaction("saga")
    )
}

/** No wait takes any time: outside a run nobody answers an approval, it waits until its time is up. */
const atOnce = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.clockWith((clock) =>
    Effect.provideService(effect, Clock.Clock, Object.assign(Object.create(clock), { sleep: () => Effect.void }))
  )
const approval = Approval.make("approval", { request: Input, decision: Schema.Boolean, timeout: "1 minute" })
const timedOut: Call = { run: (input) => atOnce(Effect.exit(approval.run(input))) }
const waited: Call = { run: () => atOnce(Effect.exit(Effect.sleep("1 minute"))) }

/** As a pipeline is. */
const Chain = Pattern.make("Chain", {
  slots: { agents: Pattern.list(Work) },
  build: ({ agents }) =>
    Effect.fnUntraced(function* (input: typeof Input.Type) {
      for (const agent of agents) input = yield* agent.run(input)
      return input
    })
})

const cases: ReadonlyArray<readonly [name: string, pattern: Call, calls: Call]> = [
  ["Pipeline of 4", Pipeline.make("pipeline", [a, b, c, d]), calls(a, b, c, d)],
  ["Router of 4", Router.make("router", { routes: { a, b, c, d }, choose: () => "c" }), calls(c)],
  [
    "MapReduce of 4 items, one at a time",
    MapReduce.make("whole", {
      split: (input: typeof Input.Type) => [input, input, input, input],
      map: a,
      reduce: () => 0,
      concurrency: 1
    }),
    calls(a, a, a, a)
  ],
  [
    "MapReduce of 4 items at once",
    MapReduce.make("whole", {
      split: (input: typeof Input.Type) => [input, input, input, input],
      map: a,
      reduce: () => 0,
      concurrency: 4
    }),
    calls(a, a, a, a)
  ],
  // Answers at once: the others do not start.
  ["Race of 4", Race.make("race", { agents: [a, b, c, d] }), calls(a)],
  [
    "Debate of 2, 2 rounds",
    Debate.make("debate", { debaters: { for: debater, against: debater }, judge: () => 0, rounds: 2 }),
    calls(turn([]), turn([entry]), turn([entry, entry]), turn([entry, entry, entry]))
  ],
  [
    "Cascade of 4, the last accepted",
    Cascade.make("cascade", { tiers: [a, b, c, d], accept: () => false }),
    calls(a, b, c, d)
  ],
  [
    "Supervisor of 4",
    Supervisor.make("supervisor", { agents: [a, b, c, d], onFailure: { ContractViolation: Directive.escalate } }),
    calls(a)
  ],
  ["TaskGraph of 4", graph, calls(a, b, c, d)],
  ["Saga of one step with an undo", saga, calls(a)],
  ["VerifyLoop, accepted at once", loop, calls(a, critic)],
  ["Hierarchy, a lead of 4", hierarchy, calls(a, b, c, d)],
  ["Handoff of 4", handoff, calls(a, b, c, d)],
  [
    "Swarm of 4, unanimous",
    Swarm.make("swarm", { members: [a, b, c, d], vote: ({ value }) => String(value), rule: Consensus.unanimous() }),
    calls(a, b, c, d)
  ],
  [
    "Auction of 4, the best bid performs",
    Auction.make("auction", {
      contractors: {
        a: { bid: a, perform: a },
        b: { bid: b, perform: b },
        c: { bid: c, perform: c },
        d: { bid: d, perform: d }
      },
      worth: ({ value }) => value
    }),
    calls(a, b, c, d, a)
  ],
  [
    "Blackboard of 4, solved in a round",
    Blackboard.make("blackboard", {
      sources: [a, b, c, d],
      question: (input: typeof Input.Type) => input,
      posts: (answer) => [answer],
      solved: () => true
    }),
    calls(a, b, c, d)
  ],
  [
    "Gossip of 4, settled in a round",
    Gossip.make("gossip", {
      members: [a, b, c, d],
      question: (input: typeof Input.Type) => input,
      state: (answer) => answer,
      settled: () => true
    }),
    calls(a, b, c, d)
  ],
  ["Approval, its time up at once", timedOut, waited],
  ["Pattern.make, a chain of 4", Chain.make("chain", { agents: [a, b, c, d] }), calls(a, b, c, d)]
]

printMachine()
await compare(
  "A pattern beside the calls it makes",
  { unit: "µs per call of the pattern, without those of its agents", rounds: 9, notes: [`${rounds} calls each`] },
  cases.map(([name, pattern, calls]) => ({ name, run: async () => (await each(pattern)) - (await each(calls)) }))
)
