/**
 * Attempt, verify, decide: an agent's candidate goes to a verifier, and its feedback into the next attempt, until a
 * strategy is content or a limit is reached.
 *
 * A verify loop is an agent from the input to a candidate, so it stands wherever the attempting agent could.
 *
 * Invariants (checked by `test/patterns/VerifyLoop.test.ts` and `test/patterns/VerifyLoop.durable.test.ts`):
 *
 *   K1. The answer is the candidate of a round that was verified, and the one that the strategy named.
 *   K2. The first attempt knows of none before it; each later one of the best of the latest, with the verifier's
 *       feedback, or with what the strategy says instead.
 *   K3. No more than `rounds` rounds begin, and no more at once than the strategy asks for.
 *   K4. The loop ends after `stalls` rounds in a row that brought nothing new.
 *   K5. When the time is up, what is under way is interrupted, and waited for; nothing begins after that.
 *   K6. Each way to end without an answer is a `NotAccepted` with a reason of its own, and all rounds that were
 *       completed. It survives a restart as it is.
 *   K7. Failures of the agents are failures of the loop, with their types, except `BudgetExceeded`, which is a reason.
 *       They, and an interruption, leave nothing running behind.
 *   K8. An answer of the strategy comes before a stop, a stop before a stall, a stall before the end of the rounds.
 *   K9. In a run each round has a scope of its own, `loop/round#2`, and a replay takes the same rounds.
 *   K10. A round that was said to have begun is said to have ended, once: completed, failed or interrupted.
 *
 * **Durability** Attempts and verdicts are the agents' own steps. A loop adds five notes for each round, one of which
 * says what was decided, and one timer if there is a limit of time.
 */
import * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import * as Agent from "../../core/Agent.ts"
import type { BudgetExceeded } from "../../policies/Budget.ts"
import type { Verdict } from "../Verdict.ts"
import type { NotAccepted } from "./VerifyLoopError.ts"
import { type Last, run } from "./VerifyLoopRun.ts"
import { atLeastOne, type Round, scoreOf, type Strategy, untilAccepted } from "./VerifyLoopStrategy.ts"

export { NotAccepted, Reason } from "./VerifyLoopError.ts"
export type { Last } from "./VerifyLoopRun.ts"
export {
  type Answer,
  answer,
  best,
  bestOf,
  type Continue,
  continue,
  type Decision,
  type History,
  plateau,
  type Retry,
  retry,
  type Round,
  type Stop,
  stop,
  type Strategy,
  untilAccepted
} from "./VerifyLoopStrategy.ts"

/**
 * How far a loop may go.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Limits {
  /** Default: what the strategy needs, and 10 at least. */
  readonly rounds?: number
  /** So many rounds in a row may bring nothing new. Default: no limit. */
  readonly stalls?: number
  /** From the call of the loop on. In a run the deadline survives a restart. Default: no limit. */
  readonly time?: Duration.Input
}

/**
 * What a loop is made of.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Options<In, AttemptIn, Candidate, AttemptE, AttemptR, VerifyIn, Feedback, VerifyE, VerifyR> {
  readonly attempt: {
    readonly agent: Agent.Agent<AttemptIn, Candidate, AttemptE, AttemptR>
    /** `last` is `undefined` for the first attempt. Must be pure: it runs again on replay. */
    readonly input: (input: In, last: Last<NoInfer<Candidate>, NoInfer<Feedback>> | undefined) => NoInfer<AttemptIn>
  }
  readonly verify: {
    readonly agent: Agent.Agent<VerifyIn, Verdict<Feedback>, VerifyE, VerifyR>
    /** Must be pure: it runs again on replay. */
    readonly input: (candidate: NoInfer<Candidate>, input: NoInfer<In>) => NoInfer<VerifyIn>
  }
  /** Default `untilAccepted`. */
  readonly strategy?: Strategy<NoInfer<Candidate>, NoInfer<Feedback>, NoInfer<Feedback>>
  readonly limits?: Limits
  /** Has a round brought nothing new? Default: its candidate, or its score, is that of the one before. Must be pure. */
  readonly unchanged?: (
    before: Round<NoInfer<Candidate>, NoInfer<Feedback>>,
    latest: Round<NoInfer<Candidate>, NoInfer<Feedback>>
  ) => boolean
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * Makes a loop.
 *
 * **Details**
 *
 * - `attempt.input` and `verify.input` make the agents' inputs. The type of the loop's own input is the one that
 *   `attempt.input` names.
 * - The loop answers with a candidate. Every other ending is `NotAccepted`, with `reason` and all rounds.
 * - `strategy`: `untilAccepted`, `bestOf`, `plateau`, or one of your own: `{ name, decide }`.
 * - Where a strategy makes several attempts at once, they are one wave: it is decided after all of them, and stalls are
 *   counted by the best of each wave.
 *
 * **Gotchas**
 *
 * - All candidates stay in memory until the loop ends, and `NotAccepted` carries them: keep big ones elsewhere, and make
 *   their names the candidates.
 * - When a wave is interrupted by a limit, attempts without a verdict are lost. An agent that is not idempotent is then
 *   in the same doubt as after a crash.
 *
 * **Errors** `NotAccepted` — the strategy gave up, or a limit was reached.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <In, AttemptIn, Candidate, AttemptE, AttemptR, VerifyIn, Feedback, VerifyE, VerifyR>(
  name: string,
  options: Options<In, AttemptIn, Candidate, AttemptE, AttemptR, VerifyIn, Feedback, VerifyE, VerifyR>
): Agent.Agent<
  In,
  Candidate,
  Exclude<AttemptE | VerifyE, BudgetExceeded> | NotAccepted<Candidate, Feedback>,
  AttemptR | VerifyR
> => {
  const { attempt, limits = {}, strategy = untilAccepted, unchanged = broughtNothing, verify } = options
  const settings = {
    name,
    attempt,
    verify,
    strategy,
    unchanged,
    rounds: roundsOf(strategy, limits),
    stalls: limits.stalls === undefined ? Infinity : atLeastOne("limits.stalls", limits.stalls),
    time: limits.time === undefined ? undefined : positive(limits.time)
  }
  return Agent.compose<In, Candidate, any, any>(name, {
    pattern: "VerifyLoop",
    capabilities: options.capabilities ?? [],
    run: (input) => run(settings as any, input)
  })
}

const broughtNothing = (before: Round<unknown, unknown>, latest: Round<unknown, unknown>): boolean =>
  Equal.equals(before.candidate, latest.candidate) ||
  (scoreOf(latest) > -Infinity && scoreOf(before) === scoreOf(latest))

const roundsOf = ({ name, needs = 1 }: Strategy<never, never, unknown>, { rounds }: Limits): number => {
  if (rounds === undefined) return Math.max(10, needs)
  if (atLeastOne("limits.rounds", rounds) >= needs) return rounds
  throw new RangeError(`strategy "${name}" needs ${needs} rounds, but limits.rounds is ${rounds}`)
}

const positive = (time: Duration.Input): Duration.Duration => {
  const limit = Duration.fromInputUnsafe(time)
  if (Duration.toMillis(limit) > 0 && Duration.isFinite(limit)) return limit
  throw new RangeError(`limits.time must be positive and finite, got ${Duration.format(limit)}`)
}
