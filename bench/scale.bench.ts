/**
 * 1,000, 10,000 and 100,000 agents under one supervisor, in one hierarchy, and in one swarm: each called once. Every agent is a
 * value of its own.
 */
import { Effect, Schema } from "effect"
import { Agent, Consensus, Directive, Hierarchy, Routing, Step, Supervisor, Swarm, Task } from "tutti"
import { growth, type Make } from "./growth.ts"
import { printMachine } from "./harness.ts"

const Work = Task.make("Work", { input: { value: Schema.Int }, output: { value: Schema.Int } })

const makeAgents = (size: number) =>
  Array.from({ length: size }, (_, index) =>
    Agent.make(`worker-${index}`, { task: Work, run: ({ value }) => Effect.succeed({ value: value + 1 }) })
  )
type Worker = ReturnType<typeof makeAgents>[number]

const concurrency = 100

/** Each input goes to the next worker, 100 at a time. */
const supervisor: Make = (size) => {
  const team = Supervisor.make("team", {
    agents: makeAgents(size) as [Worker, ...Array<Worker>],
    route: Routing.roundRobin,
    onFailure: { ContractViolation: Directive.escalate }
  })
  return () =>
    Effect.runPromise(
      Effect.forEach(Array(size).keys(), (value) => team.run({ value }), { concurrency, discard: true })
    )
}

/** Leads of 100 reports each, as deep as it takes: every lead delegates to all of its reports. */
const hierarchy: Make = (size) => {
  const lead = (
    name: string,
    below: ReadonlyArray<Agent.Agent<{ readonly value: number }, { readonly value: number }, any>>
  ) => {
    const reports = Object.fromEntries(below.map((agent, index) => [`report-${index}`, agent]))
    return Hierarchy.make(name, {
      reports,
      lead: ({ value }: { readonly value: number }, { delegate }) =>
        Effect.map(
          Step.forEach(Object.keys(reports), (report) => delegate(report, { value }), { concurrency }),
          (answers) => ({ value: answers.reduce((sum, answer) => sum + answer.value, 0) })
        )
    })
  }
  let level: ReadonlyArray<Agent.Agent<{ readonly value: number }, { readonly value: number }, any>> = makeAgents(size)
  for (let depth = 0; level.length > 1; depth++) {
    const leads: Array<(typeof level)[number]> = []
    for (let from = 0; from < level.length; from += 100)
      leads.push(lead(`lead-${depth}-${from}`, level.slice(from, from + 100)))
    level = leads
  }
  return () => Effect.runPromise(level[0]!.run({ value: 1 }))
}

/** Everyone is asked, and heard. */
const swarm: Make = (size) => {
  const members = makeAgents(size) as [Worker, ...Array<Worker>]
  const voters = Swarm.make("voters", {
    members,
    vote: ({ value }) => String(value),
    rule: Consensus.unanimous()
  })
  return () => Effect.runPromise(voters.run({ value: 1 }))
}

const sizes = [1_000, 10_000, 100_000]

printMachine()
await growth([
  { name: "Supervisor, round robin", sizes, make: supervisor },
  { name: "Hierarchy of leads with 100 reports each", sizes, make: hierarchy },
  { name: "Swarm, all vote on one question", sizes, make: swarm }
])
