/** What agents cost in hierarchies: 1,000 and 10,000 of them in a tree, idle, and at work once each. */
import { Effect, Schema } from "effect"
import { Agent, Hierarchy, Task } from "tutti"
import { collectGarbage, compare, microsEach, printMachine } from "./harness.ts"

const span = 10

const Work = Task.make("Work", { input: { value: Schema.Int }, output: { value: Schema.Int } })
const worker = (name: string) =>
  Agent.make(name, { task: Work, run: ({ value }) => Effect.succeed({ value: value + 1 }) })

type Counter = Agent.Agent<{ readonly value: number }, { readonly value: number }, any>

/** A tree with ten reports to each lead: its leaves are the workers. */
const tree = (workers: number, name = "team"): Counter =>
  workers === 1
    ? worker(name)
    : Hierarchy.make(name, {
        reports: Object.fromEntries(
          Array.from({ length: span }, (_, index) => [`report${index}`, tree(workers / span, `${name}${index}`)])
        ),
        lead: (input: { readonly value: number }, { delegate }) =>
          Effect.gen(function* () {
            let { value } = input
            for (let index = 0; index < span; index++) value = (yield* delegate(`report${index}`, { value })).value
            return { value }
          })
      })

/** One lead that delegates to each of its reports. */
const flat = (workers: number): Counter =>
  Hierarchy.make("team", {
    reports: Object.fromEntries(Array.from({ length: workers }, (_, index) => [`report${index}`, worker(`${index}`)])),
    lead: (input: { readonly value: number }, { delegate }) =>
      Effect.gen(function* () {
        let { value } = input
        for (let index = 0; index < workers; index++) value = (yield* delegate(`report${index}`, { value })).value
        return { value }
      })
  })

const bare = (workers: number) => Array.from({ length: workers }, (_, index) => worker(`${index}`))
const callEach = (agents: ReturnType<typeof bare>) =>
  Effect.reduce(
    agents,
    () => ({ value: 0 }),
    (input, agent) => agent.run(input)
  )

const kept: Array<unknown> = []

/** Bytes of heap that remain per worker. */
const bytesEach = (workers: number, make: (workers: number) => unknown): number => {
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  kept.push(make(workers))
  collectGarbage()
  const bytes = (process.memoryUsage().heapUsed - before) / workers
  kept.length = 0
  return bytes
}

const timed = (workers: number, run: Effect.Effect<{ readonly value: number }, any>) => () =>
  microsEach(workers, async () => {
    const { value } = await Effect.runPromise(run)
    if (value !== workers) throw new Error(`${value} calls instead of ${workers}`)
  })

printMachine()
for (const workers of [1000, 10_000]) {
  const count = workers.toLocaleString("en-US")
  const alone = `${count} agents alone`
  await compare(`${count} agents, each called once`, { unit: "microseconds per agent", rounds: 5 }, [
    { name: alone, run: timed(workers, callEach(bare(workers))) },
    { name: "under one lead", run: timed(workers, flat(workers).run({ value: 0 })), reference: alone },
    { name: "in a tree of tens", run: timed(workers, tree(workers).run({ value: 0 })), reference: alone }
  ])
}
for (const workers of [1000, 10_000]) {
  const count = workers.toLocaleString("en-US")
  const alone = `${count} agents alone`
  await compare(`${count} idle agents`, { unit: "bytes per agent", rounds: 3 }, [
    { name: alone, run: () => bytesEach(workers, bare) },
    { name: "under one lead", run: () => bytesEach(workers, flat), reference: alone },
    { name: "in a tree of tens", run: () => bytesEach(workers, tree), reference: alone }
  ])
}
