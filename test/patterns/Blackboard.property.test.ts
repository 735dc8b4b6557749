/** Random sources under random moderators: what is on the board, and who has seen what of it, is what the invariants say. */
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Task from "../../src/core/Task.ts"
import * as Blackboard from "../../src/patterns/swarm/Blackboard.ts"

class Lost extends Schema.TaggedError<Lost>()("Lost", {}) {}
const Look = Task.make("Look", {
  input: { board: Schema.Array(Schema.String) },
  output: Schema.Array(Schema.Int),
  error: Lost
})

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const listOf = <S extends Schema.Constraint>(item: S, [least, most]: readonly [number, number]) =>
  Schema.Array(item).check(Schema.isMinLength(least), Schema.isMaxLength(most))

/** What it posts when it is asked once more, and after how many seconds. After 10 it is late. */
const Turn = Schema.Struct({
  posts: Schema.Union([listOf(between(0, 9), [0, 3]), Schema.Literal("fails")]),
  takes: Schema.Literals([0, 0, 1, 2, 11])
})
/** One turn after the other; then it has nothing more to say. */
const Source = listOf(Turn, [0, 4])
type Source = typeof Source.Type
const Sources = listOf(Source, [1, 4])
const Moderation = Schema.Struct({
  /** Is asked while the board has fewer entries than that, for each source. */
  patience: listOf(between(1, 9), [4, 4]),
  /** Posts that are taken in a round. */
  most: between(0, 6),
  /** Solved with so many entries on the board. */
  enough: Schema.UndefinedOr(between(0, 8)),
  rounds: between(1, 5)
})
type Moderation = typeof Moderation.Type

const inWords = (board: Blackboard.Board<number>) =>
  board.map(({ entry, round, source }) => `${round} ${source} ${entry}`)

type Seen = Array<{ readonly source: string; readonly board: ReadonlyArray<string> }>

const play = (scripts: ReadonlyArray<Source>, { enough, most, patience, rounds }: Moderation) => {
  const seen: Seen = []
  const sources = Arr.map(scripts as Arr.NonEmptyReadonlyArray<Source>, (script, index) => {
    let turn = 0
    return Agent.make(`s${index}`, {
      task: Look,
      run: ({ board }) =>
        Effect.suspend(() => {
          seen.push({ source: `s${index}`, board })
          const { posts, takes } = script[turn++] ?? { posts: [], takes: 0 }
          return Effect.andThen(
            Effect.sleep(`${takes} seconds`),
            posts === "fails" ? Effect.fail(new Lost()) : Effect.succeed(posts)
          )
        })
    })
  })
  const blackboard = Blackboard.make("board", {
    sources,
    posts: (posts: ReadonlyArray<number>) => posts,
    question: (_: void, board) => ({ board: inWords(board) }),
    when: (source, board) => board.length < patience[Number(source.slice(1))]!,
    moderate: (posts) => posts.slice(0, most),
    rounds,
    timeout: "10 seconds",
    ...(enough === undefined ? {} : { solved: (board: Blackboard.Board<number>) => board.length >= enough })
  })
  return { blackboard, seen }
}

/** Round by round, as K1 to K4 say: with what each source reads, and how it ends. */
const model = (scripts: ReadonlyArray<Source>, { enough, most, patience, rounds }: Moderation) => {
  const turns = scripts.map(() => 0)
  const seen: Seen = []
  const board: Array<string> = []
  for (let round = 1; round <= rounds; round++) {
    const before = [...board]
    const posted = scripts.flatMap((script, index) => {
      if (before.length >= patience[index]!) return []
      seen.push({ source: `s${index}`, board: before })
      const { posts, takes } = script[turns[index]!++] ?? { posts: [], takes: 0 }
      return posts === "fails" || takes > 10 ? [] : posts.map((entry) => `${round} s${index} ${entry}`)
    })
    const taken = posted.slice(0, most)
    board.push(...taken)
    const isSolved = enough === undefined ? taken.length === 0 : board.length >= enough
    if (isSolved) return { seen, end: { board, rounds: round } }
    if (taken.length === 0) return { seen, end: { ending: "Quiet", rounds: round, entries: board.length } }
  }
  return { seen, end: { ending: "RoundsSpent", rounds, entries: board.length } }
}

describe("Blackboard, with any sources", () => {
  it.effect.prop(
    "K1, K2, K3, K4: whoever is slow, all read what the last rounds left, and it ends as the board says",
    [Sources, Moderation],
    ([scripts, moderation]) =>
      Effect.gen(function* () {
        const { blackboard, seen } = play(scripts, moderation)
        const fiber = yield* Effect.forkChild(Effect.exit(blackboard.run()), { startImmediately: true })
        yield* TestClock.adjust("1 hour")
        const exit = yield* Fiber.join(fiber)
        const expected = model(scripts, moderation)
        // K2, K3, K4
        if (Exit.isSuccess(exit)) {
          const { board, rounds } = exit.value
          assert.deepStrictEqual({ board: inWords(board), rounds } as unknown, expected.end)
        } else {
          const { ending, entries, rounds } = yield* Effect.flip(exit)
          assert.deepStrictEqual({ ending, rounds, entries } as unknown, expected.end)
        }
        // K1
        assert.deepStrictEqual(seen, expected.seen)
      }),
    { arbitrary: { runs: 200 } }
  )
})
