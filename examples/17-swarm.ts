/** Seven estimators who see how they stand, and are asked again until most of them agree. */
import { Array, Effect, Schema } from "effect"
import { Agent, Consensus, Swarm, Task } from "tutti"

const Estimate = Task.make("Estimate", {
  input: { story: Schema.String, others: Schema.Array(Schema.Int) },
  output: { days: Schema.Int }
})

/** Takes its first guess from experience, and yields to what most others say if that is not too far away. */
const estimator = (name: string, guess: number) =>
  Agent.make(name, {
    task: Estimate,
    run: ({ others: [leading = guess] }) => Effect.succeed({ days: Math.abs(leading - guess) <= 2 ? leading : guess })
  })

const team = Array.map(Array.make(3, 5, 5, 8, 5, 4, 7), (guess, index) => estimator(`estimator-${index + 1}`, guess))

// #region swarm
const estimate = Swarm.make("estimate", {
  members: team,
  rule: Consensus.majority({ share: 2 / 3, quorum: 5 }),
  vote: ({ days }) => `${days} days`,
  question: (story: string, previous) => ({
    story,
    others: previous?.tally.votes.map(({ option }) => Number.parseInt(option)) ?? []
  }),
  timeout: "1 minute", // who has not answered by then abstains
  limits: { rounds: 5, stall: 2, divergence: 0.5 }
})
// #endregion

// #region ends
/** What became of it, in words. */
const inWords = (story: string) =>
  estimate.run(story).pipe(
    Effect.map(({ option, rounds, tally }) => [
      `${story}: ${option}, after ${rounds} rounds`,
      ...tally.votes.map(({ option, votes }) => `${votes} for ${option}`)
    ]),
    Effect.catchTag("NoConsensus", (error) => Effect.succeed([error.message, `ending: ${error.ending}`]))
  )
// #endregion

export const program = inWords("login page")

export const expected = ["login page: 5 days, after 2 rounds", "5 for 5 days", "1 for 8 days"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
