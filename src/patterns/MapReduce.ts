/**
 * An input split into items, each item done by the same agent, the answers brought together again.
 *
 * Invariants (checked by `test/patterns/MapReduce.test.ts` and `test/patterns/SmallPatterns.durable.test.ts`):
 *
 *   M1. Each item is mapped once, and answers stand in the order of items, whatever finishes first.
 *   M2. At most `concurrency` items are worked on at once.
 *   M3. `"failFast"`: the first failure interrupts the others, waits for them, and leaves; nothing is reduced.
 *   M4. `"collect"`: every item is mapped, and a failure is an answer, too. It does not leave.
 *   M5. In a run each item has a scope of its own, so that a replay gives it its own answers back.
 *
 * Source: Dean & Ghemawat, "MapReduce: Simplified Data Processing on Large Clusters", OSDI 2004.
 */
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Agent from "../core/Agent.ts"
import * as Step from "../durable/Step.ts"
import * as Part from "./Part.ts"

/** What becomes of the others when an item fails. */
export type OnFailure = "failFast" | "collect"

/** One answer of the map, as the reduction sees it. */
export type Mapped<M, F extends OnFailure> = F extends "collect"
  ? Result.Result<Agent.Output<M>, Agent.Error<M>>
  : Agent.Output<M>

/** What is there to be reduced: the answers in the order of their items, and what they are about. */
export interface Harvest<In, A> {
  readonly input: In
  readonly answers: ReadonlyArray<A>
}

/** An agent or a pure function, its errors and services named. */
type Player<In, Out, E, R> = Agent.Agent<In, Out, E, R> | ((input: In) => Out)

/**
 * What a map-reduce is made of. The last four: what splitting and reducing fail with and need, if agents do it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<In, M extends Agent.Any, Out, F extends OnFailure, SE, SR, DE, DR> {
  /** Gives the items of an input: an agent, or a pure function. */
  readonly split: Player<In, Iterable<Agent.Input<M>>, SE, SR>
  readonly map: M
  /** Brings the answers together: an agent, or a pure function. */
  readonly reduce: Player<Harvest<NoInfer<In>, Mapped<M, F>>, Out, DE, DR>
  /** How many items are worked on at once. */
  readonly concurrency: number | "unbounded"
  /** Names an item in paths. Must be pure. Default: its index. */
  readonly key?: (item: Agent.Input<M>, index: number) => string
  /** Default `"failFast"`. */
  readonly onFailure?: F
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * Makes a map-reduce.
 *
 * **Details**
 *
 * - Takes what `split` takes, gives what `reduce` gives. `reduce` takes `{ input, answers }`.
 * - `onFailure: "failFast"`: fails as the first item that fails. `"collect"`: answers are `Result`s, and what `map` fails
 *   with is no error of the whole.
 * - No items: `reduce` gets no answers.
 *
 * **Gotchas** An agent that splits or reduces has a task, and so a schema for the lists it gives or takes.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <
  In,
  M extends Agent.Any,
  Out,
  const F extends OnFailure = "failFast",
  SE = never,
  SR = never,
  DE = never,
  DR = never
>(
  name: string,
  options: Options<In, M, Out, F, SE, SR, DE, DR>
): Agent.Agent<In, Out, (F extends "collect" ? never : Agent.Error<M>) | SE | DE, Agent.Services<M> | SR | DR> => {
  const { concurrency, key = (_: unknown, index: number) => String(index), map, onFailure } = options
  if (concurrency !== "unbounded" && !(Number.isInteger(concurrency) && concurrency >= 1)) {
    throw new RangeError(`concurrency of "${name}" must be an integer from 1, got ${concurrency}`)
  }
  const split = Part.play<In, Iterable<unknown>, SE, SR>(options.split)
  const reduce = Part.play<Harvest<In, any>, Out, DE, DR>(options.reduce)
  const call = (item: any): Effect.Effect<any, any, any> =>
    onFailure === "collect" ? Effect.result(map.run(item)) : map.run(item)
  return Agent.compose<In, Out, any, any>(name, {
    pattern: "MapReduce",
    capabilities: options.capabilities ?? [],
    run: (input) =>
      split(input).pipe(
        Effect.flatMap((items) => Step.forEach(items as Iterable<any>, call, { concurrency, key })),
        Effect.flatMap((answers) => reduce({ input, answers }))
      )
  })
}
