/**
 * Agents one after the other: what one gives, the next one takes.
 *
 * Invariants (checked by `test/patterns/Pipeline.test.ts` and `test/patterns/SmallPatterns.durable.test.ts`):
 *
 *   L1. Agents run in the order in which they stand, each once, each on the answer of the one before it.
 *   L2. The first failure ends the pipeline; no agent behind it is called.
 *   L3. An agent whose input is not the output of the one before it does not compile.
 *
 * Source: Buschmann et al., "Pattern-Oriented Software Architecture", 1996 (pipes and filters).
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Agent from "../core/Agent.ts"

/** Each agent behind another one in its place: the first behind one that gives nothing, and so may take anything. */
type Shifted<Agents extends ReadonlyArray<Agent.Any>> = readonly [Agent.Agent<never, never>, ...Agents]

/** Agents of which each takes what the one before it gives. */
export type Linked<Agents extends ReadonlyArray<Agent.Any>> = {
  readonly [Place in keyof Agents]: Agent.Agent<
    Place extends keyof Shifted<Agents> ? Agent.Output<Shifted<Agents>[Place]> : never,
    any,
    any,
    any
  >
}

/** The last of a list. */
export type Last<List extends ReadonlyArray<unknown>> = List extends readonly [...ReadonlyArray<unknown>, infer Final]
  ? Final
  : List[number]

/**
 * Makes a pipeline of one agent or more.
 *
 * **Details** Takes what the first agent takes, gives what the last one gives, and fails as any of them does. To adapt an
 * agent to its neighbours, use `Agent.mapInput` and `Agent.mapOutput`.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const Agents extends Arr.NonEmptyReadonlyArray<Agent.Any>>(
  name: string,
  agents: Agents & Linked<Agents>
): Agent.Agent<
  Agent.Input<Agents[0]>,
  Agent.Output<Last<Agents>>,
  Agent.Error<Agents[number]>,
  Agent.Services<Agents[number]>
> => {
  const stages: ReadonlyArray<Agent.Any> = agents
  if (stages.length === 0) throw new RangeError(`pipeline "${name}" needs an agent`)
  return Agent.compose(name, {
    pattern: "Pipeline",
    run: (input: any) =>
      stages.reduce<Effect.Effect<any, any, any>>(
        (answer, stage) => Effect.flatMap(answer, stage.run),
        Effect.succeed(input)
      )
  })
}
