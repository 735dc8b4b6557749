/** One of sixteen nodes has a new version; each asks one other a round, by lot, and soon all of them have it. */
import { Array, Effect, Random, Schema } from "effect"
import { Agent, Gossip, Task } from "tutti"

const Merge = Task.make("Merge", { input: { versions: Schema.Array(Schema.Int) }, output: Schema.Int })

/** Keeps the highest version that it has heard of. */
const node = (version: number) =>
  Agent.make("node", { task: Merge, run: ({ versions }) => Effect.succeed(Math.max(version, ...versions)) })

const nodes = Array.makeBy(16, (index) => node(index === 0 ? 7 : 6))

// #region gossip
const spread = Gossip.make("spread", {
  members: nodes,
  state: (version) => version,
  // What a member is asked: `own` is its state, `heard` are those of its contacts. In the first round there are none.
  question: (_: void, { heard, own }) => ({ versions: own === undefined ? heard : [own, ...heard] }),
  settled: (versions) => versions.every((version) => version === 7),
  mode: "pull",
  fanOut: 1
})
// #endregion

export const program = Effect.map(spread.run(), ({ rounds, states }) => [
  `${states.filter((version) => version === 7).length} of ${states.length} nodes have version 7`,
  `after ${rounds} rounds`
]).pipe(Random.withSeed("the same lots each time"))

export const expected = ["16 of 16 nodes have version 7", "after 8 rounds"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
