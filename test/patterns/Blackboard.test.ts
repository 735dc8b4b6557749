import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Blackboard from "../../src/patterns/swarm/Blackboard.ts"
import * as Seeds from "../../src/testing/Seeds.ts"

class Lost extends Schema.TaggedError<Lost>()("Lost", {}) {}

const Guess = Task.make("Guess", {
  input: { words: Schema.Array(Schema.String) },
  output: Schema.Array(Schema.String),
  error: Lost
})

type Says = (words: ReadonlyArray<string>) => ReadonlyArray<string> | Lost

const source = (name: string, says: Says, seconds = 0) =>
  Agent.make(name, {
    task: Guess,
    run: ({ words }) =>
      Effect.andThen(
        Effect.sleep(`${seconds} seconds`),
        Effect.suspend(() => {
          const said = says(words)
          return said instanceof Lost ? said : Effect.succeed(said)
        })
      )
  })

const base = {
  posts: (words: ReadonlyArray<string>) => words,
  question: (_: void, board: Blackboard.Board<string>) => ({ words: board.map(({ entry }) => entry) })
}

const later = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

const wordsOf = ({ board }: Blackboard.Solution<string>) =>
  board.map(({ entry, round, source }) => `${round} ${source} ${entry}`)

const once =
  (word: string): Says =>
  (words) =>
    words.includes(word) ? [] : [word]

describe("Blackboard", () => {
  it.live("K1, K2: all read the board after the last round, and post in the order of the sources", () =>
    Seeds.forEach(20, () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const watching =
          (name: string, says: Says): Says =>
          (words) => {
            seen.push(`${name} ${words.join("")}`)
            return says(words)
          }
        const blackboard = Blackboard.make("board", {
          ...base,
          sources: [
            source("slow", watching("slow", once("a")), 9),
            source("fast", watching("fast", once("b"))),
            source(
              "late",
              watching("late", (words) => (words.length === 2 ? ["c"] : [])),
              3
            )
          ]
        })
        const solution = yield* later(blackboard.run())
        assert.deepStrictEqual(wordsOf(solution), ["1 slow a", "1 fast b", "2 late c"])
        assert.strictEqual(solution.rounds, 3)
        assert.deepStrictEqual(seen.slice(3, 6), ["fast ab", "late ab", "slow ab"])
      })
    )
  )

  it.effect("K3: solved as soon as the board says so", () =>
    Effect.gen(function* () {
      const blackboard = Blackboard.make("board", {
        ...base,
        sources: [source("ann", (words) => [`${words.length}`])],
        solved: (board) => board.length === 3
      })
      assert.deepStrictEqual(wordsOf(yield* later(blackboard.run())), ["1 ann 0", "2 ann 1", "3 ann 2"])
    })
  )

  it.effect("K3: unsolved, because nobody had anything to add, or after the last round", () =>
    Effect.gen(function* () {
      const options = { ...base, solved: () => false, rounds: 4 }
      const quiet = Blackboard.make("board", { ...options, sources: [source("ann", once("a"))] })
      const ended = yield* Effect.flip(later(quiet.run()))
      assert.deepStrictEqual([ended.ending, ended.rounds, ended.entries], ["Quiet", 2, 1])
      assert.strictEqual(
        ended.message,
        'Blackboard "board" was not solved in 2 rounds: nobody had anything to add; it holds 1 entries.'
      )
      const busy = Blackboard.make("board", { ...options, sources: [source("ann", () => ["a"])] })
      const spent = yield* Effect.flip(later(busy.run()))
      assert.deepStrictEqual([spent.ending, spent.rounds, spent.entries], ["RoundsSpent", 4, 4])
    })
  )

  it.effect("K4: who fails or is late posts nothing", () =>
    Effect.gen(function* () {
      const blackboard = Blackboard.make("board", {
        ...base,
        sources: [source("bad", () => new Lost()), source("slow", once("s"), 60), source("good", once("g"))],
        timeout: "10 seconds"
      })
      assert.deepStrictEqual(wordsOf(yield* later(blackboard.run())), ["1 good g"])
    })
  )

  it.effect("a moderator says who is asked, and what comes onto the board", () =>
    Effect.gen(function* () {
      const blackboard = Blackboard.make("board", {
        ...base,
        sources: [source("ann", () => ["a", "b"]), source("bob", () => ["c"])],
        when: (name, board) => (name === "ann") === (board.length === 0) && board.length < 2,
        moderate: (posts, board) => posts.slice(0, 2 - board.length).filter(({ entry }) => entry !== "a")
      })
      const solution = yield* later(blackboard.run())
      assert.deepStrictEqual(wordsOf(solution), ["1 ann b", "2 bob c"])
      assert.strictEqual(solution.rounds, 3)
    })
  )

  it("mistakes are named where they are made", () => {
    assert.throws(
      () => Blackboard.make("board", { ...base, sources: [] as never }),
      'blackboard "board" needs a source'
    )
    assert.throws(
      () => Blackboard.make("board", { ...base, sources: [source("ann", once("a"))], rounds: 0 }),
      "rounds must be an integer from 1, got 0"
    )
  })
})
