/**
 * Something else when a call fails: an equal answer, or a lesser one that says so.
 *
 * `to` and `value` hide the failure: whoever asks cannot tell. `degrade` and `degradeToValue` do not: the answer is `Full` or
 * `Degraded`, and a degraded one carries the typed error that made it so.
 *
 * Invariants (checked by `test/policies/Fallback.test.ts` and `test/policies/Fallback.durable.test.ts`):
 *
 *   F1. Only errors with a tag in `on` are handled, without `on` every error; others, defects and interruptions leave.
 *   F2. The other is called only after such an error, with the same input, and its own errors leave.
 *   F3. A degraded answer keeps its error; a full one is what the call answered.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Agent from "../core/Agent.ts"
import * as Policy from "./Policy.ts"

/**
 * The answer that was asked for.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Full<out A> {
  readonly _tag: "Full"
  readonly value: A
}

/**
 * A lesser answer, and why there is no better one.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Degraded<out B, out E> {
  readonly _tag: "Degraded"
  readonly value: B
  readonly reason: E
}

/**
 * The schema of an answer that may be degraded: for the output of a task or an orchestration.
 *
 * @category schemas
 * @stability experimental
 * @since 0.1.0
 */
export const Answer = <A extends Schema.Top, B extends Schema.Top, E extends Schema.Top>(schemas: {
  readonly full: A
  readonly degraded: B
  readonly reason: E
}) =>
  Schema.Union([
    Schema.TaggedStruct("Full", { value: schemas.full }),
    Schema.TaggedStruct("Degraded", { value: schemas.degraded, reason: schemas.reason })
  ])

/**
 * Which errors are handled.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Options<Tags extends string> {
  /** Those with one of these tags. Default: every error. */
  readonly on?: ReadonlyArray<Tags>
}

type Handled<E, Tags extends string> = [Tags] extends [never] ? E : Extract<E, { readonly _tag: Tags }>

/** The errors of a target that are not handled. */
type Rest<T, Tags extends string> = Exclude<Policy.Error<T>, Handled<Policy.Error<T>, Tags>>

/** An effect falls back to an effect, an agent to an agent. */
type SameKind<T, Other> = T extends Agent.Any
  ? Other extends Agent.Any
    ? unknown
    : "An agent falls back to an agent"
  : Other extends Agent.Any
    ? "An effect falls back to an effect"
    : unknown

/** The target that answers with `A`, and else what `Other` does: of agents, with the input that both take. */
type With<T, Other, A, Tags extends string> =
  T extends Agent.Agent<infer In, any, any, any>
    ? Other extends Agent.Agent<infer In2, any, infer E2, infer R2>
      ? Agent.Agent<In & In2, A, Rest<T, Tags> | E2, Policy.Services<T> | R2>
      : never
    : Effect.Effect<A, Rest<T, Tags> | Policy.Error<Other>, Policy.Services<T> | Policy.Services<Other>>

/** What is done about an error that is handled. */
type Handle = (error: any, input: unknown) => Effect.Effect<any, any, any>

const recover = <T extends Policy.Target, Result>(
  self: T,
  options: Options<string> | undefined,
  { handle, ifFull }: { readonly handle: Handle; readonly ifFull?: (value: unknown) => unknown }
): Result => {
  const tags = options?.on === undefined ? undefined : new Set(options.on)
  const handles = (error: any): boolean => tags === undefined || tags.has(error?._tag)
  return Policy.aroundCall(self, (effect, input) =>
    Effect.matchCauseEffect(effect, {
      onSuccess: (value) => Effect.succeed(ifFull === undefined ? value : ifFull(value)),
      onFailure: (cause) => {
        const error = Cause.findErrorOption(cause)
        return Option.isSome(error) && handles(error.value) ? handle(error.value, input) : Effect.failCause(cause)
      }
    })
  )
}

const callOf =
  (other: Policy.Target) =>
  (input: unknown): Effect.Effect<any, any, any> =>
    Agent.isAgent(other) ? other.run(input) : other

const full = <A>(value: A): Full<A> => ({ _tag: "Full", value })

const degraded = <B, E>(value: B, reason: E): Degraded<B, E> => ({ _tag: "Degraded", value, reason })

/**
 * Calls another when this one fails: an effect instead of an effect, an agent instead of an agent, with the same input.
 *
 * **Details** The errors it handles leave the type, those of the other enter it. In a run the other is a step of its own.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const to =
  <Other extends Policy.Target, const Tags extends string = never>(other: Other, options?: Options<Tags>) =>
  <T extends Policy.Target>(
    self: T & Policy.Fails<T, Tags> & SameKind<T, Other>
  ): With<T, Other, Policy.Success<T> | Policy.Success<Other>, Tags> => {
    const call = callOf(other)
    return recover(self as Policy.Target, options, { handle: (_, input) => call(input) })
  }

/**
 * Answers with a value when the call fails.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const value =
  <const B, const Tags extends string = never>(value: B, options?: Options<Tags>) =>
  <T extends Policy.Target>(
    self: T & Policy.Fails<T, Tags>
  ): Policy.Become<T, Policy.Success<T> | B, Rest<T, Tags>, Policy.Services<T>> =>
    recover(self as Policy.Target, options, { handle: () => Effect.succeed(value) })

/**
 * As `to`, but the answer says which it is: `Full`, or `Degraded` with the error.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const degrade =
  <Other extends Policy.Target, const Tags extends string = never>(other: Other, options?: Options<Tags>) =>
  <T extends Policy.Target>(
    self: T & Policy.Fails<T, Tags> & SameKind<T, Other>
  ): With<
    T,
    Other,
    Full<Policy.Success<T>> | Degraded<Policy.Success<Other>, Handled<Policy.Error<T>, Tags>>,
    Tags
  > => {
    const call = callOf(other)
    const handle: Handle = (reason, input) => Effect.map(call(input), (value) => degraded(value, reason))
    return recover(self as Policy.Target, options, { handle, ifFull: full })
  }

/**
 * As `value`, but the answer says which it is: `Full`, or `Degraded` with the error.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const degradeToValue =
  <const B, const Tags extends string = never>(value: B, options?: Options<Tags>) =>
  <T extends Policy.Target>(
    self: T & Policy.Fails<T, Tags>
  ): Policy.Become<
    T,
    Full<Policy.Success<T>> | Degraded<B, Handled<Policy.Error<T>, Tags>>,
    Rest<T, Tags>,
    Policy.Services<T>
  > => {
    const handle: Handle = (reason) => Effect.succeed(degraded(value, reason))
    return recover(self as Policy.Target, options, { handle, ifFull: full })
  }
