/** Why is the shop slow? Each source adds what it knows as soon as the board says enough, until the cause stands there. */
import { Effect, Schema } from "effect"
import { Agent, Blackboard, Task } from "tutti"

const Clues = Schema.Array(Schema.String)
const Look = Task.make("Look", { input: { incident: Schema.String, clues: Clues }, output: Clues })

/** Posts its clue once those that it needs are on the board. */
const source = (
  name: string,
  { clue, needs = [] }: { readonly clue: string; readonly needs?: ReadonlyArray<string> }
) =>
  Agent.make(name, {
    task: Look,
    run: ({ clues }) => {
      const isDue = needs.every((need) => clues.includes(need)) && !clues.includes(clue)
      return Effect.succeed(isDue ? [clue] : [])
    }
  })

// #region blackboard
const diagnosis = Blackboard.make("diagnosis", {
  sources: [
    source("expert", { clue: "cause: release 7", needs: ["slow since noon", "release 7 at noon"] }),
    source("deployments", { clue: "release 7 at noon", needs: ["slow since noon"] }),
    source("metrics", { clue: "slow since noon" })
  ],
  posts: (clues) => clues,
  question: (incident: string, board) => ({ incident, clues: board.map(({ entry }) => entry) }),
  solved: (board) => board.some(({ entry }) => entry.startsWith("cause: ")),
  rounds: 5,
  timeout: "1 minute" // who is late posts nothing in that round
})
// #endregion

export const program = Effect.map(diagnosis.run("the shop is slow"), ({ board }) =>
  board.map(({ entry, round, source }) => `${round} ${source}: ${entry}`)
)

export const expected = ["1 metrics: slow since noon", "2 deployments: release 7 at noon", "3 expert: cause: release 7"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
