/**
 * The same trivial work in LangGraph and here, in memory: a lead that hands to one of three workers and ends, and two agents
 * that hand over. Models answer at once, so what is left is the orchestration. One step: one call of an agent.
 */
import { Effect, Schema } from "effect"
import { Agent, Directive, Handoff, Hierarchy, Routing, Supervisor, Task } from "tutti"
import { compare, printMachine } from "./harness.ts"
import * as LangGraph from "./langgraph.ts"
import * as Peers from "./peers/peers.ts"

const Message = Schema.Struct({ from: Schema.String, text: Schema.String })
const Reply = Task.make("Reply", { input: { messages: Schema.Array(Message) }, output: Message })

const says = (name: string, text: string) =>
  Agent.make(name, { task: Reply, run: () => Effect.succeed({ from: name, text }) })

const input = { messages: [{ from: "user", text: "hello" }] }
const [alice, bob, carol] = [says("alice", "done"), says("bob", "done"), says("carol", "done")]
const router = says("router", "alice")
const closing = says("closing", "end")

const led = Hierarchy.make("lead", {
  reports: { alice, bob, carol },
  lead: ({ messages }: typeof input, { delegate }) =>
    Effect.gen(function* () {
      const choice = yield* router.run({ messages })
      const answer = yield* delegate(choice.text as "alice", { messages: [...messages, choice] })
      return yield* closing.run({ messages: [...messages, choice, answer] })
    })
})

const supervised = Supervisor.make("team", {
  agents: [alice, bob, carol],
  route: Routing.roundRobin,
  onFailure: { ContractViolation: Directive.escalate }
})

const handed = Handoff.make("handed", { input: Reply.input })
  .leg("alice", alice, { input: (_, { messages }) => ({ messages }) })
  .leg("bob", bob, { input: (baton, { messages }) => ({ messages: [...messages, baton.alice] }) })

/** Microseconds a step: `count` calls one after the other, in one program. */
const ours = (call: () => Effect.Effect<unknown, unknown>, steps: number) => async () => {
  const count = 5000
  const start = performance.now()
  await Effect.runPromise(Effect.forEach(Array(count), call, { discard: true }))
  return ((performance.now() - start) * 1000) / (count * steps)
}

const theirs = (call: LangGraph.Call, steps: number) => async () => {
  const count = 60
  const start = performance.now()
  for (let calls = 0; calls < count; calls++) if (!(await call())) throw new Error("it did not answer as it should")
  return ((performance.now() - start) * 1000) / (count * steps)
}

const graphs = { supervisor: await LangGraph.supervisor(), swarm: await LangGraph.swarm() }
const aim = { of: "ratio", atLeast: 20 } as const
const versions = ["langgraph", "langgraph-supervisor", "langgraph-swarm"].map(
  (name) => `${name} ${Peers.versionOf(`@langchain/${name}`)}`
)

printMachine()
await compare("A step of an agent, in memory", { unit: "µs per step", rounds: 7, notes: [versions.join(", ")] }, [
  { name: "Supervisor: a worker", run: ours(() => supervised.run(input), 1) },
  { name: "Hierarchy: lead, worker, lead", run: ours(() => led.run(input), 3) },
  {
    name: "LangGraph supervisor: lead, worker, lead",
    run: theirs(graphs.supervisor, 3),
    reference: "Hierarchy: lead, worker, lead",
    aim
  },
  { name: "Handoff: one hands over to another", run: ours(() => handed.run(input), 2) },
  {
    name: "LangGraph swarm: one hands over to another",
    run: theirs(graphs.swarm, 2),
    reference: "Handoff: one hands over to another",
    aim
  }
])
