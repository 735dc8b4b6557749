/** Under the test kit a seed is the whole story: who is slow, who says what, in which order, and what the log holds of it. */
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect, Layer, Random, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { Agent, Auction, Blackboard, Consensus, Orchestration, Swarm, Task } from "../../src/index.ts"
import { Seeds } from "../../src/testing/index.ts"

const Draw = Task.make("Draw", { input: {}, output: Schema.Int })

/** Agents that take their time, and answer, by lot. Half of them are as slow as each other. */
const makeAgents = () => {
  const log: Array<string> = []
  const agents = Arr.makeBy(8, (index) =>
    Agent.make(`a${index}`, {
      task: Draw,
      run: () =>
        Effect.gen(function* () {
          log.push(`a${index} is asked`)
          yield* Effect.sleep(`${index % 2 === 0 ? 1 : yield* Random.nextIntBetween(0, 4)} seconds`)
          const drawn = yield* Random.nextIntBetween(0, 9)
          log.push(`a${index} answers ${drawn}`)
          return drawn
        })
    })
  )
  return { agents, log }
}
type Agents = ReturnType<typeof makeAgents>["agents"]
type Pattern = Agent.Agent<{}, unknown, { readonly _tag: string }>

const patterns: { readonly [name: string]: (agents: Agents) => Pattern } = {
  Swarm: (members) =>
    Swarm.make("swarm", {
      members,
      rule: Consensus.majority(),
      vote: (drawn) => (drawn % 3 === 0 ? "yes" : "no"),
      limits: { rounds: 3 },
      concurrency: 3
    }),
  Auction: (agents) =>
    Auction.make("auction", {
      contractors: Object.fromEntries(agents.map((agent) => [agent.name, { bid: agent, perform: agent }])),
      worth: (drawn) => (drawn > 1 ? drawn : undefined),
      timeout: "3 seconds"
    }),
  Blackboard: (sources) =>
    Blackboard.make("board", {
      sources,
      posts: (drawn: number) => (drawn % 2 === 0 ? [drawn] : []),
      question: (input: {}) => input,
      solved: (board) => board.length > 10
    })
}

const inTestTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, Effect.forever(TestClock.adjust("1 second")))

/** What came of it, who did what in which order, and, in a run, each event of its log. */
const play = (make: (agents: Agents) => Pattern, isInRun: boolean) =>
  Effect.gen(function* () {
    const { agents, log } = makeAgents()
    const pattern = make(agents)
    const ended = (input: {}) => Effect.map(Effect.exit(pattern.run(input)), (exit) => JSON.stringify(exit))
    if (!isInRun) return [yield* inTestTime(ended({})), ...log]
    const Play = Orchestration.make("Play", { input: {}, output: Schema.String, key: () => "one", run: ended })
    return yield* Effect.gen(function* () {
      const end = yield* inTestTime(Play.run({}))
      const { readArray } = yield* EventStore
      const events = yield* readArray("run/Play/one" as never)
      return [end, ...log, ...events.map(({ data, meta, type }) => `${type} ${meta.path} ${JSON.stringify(data)}`)]
    }).pipe(Effect.provide(Layer.provideMerge(Play.layer, Memory.layer)))
  })

const seeds = Arr.range(1, 8)

for (const [name, make] of Object.entries(patterns)) {
  describe(name, () => {
    for (const [where, isInRun] of [
      ["outside of a run", false],
      ["in a run", true]
    ] as const) {
      it.live(`the same seed, the same ${name.toLowerCase()}; another one, another: ${where}`, () =>
        Effect.gen(function* () {
          const playAll = Effect.forEach(seeds, (seed) => Seeds.one(seed, () => play(make, isInRun)))
          const played = yield* playAll
          assert.deepStrictEqual(yield* playAll, played)
          assert.strictEqual(new Set(played.map((lines) => lines.join("\n"))).size, seeds.length)
        })
      )
    }
  })
}
