/**
 * The rules of one kind of stream: what a command leads to, and what the events so far amount to.
 *
 * A decider is data and functions. It reads no clock and no store, so it can be tested with `GivenWhenThen`, folded
 * anywhere, and asked again when somebody else was faster.
 *
 * Invariants (checked by `test/cqrs/Decider.test.ts`):
 *
 *   C1. State is a fold: folding any beginning of a history, and then the rest of it, gives what folding all gives.
 *
 * **Example** (An order that is paid once)
 *
 * ```ts
 * const Order = Decider.make({
 *   stream: Orders,
 *   initialState: { paid: false },
 *   decide: (command: Pay, state) =>
 *     state.paid ? Effect.fail(new AlreadyPaid()) : Effect.succeed([new Paid({ by: command.by })]),
 *   evolve: (state, event) => (event._tag === "OrderPaid" ? { paid: true } : state)
 * })
 * ```
 *
 * Source: Jérémie Chassaing, "Functional Event Sourcing Decider", 2021.
 */
import type * as Effect from "effect/Effect"
import type { EventStream } from "../event-store/EventStream.ts"

/**
 * Decides commands about the streams of one category.
 *
 * @category models
 * @since 0.1.0
 */
export interface Decider<Command, State, Event extends { readonly _tag: string }, E, R> {
  readonly stream: EventStream<Event>
  readonly initialState: State
  /**
   * The events that the command leads to; none if there is nothing to do. Asked again with a newer state when another
   * writer was faster, so it must change nothing outside.
   */
  readonly decide: (command: Command, state: State) => Effect.Effect<ReadonlyArray<Event>, E, R>
  /** The state after one more event. Pure. */
  readonly evolve: (state: State, event: Event) => State
}

/**
 * Defines a decider.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Command, State, Event extends { readonly _tag: string }, E = never, R = never>(
  decider: Decider<Command, State, Event, E, R>
): Decider<Command, State, Event, E, R> => decider

/**
 * The state after some events, beginning with the initial state or the given one.
 *
 * @category combinators
 * @since 0.1.0
 */
export const fold = <Command, State, Event extends { readonly _tag: string }, E, R>(
  decider: Decider<Command, State, Event, E, R>,
  events: Iterable<Event>,
  from: State = decider.initialState
): State => {
  let state = from
  for (const event of events) state = decider.evolve(state, event)
  return state
}
