/** A part in a pattern that a pure function can play as well as an agent: to choose, to split, to judge. */
import * as Effect from "effect/Effect"
import type * as Agent from "../core/Agent.ts"

/**
 * Whoever plays the part: an agent, recorded in a run like any other, or a pure function, which runs again on replay.
 *
 * A function may say that it takes more than `In` has, as a method may: what it is part of then takes that, too.
 */
export type Part<In, Out> = Agent.Agent<In, Out, any, any> | { play(input: In): Out }["play"]

/** What a player answers with. */
export type Output<P> = P extends Agent.Any ? Agent.Output<P> : P extends (input: any) => infer Out ? Out : never

/** Has the part played. */
export const play = <In, Out, E, R>(
  part: Agent.Agent<In, Out, E, R> | ((input: In) => Out)
): ((input: In) => Effect.Effect<Out, E, R>) =>
  typeof part === "function" ? (input) => Effect.sync(() => part(input)) : part.run
