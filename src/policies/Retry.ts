/**
 * Trying again: which errors, how often, how long, and how long to wait in between.
 *
 * The rules are an Effect `Schedule`, so that whatever takes a schedule can retry by them: an effect, an agent, a restart of
 * a `Supervisor`, a work queue.
 *
 * Invariants (checked by `test/policies/Retry.test.ts` and `test/policies/Retry.durable.test.ts`):
 *
 *   T1. At most `attempts` attempts are made, the first one included.
 *   T2. No wait exceeds `cap`, except one that the error itself asks for by `retryAfter`; no wait is shorter than that.
 *   T3. No attempt begins later than `elapsed` after the first failure; one that would is not waited for.
 *   T4. Only errors that `on` and `while` accept are tried again; others, defects and interruptions leave at once.
 *   T5. Chance decides how long a wait is, never whether there is another attempt: a replay goes the same way.
 *
 * Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Agent from "../core/Agent.ts"
import * as DurableRetry from "../core/DurableRetry.ts"
import * as ErrorField from "./ErrorField.ts"
import type * as Policy from "./Policy.ts"

/**
 * How often, and at which distance.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Limits {
  /** At most so many, the first one included. `Infinity`: until it succeeds. */
  readonly attempts: number
  /** No attempt begins later than so long after the first failure. Default: whenever. */
  readonly elapsed?: Duration.Input
  /** The first wait. Default 100 milliseconds. */
  readonly base?: Duration.Input
  /** Each wait is so many times as long as the one before. Default 2. */
  readonly factor?: number
  /** The longest wait. Default 30 seconds. */
  readonly cap?: Duration.Input
  /** The share of a wait that is left to chance, from 0 to 1: it shortens the wait. Default 0.5. */
  readonly jitter?: number
}

/** The errors of `E` that have one of the tags. */
type Tagged<E, Tag extends string> = [Tag] extends [never] ? E : Extract<E, { readonly _tag: Tag }>

/**
 * What is tried again, besides how often and at which distance.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Options<E, Tag extends string = never> extends Limits {
  /** Only errors with one of these tags. Default: every error. */
  readonly on?: ReadonlyArray<Tag>
  /** Of those, only errors that it accepts. Must be pure. Default: every one. */
  readonly while?: (error: Tagged<E, Tag>) => boolean
}

interface Rules {
  readonly attempts: number
  readonly elapsed: number
  readonly base: Duration.Duration
  readonly factor: number
  readonly cap: Duration.Duration
  readonly jitter: number
  readonly accepts: (error: unknown) => boolean
}

const rulesOf = (options: Options<any, any>): Rules => {
  const { attempts, base = "100 millis", cap = "30 seconds", elapsed = Infinity, factor = 2, jitter = 0.5 } = options
  check("attempts", attempts, "a positive integer or Infinity", Math.round(attempts) === attempts && attempts >= 1)
  check("factor", factor, "at least 1 and finite", factor >= 1 && factor < Infinity)
  check("jitter", jitter, "in [0, 1]", jitter >= 0 && jitter <= 1)
  return {
    attempts,
    elapsed: Duration.toMillis(positive("elapsed", elapsed)),
    base: positive("base", base),
    factor,
    cap: positive("cap", cap),
    jitter,
    accepts: acceptance(options)
  }
}

// oxlint-disable-next-line max-params
const check = (what: string, value: number, rule: string, holds: boolean): void => {
  if (!holds) throw new RangeError(`${what} must be ${rule}, got ${value}`)
}

const positive = (what: string, input: Duration.Input): Duration.Duration => {
  const duration = Duration.fromInputUnsafe(input)
  if (!(Duration.toMillis(duration) > 0))
    throw new RangeError(`${what} must be positive, got ${Duration.format(duration)}`)
  return duration
}

const acceptance = ({ on, while: accepted }: Options<any, any>) => {
  const tags = on === undefined ? undefined : new Set<unknown>(on)
  return (error: unknown): boolean =>
    (tags === undefined || tags.has(ErrorField.of(error, "_tag"))) && (accepted === undefined || accepted(error))
}

/**
 * The rules as a schedule of Effect, for `Agent.retry`, `Directive.restart`, a work queue, or `Effect.retry`.
 *
 * **Details** It waits as long as an error's field `retryAfter`, a `Duration`, asks for: `CircuitOpen` and `RateLimited`
 * have one.
 *
 * **Gotchas** `elapsed` counts from the first failure: a schedule does not know when the first attempt began.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const schedule = <E = unknown, const Tag extends string = never>(
  options: Options<E, Tag>
): Schedule.Schedule<Duration.Duration, E> => {
  const rules = rulesOf(options as Options<any, any>)
  return Schedule.exponential(rules.base, rules.factor).pipe(
    Schedule.setInputType<E>(),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(Duration.max(Duration.min(duration, rules.cap), ErrorField.retryAfter(input)))
    ),
    // T5: before chance comes in.
    Schedule.while(
      ({ attempt, duration, elapsed, input }) =>
        attempt < rules.attempts && elapsed + Duration.toMillis(duration) <= rules.elapsed && rules.accepts(input)
    ),
    Schedule.modifyDelay(({ duration, input }) => jittered(duration, ErrorField.retryAfter(input), rules.jitter))
  )
}

const jittered = (
  wait: Duration.Duration,
  atLeast: Duration.Duration,
  jitter: number
): Effect.Effect<Duration.Duration> =>
  jitter === 0
    ? Effect.succeed(wait)
    : Effect.map(Random.next, (chance) => Duration.max(Duration.times(wait, 1 - jitter * chance), atLeast))

/**
 * Tries again, up to these limits.
 *
 * **Details**
 *
 * - Around an agent that performs a task the attempts are part of its step: in a run each failed one is journaled with the
 *   moment of the next, and a crash during a wait resumes there. Around anything else each attempt is a further call, and
 *   the waits are timers of the run.
 * - With `while` either put the target first, or use it in a `pipe`: its errors are known there.
 *
 * **Gotchas**
 *
 * - Only what may run twice may be tried again.
 * - In a run, around a composed agent or an effect, `elapsed` is measured from answer to answer, by the times of the journal.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const upTo: {
  <const Tag extends string = never>(
    options: Limits & { readonly on?: ReadonlyArray<Tag>; readonly while?: never }
  ): <T extends Policy.Target>(self: T & Policy.Fails<T, Tag>) => Policy.Adding<T, never>
  <T extends Policy.Target, const Tag extends Policy.Tag<T> = never>(
    options: Options<Policy.Error<T>, Tag>
  ): (self: T) => Policy.Adding<T, never>
  <T extends Policy.Target, const Tag extends Policy.Tag<T> = never>(
    self: T,
    options: Options<Policy.Error<T>, Tag>
  ): Policy.Adding<T, never>
} = (...args: ReadonlyArray<any>): any => {
  const [options, self] = args.toReversed()
  const rules = schedule<any, any>(options)
  const retry = (self: Policy.Target): Policy.Target =>
    Agent.isAgent(self) ? Agent.retry(self, rules) : DurableRetry.retry(self, rules)
  return args.length === 1 ? retry : retry(self)
}
