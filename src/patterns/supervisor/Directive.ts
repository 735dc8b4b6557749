/**
 * What a supervisor does about the failure of a worker. One is named for each error tag.
 *
 * Source: Erlang/OTP Design Principles, "Supervisor Behaviour"; the word from Akka's `SupervisorStrategy.Directive`.
 */
import type * as Schedule from "effect/Schedule"

/** Fails with the error. */
export interface Escalate {
  readonly _tag: "Escalate"
}
/** Calls the same worker again. `schedule` says how often and after which delay; without one, only the intensity does. */
export interface Restart<
  out Policy extends Schedule.Schedule<unknown, any> | undefined = Schedule.Schedule<unknown, any> | undefined,
  out Then extends AfterRestart = AfterRestart
> {
  readonly _tag: "Restart"
  readonly schedule: Policy
  readonly afterwards: Then
}
/** Calls another worker that has not been tried for this input. */
export interface Reroute {
  readonly _tag: "Reroute"
}
/** Gives the worker no more calls, and calls another one. */
export interface Stop {
  readonly _tag: "Stop"
}
/** Answers instead of the worker. */
export interface Resume<out A> {
  readonly _tag: "Resume"
  readonly value: A
}

/** What may follow when the schedule of a restart is done. */
export type AfterRestart = Escalate | Reroute | Stop

export type Directive = Escalate | Restart | Reroute | Stop | Resume<unknown>

/**
 * Fails the call with the error: the supervisor's caller decides.
 *
 * @category constructors
 * @since 0.1.0
 */
export const escalate: Escalate = { _tag: "Escalate" }

/**
 * Calls another worker, one that has not been tried for this input. None is left: fails with the error.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reroute: Reroute = { _tag: "Reroute" }

/**
 * Retires the worker for the life of this process, and calls another one as `reroute` does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stop: Stop = { _tag: "Stop" }

/**
 * Calls the same worker again, counted against the supervisor's restart intensity.
 *
 * **Details** With a schedule: after its delay, and as often as it says; then `afterwards`, by default `escalate`. With
 * none: at once, until the intensity is exceeded, so that the error itself never leaves the supervisor.
 *
 * @category constructors
 * @since 0.1.0
 */
export const restart: {
  (): Restart<undefined, Escalate>
  <S extends Schedule.Schedule<unknown, any>>(schedule: S): Restart<S, Escalate>
  <S extends Schedule.Schedule<unknown, any>, Then extends AfterRestart>(
    schedule: S,
    afterwards: Then
  ): Restart<S, Then>
} = (schedule?: Schedule.Schedule<unknown, any>, afterwards: AfterRestart = escalate): Restart<any, any> => ({
  _tag: "Restart",
  schedule,
  afterwards
})

/**
 * Answers with the value: the error never leaves the supervisor.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resume = <const A>(value: A): Resume<A> => ({ _tag: "Resume", value })

/** A directive, or a pure function that chooses one by the error. */
export type Rule = Directive | ((error: any) => Directive)

/**
 * The key of the rule for tags without one. For policies from data, which cannot know the tags: in code, each has a rule.
 *
 * @category models
 * @since 0.1.0
 */
export const otherwise: unique symbol = Symbol.for("tutti/patterns/Directive/otherwise")

/** Rules by error tag. */
export interface Policy {
  readonly [tag: string]: Rule
  readonly [otherwise]?: Rule
}

/** The rule for this tag, if there is one. */
export const ruleFor = (policy: Policy, tag: string): Rule | undefined =>
  Object.hasOwn(policy, tag) ? policy[tag] : policy[otherwise]

/** All rules, that for the other tags included. */
export const rulesOf = (policy: Policy): ReadonlyArray<Rule> => {
  const rest = policy[otherwise]
  return rest === undefined ? Object.values(policy) : [...Object.values(policy), rest]
}

/** The tags of the errors in `E`. */
export type Tag<E> = E extends { readonly _tag: infer T extends string } ? T : never

/** A rule for each tag of `E`. */
export type Rules<E> = {
  readonly [T in Tag<E>]: Directive | ((error: Extract<E, { readonly _tag: T }>) => Directive)
}

/** The directives a rule can lead to. */
type Of<Rule> = Rule extends (...args: Array<never>) => infer D ? D : Rule

/** What leaves the supervisor under a directive: nothing, or something. */
type Escapes<D> =
  D extends Resume<unknown>
    ? never
    : D extends Restart<infer S, infer Then>
      ? [S] extends [undefined]
        ? never
        : Then
      : D

/** Those errors of `E` that can leave a supervisor with the rules `P`. */
export type Escaping<E, P> = E extends { readonly _tag: infer T extends keyof P }
  ? [Escapes<Of<P[T]>>] extends [never]
    ? never
    : E
  : E

/** The values the rules answer with. */
export type Answer<P> = Of<P[keyof P]> extends infer D ? (D extends Resume<infer A> ? A : never) : never

/** `A` if one of the rules restarts. */
export type IfRestarts<P, A> = [Extract<Of<P[keyof P]>, { readonly _tag: "Restart" }>] extends [never] ? never : A

/** The rule's directive for this error. No rule (an error without a known tag): escalate. */
export const choose = (policy: Policy, error: unknown): Directive => {
  const rule = ruleFor(policy, tagOf(error))
  if (rule === undefined) return escalate
  return typeof rule === "function" ? rule(error) : rule
}

/** The tag of an error, as events and facts name it. */
export const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "Unknown"
