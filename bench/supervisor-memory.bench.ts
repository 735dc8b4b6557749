/** What an idle agent costs: 10,000 of them under one supervisor. */
import { Effect, Schema } from "effect"
import { Agent, Directive, Routing, Supervisor, Task } from "tutti"
import { collectGarbage, compare, printMachine } from "./harness.ts"

const size = 10_000

const Work = Task.make("Work", { input: { value: Schema.Int }, output: { value: Schema.Int } })
const makeAgents = () =>
  Array.from({ length: size }, (_, index) =>
    Agent.make(`worker-${index}`, { task: Work, run: ({ value }) => Effect.succeed({ value: value + 1 }) })
  )
type Agents = ReturnType<typeof makeAgents>

const supervise = (agents: Agents) =>
  Supervisor.make("team", {
    agents: agents as [Agents[number], ...Agents],
    route: Routing.roundRobin,
    onFailure: { ContractViolation: Directive.escalate }
  })

const kept: Array<unknown> = []

/** Bytes of heap that remain per agent. */
const bytesEach = async (make: () => unknown): Promise<number> => {
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  kept.push(await make())
  collectGarbage()
  const bytes = (process.memoryUsage().heapUsed - before) / size
  kept.length = 0
  return bytes
}

const called = async () => {
  const team = supervise(makeAgents())
  await Effect.runPromise(Effect.forEach(Array(size).keys(), (value) => team.run({ value }), { discard: true }))
  return team
}

printMachine()
await compare(`${size.toLocaleString("en-US")} idle agents`, { unit: "bytes per agent", rounds: 5 }, [
  { name: "agents alone", run: () => bytesEach(makeAgents) },
  {
    name: "under one supervisor",
    run: () => bytesEach(() => supervise(makeAgents())),
    aim: { of: "value", atMost: 3000 }
  },
  { name: "under one supervisor, each called once", run: () => bytesEach(called), aim: { of: "value", atMost: 3000 } }
])
