/**
 * Agents that solve a problem together by what they post on a board that all of them read.
 *
 * A round asks every source that has something to say, at once; what they post becomes visible when the round is over.
 *
 * Invariants (checked by `test/patterns/Blackboard.test.ts`, `Blackboard.property.test.ts` and, inside a run, by
 * `Blackboard.durable.test.ts`):
 *
 *   K1. All sources of a round read the same board: that after the last round.
 *   K2. Posts come onto the board in the order of the sources, whoever was faster. Nothing is ever taken off it.
 *   K3. The board is solved, or its ending is typed: `Unsolved`, because a round brought nothing or the last one is over.
 *   K4. A source that fails or is late posts nothing in that round.
 *   K5. In a run, each answer is a step, and who was heard one recorded decision a round: a replay fills the board alike.
 *
 * Source: Erman, Hayes-Roth, Lesser & Reddy, "The Hearsay-II Speech-Understanding System", ACM Computing Surveys, 1980.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Agent from "../../core/Agent.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import {
  type Asking,
  asking,
  type AskingOptions,
  type CommonInput,
  everyAnswer,
  type Members,
  namesOf,
  natural
} from "./Poll.ts"

/**
 * The board was not solved: a round brought nothing new, or all rounds are over.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class Unsolved extends Schema.TaggedError<Unsolved>()("Unsolved", {
  blackboard: Schema.String,
  ending: Schema.Literals(["Quiet", "RoundsSpent"]),
  rounds: Schema.Int,
  entries: Schema.Int
}) {
  override get message(): string {
    const why = this.ending === "Quiet" ? "nobody had anything to add" : "all rounds were held"
    return `Blackboard "${this.blackboard}" was not solved in ${this.rounds} rounds: ${why}; it holds ${this.entries} entries.`
  }
}

/**
 * One entry, by whom, and in which round; the first is 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Posted<out Entry> {
  readonly source: string
  readonly round: number
  readonly entry: Entry
}

/** All entries, oldest first. */
export type Board<Entry> = ReadonlyArray<Posted<Entry>>

/**
 * A board on which the work is done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Solution<out Entry> {
  readonly board: Board<Entry>
  readonly rounds: number
}

/**
 * What a blackboard is made of. All functions must be pure: they run again on replay.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<M extends Members, In, Entry> extends AskingOptions {
  readonly sources: M
  /** What a source posts. */
  readonly posts: (answer: Agent.Output<M[number]>) => ReadonlyArray<Entry>
  /** What the sources are asked, in view of the board. */
  readonly question: (input: In, board: Board<NoInfer<Entry>>) => CommonInput<M[number]>
  /** Is a source asked in this round? Default: always. */
  readonly when?: (source: string, board: Board<NoInfer<Entry>>) => boolean
  /** The moderator: what of a round's posts comes onto the board. Default: all. */
  readonly moderate?: (
    posts: ReadonlyArray<Posted<NoInfer<Entry>>>,
    board: Board<NoInfer<Entry>>
  ) => ReadonlyArray<Posted<NoInfer<Entry>>>
  /** Is the work done? Default: when a round brings nothing new. */
  readonly solved?: (board: Board<NoInfer<Entry>>, input: In) => boolean
  /** Rounds it holds at most. Default 10. */
  readonly rounds?: number
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * Makes a blackboard.
 *
 * **Details** Failures of sources stay in: who fails posts nothing. With `concurrency: 1` sources still do not see each
 * other's posts of the same round.
 *
 * **Gotchas** Each source is asked with what `question` makes of the whole board: keep that short on long boards.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const M extends Members, Entry, In>(
  name: string,
  options: Options<M, In, Entry>
): Agent.Agent<In, Solution<Entry>, Unsolved, Agent.Services<M[number]>> => {
  if (options.sources.length === 0) throw new Error(`blackboard "${name}" needs a source`)
  const blackboard: Blackboard = {
    name,
    sources: options.sources,
    names: namesOf(options.sources),
    posts: options.posts,
    question: options.question,
    when: options.when ?? (() => true),
    moderate: options.moderate ?? ((posts) => posts),
    solved: options.solved,
    rounds: natural("rounds", options.rounds ?? 10),
    ...asking(options)
  }
  return Agent.compose<any, any, any, any>(name, {
    pattern: "Blackboard",
    capabilities: options.capabilities ?? [],
    run: (input) => solve(blackboard, input)
  })
}

interface Blackboard extends Asking {
  readonly name: string
  readonly sources: ReadonlyArray<Agent.Any>
  readonly names: ReadonlyArray<string>
  readonly posts: (answer: any) => ReadonlyArray<any>
  readonly question: (input: any, board: Board<any>) => any
  readonly when: (source: string, board: Board<any>) => boolean
  readonly moderate: (posts: ReadonlyArray<Posted<any>>, board: Board<any>) => ReadonlyArray<Posted<any>>
  readonly solved: ((board: Board<any>, input: any) => boolean) | undefined
  readonly rounds: number
}

const solve = Effect.fnUntraced(function* (blackboard: Blackboard, input: unknown): Effect.fn.Return<any, any, any> {
  const { moderate, name, rounds, solved } = blackboard
  let board: Board<unknown> = []
  for (let round = 1; round <= rounds; round++) {
    const posts = moderate(yield* inRound(ask(blackboard, { input, board, round })), board)
    const sources = new Set(posts.map(({ source }) => source)).size
    yield* PatternEvent.state({ _tag: "EntriesPosted", round, entries: posts.length, sources })
    board = board.concat(posts)
    if (solved?.(board, input) === true || (solved === undefined && posts.length === 0)) return { board, rounds: round }
    if (posts.length === 0) return yield* unsolved(name, "Quiet", { board, rounds: round })
  }
  return yield* unsolved(name, "RoundsSpent", { board, rounds })
})

const unsolved = (blackboard: string, ending: Unsolved["ending"], { board, rounds }: Solution<unknown>) =>
  Effect.fail(new Unsolved({ blackboard, ending, rounds, entries: board.length }))

const inRound = Run.scoped("round")

interface Round {
  readonly input: unknown
  readonly board: Board<unknown>
  readonly round: number
}

const ask = Effect.fnUntraced(function* (
  { concurrency, names, posts, question, sources, timeout, when }: Blackboard,
  { board, input, round }: Round
): Effect.fn.Return<ReadonlyArray<Posted<unknown>>, never, any> {
  const awake = sources.flatMap((source, number) => {
    const name = names[number]!
    return when(name, board) ? [{ source, name }] : []
  })
  if (awake.length === 0) return []
  const asked = question(input, board)
  const answers = yield* everyAnswer<any, any, any>({
    members: awake.map(({ name }) => name),
    concurrency,
    timeout,
    ask: (member) => awake[member]!.source.run(asked)
  })
  return answers.flatMap((answer, member) => {
    if (answer === undefined || Exit.isFailure(answer)) return []
    return posts(answer.value).map((entry) => ({ source: awake[member]!.name, round, entry }))
  })
})
