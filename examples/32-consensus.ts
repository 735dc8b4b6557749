/** Nine friends, one journey: where it goes depends on the rule, and if it goes nowhere, an error says who wanted what. */
import { Array, Effect, pipe, Schema } from "effect"
import { Agent, Consensus, Swarm, Task } from "tutti"

const places = ["lake", "city", "coast"] as const
const Rank = Task.make("Rank", { input: {}, output: Schema.Array(Schema.Literals(places)) })
type Ranking = typeof Rank.output.Type

const friend =
  (...ranking: Ranking) =>
  (name: string) =>
    Agent.make(name, { task: Rank, run: () => Effect.succeed(ranking) })

const members = pipe(
  Array.map(Array.make("ann", "bob", "cid", "dan"), friend("lake", "city", "coast")),
  Array.appendAll(Array.map(["eve", "fay", "gus"], friend("coast", "city", "lake"))),
  Array.appendAll(Array.map(["hal", "ivy"], friend("city", "coast", "lake")))
)

// #region rules
const ranks = (ranking: Ranking) => ranking
const first = (ranking: Ranking) => ranking[0]

const borda = Swarm.make("Borda", { members, vote: ranks, rule: Consensus.borda(places) })
const condorcet = Swarm.make("Condorcet", { members, vote: ranks, rule: Consensus.condorcet(places) })
const plurality = Swarm.make("plurality", { members, vote: first, rule: Consensus.plurality() })
// Eve drives.
const weighted = Swarm.make("weighted", { members, vote: first, rule: Consensus.weighted({ eve: 6 }) })
const unanimous = Swarm.make("unanimous", { members, vote: first, rule: Consensus.unanimous() })
// #endregion

// #region ends
const inWords = (swarm: Agent.Agent<{}, Swarm.Agreement<Consensus.Ballot, Ranking, unknown>, Swarm.NoConsensus>) =>
  swarm.run({}).pipe(
    Effect.map(({ option, tally }) => {
      const votes = tally.votes.map(({ option, votes }) => `${option} ${votes}`)
      return `${swarm.name}: ${option} (${votes.join(", ")})`
    }),
    Effect.catchTag("NoConsensus", ({ reason, tally, votes }) => {
      const wants = votes.map(({ ballot, member }) => `${member} ${ballot}`)
      return Effect.succeed(`${swarm.name}: ${reason._tag} (${wants.join(", ")}, ${tally.unheard} not waited for)`)
    })
  )
// #endregion

export const program = Effect.forEach([borda, condorcet, plurality, weighted, unanimous], inWords)

export const expected = [
  "Borda: city (city 11, lake 8, coast 8)",
  "Condorcet: city (city 2, coast 1, lake 0)",
  "plurality: lake (lake 4, coast 3, city 2)",
  "weighted: coast (coast 8, lake 4)",
  "unanimous: Split (ann lake, bob lake, cid lake, dan lake, eve coast, 4 not waited for)"
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
