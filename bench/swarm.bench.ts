/**
 * Swarms that vote on one question: time and memory by the number of members, and how they grow. Exponent 1: twice the
 * members take twice as long.
 */
import { Array, Effect, Layer, Schema } from "effect"
import { Agent, Consensus, Orchestration, Swarm, Task } from "tutti"
import * as Memory from "tutti/memory"
import { collectGarbage, median, printMachine } from "./harness.ts"

const Ask = Task.make("Ask", { input: { text: Schema.String }, output: Schema.Literals(["yes", "no"]) })

const makeSwarm = (members: number, rule: Consensus.Rule<string>) => {
  let asked = 0
  const voter = Agent.make("voter", {
    task: Ask,
    run: () => Effect.map(Effect.yieldNow, () => (asked++ % 3 === 0 ? "no" : "yes"))
  })
  return Swarm.make("swarm", {
    members: Array.replicate(voter, members),
    vote: (answer) => answer,
    rule
  })
}

const settings: ReadonlyArray<{
  readonly name: string
  readonly sizes: ReadonlyArray<number>
  readonly vote: (members: number) => Effect.Effect<unknown, unknown>
}> = [
  {
    name: "outside of a run, all heard",
    sizes: [1_000, 10_000, 100_000],
    vote: (members) => makeSwarm(members, Consensus.majority({ quorum: members })).run({ text: "?" })
  },
  {
    name: "outside of a run, first valid vote",
    sizes: [1_000, 10_000, 100_000],
    vote: (members) => makeSwarm(members, Consensus.firstValid()).run({ text: "?" })
  },
  {
    name: "in a run, memory, all heard",
    sizes: [1_000, 10_000],
    vote: (members) => {
      const swarm = makeSwarm(members, Consensus.majority({ quorum: members }))
      const Vote = Orchestration.make("Vote", {
        input: Ask.input,
        output: Schema.String,
        run: (input) => Effect.orDie(Effect.map(swarm.run(input), ({ option }) => option))
      })
      return Effect.provide(Vote.run({ text: "?" }), Layer.provideMerge(Vote.layer, Memory.layer))
    }
  },
  {
    name: "counting alone",
    sizes: [1_000, 10_000, 100_000],
    vote: (members) =>
      Effect.sync(() => {
        const names = Array.makeBy(members, String)
        const count = Consensus.majority().open(names)
        for (let member = 0; member < members; member++) {
          count.add(member, `${member % 7}`)
          count.standing()
        }
      })
  }
]

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 3)

/** Milliseconds of the processor, and megabytes of heap above what there was before, garbage and all, at the end of a vote. */
const measure = async (vote: () => Effect.Effect<unknown, unknown>) => {
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const start = process.cpuUsage()
  await Effect.runPromise(vote())
  const { system, user } = process.cpuUsage(start)
  const time = (user + system) / 1000
  return { time, heap: (process.memoryUsage().heapUsed - before) / 1e6 }
}

printMachine()
for (const { name, sizes, vote } of settings) {
  console.log(`\n${name}\n   members     cpu ms   us/member   heap MB   growth`)
  let last: { readonly size: number; readonly time: number } | undefined
  for (const size of sizes) {
    await measure(() => vote(size))
    const measured: Array<{ readonly time: number; readonly heap: number }> = []
    for (let round = 0; round < rounds; round++) measured.push(await measure(() => vote(size)))
    const time = median(measured.map(({ time }) => time))
    const heap = Math.max(...measured.map(({ heap }) => heap))
    const growth = last === undefined ? "-" : (Math.log(time / last.time) / Math.log(size / last.size)).toFixed(2)
    last = { size, time }
    console.log(
      String(size).padStart(10),
      time.toFixed(1).padStart(10),
      ((time * 1000) / size).toFixed(2).padStart(11),
      heap.toFixed(1).padStart(9),
      growth.padStart(8)
    )
  }
}
