/**
 * Agents that argue before a judge: each hears what was said before, and after so many rounds the judge decides.
 *
 * Invariants (checked by `test/patterns/Debate.test.ts` and `test/patterns/SmallPatterns.durable.test.ts`):
 *
 *   B1. Each debater speaks once in a round, in the order in which they stand, and there are at most `rounds` rounds.
 *   B2. Debaters who alternate hear all that was said before them; those who speak simultaneously hear the rounds before.
 *   B3. The judge hears every argument, once the last round is over, and gives the only verdict.
 *   B4. `until` is asked after each round but the last, and ends the debate early.
 *   B5. The first failure ends the debate; nobody speaks after it.
 *
 * Source: Irving, Christiano & Amodei, "AI Safety via Debate", 2018 (alternating, with a judge); Du et al., "Improving
 * Factuality and Reasoning in Language Models through Multiagent Debate", 2023 (simultaneous, until all agree).
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Agent from "../core/Agent.ts"
import * as PatternEvent from "../core/PatternEvent.ts"
import * as Run from "../core/Run.ts"
import type * as Task from "../core/Task.ts"
import * as Step from "../durable/Step.ts"
import * as Part from "./Part.ts"
import type { CommonInput } from "./supervisor/Supervisor.ts"

/** One argument of one debater. */
export interface Entry<out Argument> {
  /** From 1. */
  readonly round: number
  readonly speaker: string
  readonly argument: Argument
}

/** What was said about a question so far. */
export interface Hearing<out Question, out Argument> {
  readonly question: Question
  /** In the order in which it was said. */
  readonly transcript: ReadonlyArray<Entry<Argument>>
}

/** What a debater hears whose turn it is. */
export interface Turn<out Question, out Argument> extends Hearing<Question, Argument> {
  /** From 1. */
  readonly round: number
  /** The side that the debater speaks for. */
  readonly speaker: string
}

/** Debaters by the name of the side they speak for. */
export type Debaters = { readonly [speaker: string]: Agent.Agent<any, any, any, any> }

/** What the debaters argue about. */
export type Question<D extends Debaters> = CommonInput<D[keyof D]> extends { readonly question: infer Q } ? Q : unknown

/** What the debaters say. */
export type Argument<D extends Debaters> = Agent.Output<D[keyof D]>

/** What a judge of these debaters hears. */
export type HearingOf<D extends Debaters> = Hearing<Question<D>, Argument<D>>

/** Each debater, as long as it can listen to all the others. */
export type Listening<D extends Debaters> = {
  readonly [Speaker in keyof D]: Agent.Agent<Turn<Question<D>, Argument<D>>, any, any, any>
}

/**
 * What a debate is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<D extends Debaters, Judge, Until> {
  readonly debaters: D & Listening<D>
  /** Gives the verdict: an agent, or a pure function. */
  readonly judge: Judge
  /** At most so many rounds. */
  readonly rounds: number
  /** Has enough been said? An agent, or a pure function. Default: never before the last round. */
  readonly until?: Until
  /** Default `"alternate"`. */
  readonly speaking?: "alternate" | "simultaneous"
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * Makes a debate.
 *
 * **Details**
 *
 * - Takes the question, gives the judge's verdict.
 * - A debater takes a `Turn`, the judge and `until` take a `Hearing`: `Debate.turn` and `Debate.hearing` are their schemas.
 * - In a run each round is a scope of its own, and `DebateEnded` states how many there were, and why no more.
 *
 * **Gotchas** A transcript grows with each argument and is part of each turn: what is recorded of a turn is its digest and
 * the argument, not the transcript.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <
  const D extends Debaters,
  const Judge extends Part.Part<HearingOf<D>, any>,
  const Until extends Part.Part<HearingOf<D>, boolean> = (hearing: HearingOf<D>) => boolean
>(
  name: string,
  options: Options<D, Judge, Until>
): Agent.Agent<
  Question<D>,
  Part.Output<Judge>,
  Agent.Error<D[keyof D]> | Agent.Error<Judge> | Agent.Error<Until>,
  Agent.Services<D[keyof D]> | Agent.Services<Judge> | Agent.Services<Until>
> => {
  const speakers: ReadonlyArray<readonly [string, Agent.Any]> = Object.entries(options.debaters)
  if (speakers.length === 0) throw new RangeError(`debate "${name}" needs a debater`)
  if (!Number.isInteger(options.rounds) || options.rounds < 1) {
    throw new RangeError(`rounds of debate "${name}" must be an integer from 1, got ${options.rounds}`)
  }
  const judge = Part.play<Hearing<unknown, unknown>, any, any, any>(options.judge as any)
  const rules: Rules = {
    speakers,
    rounds: options.rounds,
    until: Part.play<any, boolean, any, any>((options.until ?? (() => false)) as any),
    alternates: options.speaking !== "simultaneous"
  }
  return Agent.compose<any, any, any, any>(name, {
    pattern: "Debate",
    capabilities: options.capabilities ?? [],
    run: (question) => Effect.flatMap(debate(rules, question), (transcript) => judge({ question, transcript }))
  })
}

interface Rules {
  readonly speakers: ReadonlyArray<readonly [string, Agent.Any]>
  readonly rounds: number
  readonly until: (hearing: Hearing<unknown, unknown>) => Effect.Effect<boolean, any, any>
  readonly alternates: boolean
}

const inRound = Run.scoped("round")

/** The arguments of one round. */
const hold = ({ alternates, speakers }: Rules, { question, transcript }: Hearing<unknown, unknown>, round: number) =>
  Effect.suspend(() => {
    const said: Array<Entry<unknown>> = []
    const speak = ([speaker, agent]: Rules["speakers"][number]): Effect.Effect<Entry<unknown>, any, any> => {
      const heard = alternates ? [...transcript, ...said] : transcript
      return Effect.map(agent.run({ question, round, speaker, transcript: heard }), (argument) => {
        const entry = { round, speaker, argument }
        said.push(entry)
        return entry
      })
    }
    return Step.forEach(speakers, speak, { concurrency: alternates ? 1 : "unbounded", key: ([speaker]) => speaker })
  })

const debate = (rules: Rules, question: unknown) =>
  Effect.gen(function* () {
    let transcript: ReadonlyArray<Entry<unknown>> = []
    for (let round = 1; ; round++) {
      transcript = transcript.concat(yield* inRound(hold(rules, { question, transcript }, round)))
      const isLast = round === rules.rounds
      if (!isLast && !(yield* rules.until({ question, transcript }))) continue
      yield* PatternEvent.state({ _tag: "DebateEnded", rounds: round, reason: isLast ? "RoundsOver" : "EnoughSaid" })
      return transcript
    }
  })

const hearingFields = <Q extends Task.DataSchema, A extends Task.DataSchema>(question: Q, argument: A) => ({
  question,
  transcript: Schema.Array(Schema.Struct({ round: Schema.Int, speaker: Schema.String, argument }))
})

/**
 * The schema of what a judge hears.
 *
 * @category schemas
 * @stability experimental
 * @since 0.1.0
 */
export const hearing = <Q extends Task.DataSchema, A extends Task.DataSchema>(question: Q, argument: A) =>
  Schema.Struct(hearingFields(question, argument))

/**
 * The schema of what a debater hears.
 *
 * @category schemas
 * @stability experimental
 * @since 0.1.0
 */
export const turn = <Q extends Task.DataSchema, A extends Task.DataSchema>(question: Q, argument: A) =>
  Schema.Struct({ ...hearingFields(question, argument), round: Schema.Int, speaker: Schema.String })
