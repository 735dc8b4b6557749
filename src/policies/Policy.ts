/**
 * What a policy is: a combinator around any effect or any agent, whose type says which errors it adds.
 *
 * One order holds for all of them: what stands first in a `pipe` is inside. `call.pipe(Timeout, Retry)` limits each attempt,
 * `call.pipe(Retry, Timeout)` all of them together.
 *
 * Around an agent that performs a task the policy becomes part of its step: it acts once per attempt, outside the run, and
 * what it fails with is recorded. Around anything else it stands in the program and acts again on replay, so it records what
 * it decides by the state of the process (`Decision`). Either way a replay answers as the first time.
 */
import type * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Agent from "../core/Agent.ts"
import type * as Task from "../core/Task.ts"

/** What a policy can be put around. */
export type Target = Agent.Any | Effect.Effect<any, any, any>

/** The errors of a target. */
export type Error<T> = T extends Agent.Any ? Agent.Error<T> : T extends Effect.Effect<any, infer E, any> ? E : never

/** The services that a target needs. */
export type Services<T> = T extends Agent.Any
  ? Agent.Services<T>
  : T extends Effect.Effect<any, any, infer R>
    ? R
    : never

/** What a target answers with. */
export type Success<T> = T extends Agent.Any ? Agent.Output<T> : T extends Effect.Effect<infer A, any, any> ? A : never

/** The tags of a target's errors. */
export type Tag<T> =
  Error<T> extends infer E ? (E extends { readonly _tag: infer Name extends string } ? Name : never) : never

/** To be intersected with a target: only one that can fail with every tag of `Tags` fits. */
export type Fails<T, Tags extends string> = [Tags] extends [Tag<T>]
  ? unknown
  : `It never fails with ${Exclude<Tags, Tag<T>>}`

/** The same target with another answer, other errors and other services. */
export type Become<T, A, E, R> =
  T extends Agent.Agent<infer In, any, any, any>
    ? Agent.Agent<In, A, E, R>
    : T extends Effect.Effect<any, any, any>
      ? Effect.Effect<A, E, R>
      : never

/** The same target, which may also fail with `E` and also needs `R`. */
export type Adding<T, E, R = never> = Become<T, Success<T>, Error<T> | E, Services<T> | R>

/**
 * Puts a combinator of effects around a target. `errors` is the schema of what it adds: a step needs it to record them.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const apply = <T extends Target, Errors extends Task.ErrorSchema, Result = Adding<T, Errors["Type"]>>(
  self: T,
  options: {
    readonly errors: Errors
    readonly around: (effect: Effect.Effect<any, any, any>) => Effect.Effect<any, any, any>
  }
): Result => (Agent.isAgent(self) ? Agent.within(self, options) : options.around(self)) as Result

/**
 * Puts a combinator of effects around each call of a target, and never into the step of an agent: for what must act in the
 * program, such as calling another agent. In a run it acts again on replay.
 *
 * **Details** `around` is given the input of an agent, too; there is none around an effect.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const aroundCall = <T extends Target, Result>(
  self: T,
  around: (effect: Effect.Effect<any, any, any>, input: any) => Effect.Effect<any, any, any>
): Result =>
  (Agent.isAgent(self)
    ? { ...Agent.transform(self, identity), run: (input: unknown) => around(self.run(input), input) }
    : around(self, undefined)) as Result

/**
 * Makes a policy of your own.
 *
 * **Details** `around` is generic in the effect: it can neither look at its value nor swallow its errors. For a policy that
 * does, use `apply`.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make =
  <Errors extends Task.ErrorSchema, R2 = never>(options: {
    readonly errors: Errors
    readonly around: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Errors["Type"], R | R2>
  }) =>
  <T extends Target>(self: T): Adding<T, Errors["Type"], R2> =>
    apply<T, Errors, Adding<T, Errors["Type"], R2>>(self, options)
