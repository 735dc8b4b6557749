/** K5: in a run, a replay fills the board alike: each question names the whole board, and is part of a step's digest. */
import { describe } from "@effect/vitest"
import { Exit } from "effect"
import { Blackboard } from "../../src/index.ts"
import { everywhere } from "../durable/everywhere.ts"
import { define } from "../durable/program.ts"

describe("Blackboard in a run", () => {
  everywhere(
    define(
      "posts of several rounds",
      ({ agent }) =>
        Blackboard.make("board", {
          sources: [
            agent("slow", { takes: "3 seconds" }),
            agent("fast"),
            agent("late", { takes: "1 day" }),
            agent("bad", { fails: true })
          ],
          posts: (answer) => [answer.length],
          question: ({ text }: { readonly text: string }, board) => ({
            text: `${text} ${board.map(({ entry }) => entry).join()}`
          }),
          solved: (board) => board.length >= 4,
          when: (source, board) => source !== "late" || board.length > 0,
          timeout: "1 hour"
        }).run({ text: "?" }),
      {
        expected: Exit.succeed({
          board: [
            { source: "slow", round: 1, entry: 8 },
            { source: "fast", round: 1, entry: 8 },
            { source: "slow", round: 2, entry: 11 },
            { source: "fast", round: 2, entry: 11 }
          ],
          rounds: 2
        }),
        effects: ["fast ? ", "fast ? 8,8", "slow ? ", "slow ? 8,8"]
      }
    )
  )

  everywhere(
    define(
      "unsolved",
      ({ agent }) =>
        Blackboard.make("board", {
          sources: [agent("ann"), agent("bob")],
          posts: () => [],
          question: (_: {}, board) => ({ text: `${board.length}` }),
          solved: () => false
        }).run({}),
      {
        error: Blackboard.Unsolved,
        expected: Exit.fail(new Blackboard.Unsolved({ blackboard: "board", ending: "Quiet", rounds: 1, entries: 0 })),
        effects: ["ann 0", "bob 0"]
      }
    )
  )
})
