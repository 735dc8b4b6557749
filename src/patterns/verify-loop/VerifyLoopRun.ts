/**
 * One call of a verify loop, wave by wave: attempts are made and verified, then it is decided what follows.
 *
 * What follows is a pure function of the rounds so far. The only thing that is not, that the time is up, is a durable
 * timer which races with each wave; nothing but agents and notes stands in the branches of that race.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Agent from "../../core/Agent.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import * as StepPath from "../../core/StepPath.ts"
import { BudgetExceeded } from "../../policies/Budget.ts"
import type { Verdict } from "../Verdict.ts"
import * as Directive from "../supervisor/Directive.ts"
import { NotAccepted, type Reason } from "./VerifyLoopError.ts"
import {
  best,
  type Continue,
  type Decision,
  type Retry,
  type Round,
  type Stop,
  type Strategy
} from "./VerifyLoopStrategy.ts"

type AnyRound = Round<unknown, unknown>

/** What an attempt is told of those before it. */
export interface Last<out Candidate, out Feedback> {
  readonly candidate: Candidate
  /** Of the verifier, or of the strategy. `undefined`: it was accepted, and the strategy wants another one. */
  readonly feedback: Feedback | undefined
  readonly score: number | undefined
  readonly rounds: Arr.NonEmptyReadonlyArray<Round<Candidate, Feedback>>
}

/** A loop with its options checked and its types forgotten. */
export interface Settings {
  readonly name: string
  readonly attempt: { readonly agent: Agent.Any; readonly input: (input: any, last: any) => unknown }
  readonly verify: { readonly agent: Agent.Any; readonly input: (candidate: any, input: any) => unknown }
  readonly strategy: Strategy<any, any, any>
  readonly rounds: number
  readonly stalls: number
  readonly time: Duration.Duration | undefined
  readonly unchanged: (before: AnyRound, latest: AnyRound) => boolean
}

/** What has been tried so far. */
interface Progress {
  /** By number. */
  readonly rounds: ReadonlyArray<AnyRound>
  /** The best of each wave. The last of them is what the next attempt is told of. */
  readonly heads: ReadonlyArray<AnyRound>
}

const nothingYet: Progress = { rounds: [], heads: [] }

/** The progress after a wave. */
const after = ({ heads, rounds }: Progress, wave: ReadonlyArray<AnyRound>): Progress => {
  const head = best(wave)
  return head === undefined ? { heads, rounds } : { rounds: [...rounds, ...wave], heads: [...heads, head] }
}

/** A decision that is carried out, or why there is none. */
type Outcome = Exclude<Decision<unknown>, Stop> | Reason

/** What follows: what the strategy says, unless that is another round which a limit forbids. */
const decide = (settings: Settings, { heads, rounds }: Progress): Outcome => {
  const decision: Decision<unknown> = settings.strategy.decide(rounds as [AnyRound])
  if (decision._tag === "Answer") return decision
  if (decision._tag === "Stop") return { _tag: "Stopped", strategy: settings.strategy.name }
  if (stallsAtEnd(heads, settings.unchanged) >= settings.stalls) return { _tag: "Stalled", limit: settings.stalls }
  return rounds.length < settings.rounds ? decision : { _tag: "RoundsExhausted", limit: settings.rounds }
}

const stallsAtEnd = (heads: ReadonlyArray<AnyRound>, unchanged: Settings["unchanged"]): number => {
  const changed = heads.findLastIndex((head, index) => index === 0 || !unchanged(heads[index - 1]!, head))
  return heads.length - 1 - changed
}

/** Runs the loop. */
export const run = (settings: Settings, input: unknown): Effect.Effect<any, any, any> =>
  settings.time === undefined
    ? takeRounds(settings, input, undefined)
    : Effect.acquireUseRelease(
        Effect.forkChild(timer(settings.time), { startImmediately: true }),
        (timer) => takeRounds(settings, input, Fiber.join(timer)),
        Fiber.interrupt
      )

const timer = (limit: Duration.Duration): Effect.Effect<void> =>
  Run.withCurrent(({ run, scope }) => run.sleep(scope, "time", limit), Effect.sleep(limit))

const takeRounds = Effect.fnUntraced(function* (
  settings: Settings,
  input: unknown,
  timeIsUp: Effect.Effect<void> | undefined
): Effect.fn.Return<any, any, any> {
  let progress = nothingYet
  let last: Last<unknown, unknown> | undefined
  while (true) {
    const wave = yield* makeWave(settings, input, { progress, last, timeIsUp })
    progress = after(progress, wave.completed)
    const decision = wave.ended ?? decide(settings, progress)
    yield* stateDecision(settings, progress, decision)
    if (decision._tag === "Answer") return answered(settings, progress, decision.round)
    if (decision._tag !== "Continue" && decision._tag !== "Retry") {
      return yield* new NotAccepted({ loop: settings.name, reason: decision, rounds: progress.rounds })
    }
    last = lastOf(progress, decision)
  }
})

const answered = ({ strategy }: Settings, { rounds }: Progress, number: number): unknown => {
  const round = rounds.find((round) => round.number === number)
  if (round === undefined)
    throw new RangeError(`strategy "${strategy.name}" answers with round ${number}, of ${rounds.length}`)
  return round.candidate
}

const lastOf = ({ heads, rounds }: Progress, decision: Continue | Retry<unknown>): Last<unknown, unknown> => {
  const { candidate, verdict } = heads.at(-1)!
  const said = verdict._tag === "Rejected" ? verdict.feedback : undefined
  const feedback = decision._tag === "Retry" ? decision.feedback : said
  return { candidate, feedback, score: verdict.score, rounds: rounds as [AnyRound] }
}

const stateDecision = (settings: Settings, { rounds }: Progress, decision: Outcome) =>
  PatternEvent.state({
    _tag: "StrategyDecided",
    loop: settings.name,
    round: rounds.at(-1)?.number ?? 0,
    strategy: settings.strategy.name,
    decision: decision._tag
  })

interface Wave {
  readonly completed: ReadonlyArray<AnyRound>
  /** Why no wave may follow, if it is known already. */
  readonly ended: Reason | undefined
}

interface Before {
  readonly progress: Progress
  readonly last: Last<unknown, unknown> | undefined
  readonly timeIsUp: Effect.Effect<void> | undefined
}

/** Makes attempts side by side, each in its own scope, until all are verified, one fails, or the time is up. */
const makeWave = Effect.fnUntraced(function* (
  settings: Settings,
  input: unknown,
  { last, progress, timeIsUp }: Before
): Effect.fn.Return<Wave, any, any> {
  const done = progress.rounds.length
  const current = yield* Run.CurrentRun
  // Scopes are given out before any attempt begins, so that the n-th round has the n-th of them.
  const rounds = Array.from({ length: widthOf(settings, done) }, (_, index): UnderWay => {
    return { number: done + 1 + index, scope: roundScope(current), part: "Attempt", completed: undefined }
  })
  const attempts = Effect.forEach(rounds, (round) => Run.at(takeRound(settings, round, { input, last }), round.scope), {
    concurrency: "unbounded",
    discard: true
  })
  const limited =
    timeIsUp === undefined
      ? Effect.exit(attempts)
      : Effect.raceFirst(Effect.exit(attempts), Effect.as(timeIsUp, undefined))
  // K10: whatever ends the wave, what was verified in it is said.
  const exit = yield* Effect.onExitPrimitive(limited, () => stateCompleted(settings, rounds))
  const completed = rounds.flatMap(({ completed }) => completed ?? [])
  return { completed, ended: yield* endOf(settings, exit) }
})

/** A round of a wave. */
interface UnderWay {
  readonly number: number
  readonly scope: Run.Current | undefined
  part: "Attempt" | "Verification"
  completed: AnyRound | undefined
}

const widthOf = ({ rounds, strategy }: Settings, done: number): number => {
  const width = strategy.width?.(done) ?? 1
  if (!(Number.isInteger(width) && width >= 1)) {
    throw new RangeError(`width of strategy "${strategy.name}" must be an integer from 1, got ${width}`)
  }
  return Math.min(width, rounds - done)
}

const roundScope = (current: Run.Current | undefined): Run.Current | undefined =>
  current && { run: current.run, scope: StepPath.makeScope(StepPath.next(current.scope, "round")) }

/** One attempt and its verification. */
const takeRound = (
  { attempt, name, verify }: Settings,
  round: UnderWay,
  { input, last }: { readonly input: unknown; readonly last: Last<unknown, unknown> | undefined }
): Effect.Effect<void, any, any> => {
  const { number } = round
  const verifier = verify.agent.name
  const taken = Effect.gen(function* () {
    const candidate: unknown = yield* attempt.agent.run(attempt.input(input, last))
    round.part = "Verification"
    yield* PatternEvent.state({ _tag: "VerificationStarted", loop: name, round: number, verifier })
    const verdict: Verdict<unknown> = yield* verify.agent.run(verify.input(candidate, input))
    round.completed = { number, candidate, verdict }
  })
  return PatternEvent.during(
    { _tag: "IterationStarted", loop: name, round: number },
    (exit) => (round.completed === undefined && Exit.isFailure(exit) ? brokenOff(name, round, exit.cause) : undefined),
    taken
  )
}

/** How a round ended that has no verdict. */
const brokenOff = (loop: string, { number, part }: UnderWay, cause: Cause.Cause<unknown>) => {
  const of = { loop, round: number, part }
  return Cause.hasInterruptsOnly(cause)
    ? ({ _tag: "IterationInterrupted", ...of } as const)
    : ({ _tag: "IterationFailed", ...of, error: Directive.tagOf(Cause.squash(cause)) } as const)
}

const stateCompleted = ({ name }: Settings, rounds: ReadonlyArray<UnderWay>): Effect.Effect<void> =>
  Effect.forEach(
    rounds,
    ({ completed, number, scope }) => {
      if (completed === undefined) return Effect.void
      const { _tag: verdict, score } = completed.verdict
      const scored = score === undefined ? {} : { score }
      const stated = Effect.andThen(
        PatternEvent.stateAtEnd({ _tag: "VerificationCompleted", loop: name, round: number, verdict, ...scored }),
        PatternEvent.stateAtEnd({ _tag: "IterationCompleted", loop: name, round: number })
      )
      return Run.at(stated, scope)
    },
    { discard: true }
  )

/** Failures of the agents are failures of the loop, except the end of a budget: that is an end of the loop. */
const endOf = (
  { time }: Settings,
  exit: Exit.Exit<void, unknown> | undefined
): Effect.Effect<Reason | undefined, unknown> => {
  if (exit === undefined) return Effect.succeed({ _tag: "TimeExceeded", limit: time! })
  if (Exit.isSuccess(exit)) return Effect.succeed(undefined)
  const error = Cause.findErrorOption(exit.cause)
  return error._tag === "Some" && error.value instanceof BudgetExceeded && !Cause.hasDies(exit.cause)
    ? Effect.succeed(error.value)
    : Effect.failCause(exit.cause)
}
