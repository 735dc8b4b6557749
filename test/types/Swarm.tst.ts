import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expectTypeOf, it } from "vitest"
import * as Agent from "../../src/core/Agent.ts"
import type { ContractViolation } from "../../src/core/AgentError.ts"
import * as Task from "../../src/core/Task.ts"
import * as Auction from "../../src/patterns/swarm/Auction.ts"
import * as Blackboard from "../../src/patterns/swarm/Blackboard.ts"
import * as Consensus from "../../src/patterns/consensus/Consensus.ts"
import * as Gossip from "../../src/patterns/swarm/Gossip.ts"
import * as Swarm from "../../src/patterns/swarm/Swarm.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
class Db extends Context.Service<Db, { readonly verdict: Effect.Effect<boolean> }>()("test/Db") {}

const Judge = Task.make("Judge", {
  input: { text: Schema.String },
  output: { guilty: Schema.Boolean, rank: Schema.Array(Schema.Literals(["a", "b"])) },
  error: Busy
})
type Verdict = typeof Judge.output.Type
type Input = typeof Judge.input.Type
const alice = Agent.make("alice", { task: Judge, run: () => Effect.fail(new Busy()) })
const bob = Agent.make("bob", {
  task: Judge,
  run: () => Effect.flatMap(Db, (db) => Effect.map(db.verdict, (guilty) => ({ guilty, rank: ["a" as const] })))
})

const byGuilt = ({ guilty }: Verdict) => (guilty ? "guilty" : "innocent")

describe("Swarm.make", () => {
  it("failures of members that abstain leave its errors, and are kept in what they agree on", () => {
    const jury = Swarm.make("jury", { members: [alice, bob], rule: Consensus.majority(), vote: byGuilt })
    expectTypeOf(jury).toEqualTypeOf<
      Agent.Agent<
        Input,
        Swarm.Agreement<"guilty" | "innocent", Verdict, Busy | ContractViolation>,
        Swarm.NoConsensus<"guilty" | "innocent", Busy | ContractViolation>,
        Db
      >
    >()
    type Agreed = Agent.Output<typeof jury>
    expectTypeOf<Agreed["option"]>().toEqualTypeOf<"guilty" | "innocent">()
    expectTypeOf<Agreed["tally"]["votes"][number]["option"]>().toEqualTypeOf<"guilty" | "innocent">()
    expectTypeOf<Agreed["votes"][number]["answer"]>().toEqualTypeOf<Verdict>()
  })

  it("failures of members that fail the swarm stay its errors", () => {
    const jury = Swarm.make("jury", {
      members: [alice, bob],
      rule: Consensus.majority(),
      vote: byGuilt,
      onFailure: "fail"
    })
    expectTypeOf<Agent.Error<typeof jury>>().toEqualTypeOf<
      Swarm.NoConsensus<"guilty" | "innocent", never> | Busy | ContractViolation
    >()
  })

  it("types what a swarm that does not decide tells: votes, reason, abstentions", () => {
    const jury = Swarm.make("jury", { members: [alice, bob], rule: Consensus.majority(), vote: byGuilt })
    type Missed = Agent.Error<typeof jury>
    expectTypeOf<Missed["votes"][number]["ballot"]>().toEqualTypeOf<"guilty" | "innocent">()
    expectTypeOf<Missed["tally"]>().toEqualTypeOf<Consensus.Tally<"guilty" | "innocent">>()
    expectTypeOf<Missed["abstentions"][number]>().toEqualTypeOf<Swarm.Abstention<Busy | ContractViolation>>()
    jury.run({ text: "?" }).pipe(
      Effect.catchReason("NoConsensus", "Tie", ({ options }) => {
        expectTypeOf(options).toEqualTypeOf<ReadonlyArray<"guilty" | "innocent">>()
        return Effect.void
      })
    )
  })

  it("NoConsensus.schema is the schema of its ballots and errors", () => {
    const Option = Schema.Literals(["guilty", "innocent"])
    const schema = Swarm.NoConsensus.schema(Option, Busy)
    expectTypeOf<typeof schema.Type>().toEqualTypeOf<Swarm.NoConsensus<"guilty" | "innocent", Busy>>()
    const ranked = Swarm.NoConsensus.schema(Schema.Array(Option), Busy)
    expectTypeOf<typeof ranked.Type>().toEqualTypeOf<Swarm.NoConsensus<ReadonlyArray<"guilty" | "innocent">, Busy>>()
    // As the error of a task, too.
    Task.make("Voted", { input: {}, output: Schema.String, error: schema })
    // @ts-expect-error a number is no ballot
    Swarm.NoConsensus.schema(Schema.Number, Busy)
    // Of a swarm whose type is known it says more than the class.
    expectTypeOf<typeof schema.Type>().toExtend<Swarm.NoConsensus>()
  })

  it("infers options from a vote that is written in place", () => {
    const jury = Swarm.make("jury", {
      members: Arr.replicate(alice, 3),
      rule: Consensus.weighted({ alice: 2 }),
      vote: (answer) => {
        expectTypeOf(answer).toEqualTypeOf<Verdict>()
        return answer.guilty ? "guilty" : undefined
      }
    })
    expectTypeOf<Agent.Output<typeof jury>["option"]>().toEqualTypeOf<"guilty">()
  })

  it("types the question by its input and the options of the last round", () => {
    const jury = Swarm.make("jury", {
      members: [alice],
      rule: Consensus.majority(),
      vote: ({ guilty }) => (guilty ? "guilty" : "innocent"),
      question: (input: { readonly case: string }, previous) => {
        expectTypeOf(previous).toEqualTypeOf<Swarm.Round<"guilty" | "innocent"> | undefined>()
        return { text: input.case }
      }
    })
    expectTypeOf<Agent.Input<typeof jury>>().toEqualTypeOf<{ readonly case: string }>()
    Swarm.make("jury", {
      members: [alice],
      rule: Consensus.majority(),
      vote: byGuilt,
      // @ts-expect-error members are asked for a text
      question: () => ({ question: "?" })
    })
  })

  it("asks for ballots that its rule can count", () => {
    const ranked = Swarm.make("ranked", {
      members: [alice],
      rule: Consensus.borda(["a", "b", "c"]),
      vote: ({ rank }) => rank
    })
    expectTypeOf<Agent.Output<typeof ranked>["option"]>().toEqualTypeOf<"a" | "b" | "c">()
    Swarm.make("ranked", {
      members: [alice],
      rule: Consensus.borda(["a", "b"]),
      // @ts-expect-error one option is no ranking
      vote: () => "a"
    })
    Swarm.make("ranked", {
      members: [alice],
      rule: Consensus.borda(["a", "b"]),
      // @ts-expect-error nobody stands for c
      vote: () => ["c"]
    })
    Swarm.make("plain", {
      members: [alice],
      rule: Consensus.majority(),
      // @ts-expect-error a ranking is no option
      vote: ({ rank }) => rank
    })
  })

  it("needs a member", () => {
    // @ts-expect-error nobody votes
    Swarm.make("empty", { members: [], rule: Consensus.majority(), vote: byGuilt })
  })
})

describe("coordination", () => {
  const Offer = Task.make("Offer", { input: { tons: Schema.Int }, output: { price: Schema.Number }, error: Busy })
  class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}
  const Haul = Task.make("Haul", { input: { price: Schema.Number }, output: Schema.String, error: Broken })
  const bid = Agent.make("bid", { task: Offer, run: () => Effect.succeed({ price: 1 }) })
  const haul = Agent.make("haul", { task: Haul, run: () => Effect.succeed("done") })

  it("an auction names its contractors, and fails as its performers do", () => {
    const auction = Auction.make("auction", {
      contractors: { truck: { bid, perform: haul }, ship: { bid, perform: haul } },
      worth: ({ price }) => -price,
      award: (_: { readonly tons: number }, { price }) => ({ price })
    })
    expectTypeOf(auction).toEqualTypeOf<
      Agent.Agent<
        { readonly tons: number },
        Auction.Award<"truck" | "ship", { readonly price: number }, string>,
        Auction.NoBids | Broken | ContractViolation
      >
    >()
    const plain = Auction.make("auction", { contractors: { truck: { bid, perform: haul } }, worth: () => 0 })
    expectTypeOf<Agent.Input<typeof plain>>().toEqualTypeOf<{ readonly tons: number } & { readonly price: number }>()
  })

  it("a blackboard types its entries", () => {
    const board = Blackboard.make("board", {
      sources: [alice, bob],
      posts: ({ guilty, rank }) => (guilty ? rank : []),
      question: (input: Input, board) => {
        expectTypeOf(board).toEqualTypeOf<Blackboard.Board<"a" | "b">>()
        return input
      }
    })
    expectTypeOf(board).toEqualTypeOf<Agent.Agent<Input, Blackboard.Solution<"a" | "b">, Blackboard.Unsolved, Db>>()
  })

  it("gossip types its states", () => {
    const gossip = Gossip.make("gossip", {
      members: [alice, bob],
      state: ({ guilty }) => guilty,
      question: (input: Input, talk) => {
        expectTypeOf(talk).toEqualTypeOf<Gossip.Talk<boolean>>()
        return input
      },
      settled: (states) => states.length > 1
    })
    expectTypeOf(gossip).toEqualTypeOf<Agent.Agent<Input, Gossip.Settled<boolean>, Gossip.Unsettled, Db>>()
  })
})
