/**
 * A place in a pattern for an agent, or for several.
 *
 * While a pattern is written, nobody knows yet how the agents in it fail and what they need. So their errors and services
 * go by the name of their slot, `SlotError<"writer">`, until an instance is made: there each name is replaced by the errors
 * of the agent that took the slot. What the pattern handles leaves; what it lets through arrives with its true type.
 */
import type * as Agent from "../../core/Agent.ts"
import type * as Task from "../../core/Task.ts"

declare const Errors: unique symbol
declare const Needs: unique symbol

/** The errors of whoever takes the slot `Name`, beyond those of its task. */
export interface SlotError<in out Name extends string> {
  readonly [Errors]: Name
}

/** The services that whoever takes the slot `Name` needs. */
export interface SlotServices<in out Name extends string> {
  readonly [Needs]: Name
}

/** What an agent must perform to take a slot. `undefined`: any agent may. */
export type Contract = Task.Any | undefined

/** How many agents a slot takes: one, a list, or a record by names of their own. */
export type Arity = "One" | "List" | "Record"

/**
 * A place for agents.
 *
 * @category models
 * @since 0.1.0
 */
export interface Slot<out T extends Contract = Contract, out A extends Arity = Arity> {
  readonly task: T
  readonly arity: A
  readonly atLeast: number
  readonly atMost: number
}

/** The slots of a pattern, by name. */
export type Slots = { readonly [name: string]: Slot }

type Several<A extends Arity, One> = A extends "One"
  ? One
  : A extends "List"
    ? ReadonlyArray<One>
    : { readonly [name: string]: One }

type Performer<T extends Contract, E, R> = T extends Task.Any
  ? Agent.Agent<Task.Input<T>, Task.Output<T>, E, R>
  : Agent.Agent<any, any, E, R>

/** What may be put into a slot. */
export type Fill<S extends Slot> = Several<S["arity"], Performer<S["task"], any, any>>

type OwnError<T extends Contract> = T extends Task.Any ? Task.Error<T> : never

/** What stands in a slot for whoever writes the pattern. */
export type Inside<S extends Slot, Name extends string> = Several<
  S["arity"],
  Performer<S["task"], OwnError<S["task"]> | SlotError<Name>, SlotServices<Name>>
>

type AgentsIn<F> = F extends Agent.Any
  ? F
  : F extends ReadonlyArray<infer One>
    ? One
    : F extends { readonly [name: string]: infer One }
      ? One
      : never

/** `E` with the errors of those who took the slots in place of their names. */
export type ResolveErrors<E, S extends Slots, Given> =
  E extends SlotError<infer Name>
    ? Name extends keyof S & keyof Given
      ? Exclude<Agent.Error<AgentsIn<Given[Name]>>, OwnError<S[Name]["task"]>>
      : never
    : E

/** `R` with the services of those who took the slots in place of their names. */
export type ResolveServices<R, Given> =
  R extends SlotServices<infer Name> ? (Name extends keyof Given ? Agent.Services<AgentsIn<Given[Name]>> : never) : R

const countOf = (what: string, count: number): number => {
  if (Number.isInteger(count) && count >= 0) return count
  throw new RangeError(`${what} must be an integer from 0, got ${count}`)
}

/** How many agents a list or record takes. Default: one or more. */
export interface Count {
  readonly atLeast?: number
  readonly atMost?: number
}

const several = <A extends Arity>(arity: A, task: Contract, count: Count): Slot<any, A> => {
  const atLeast = countOf("atLeast", count.atLeast ?? 1)
  const atMost = count.atMost === undefined ? Infinity : countOf("atMost", count.atMost)
  if (atMost < atLeast) throw new RangeError(`atMost must not be below atLeast ${atLeast}, got ${atMost}`)
  return { task, arity, atLeast, atMost }
}

/**
 * A place for one agent that performs the task; for any agent, if there is none.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const one: {
  (): Slot<undefined, "One">
  <T extends Task.Any>(task: T): Slot<T, "One">
} = (task?: Task.Any): Slot<any, "One"> => ({ task, arity: "One", atLeast: 1, atMost: 1 })

/**
 * A place for a list of agents.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const list: {
  (task?: undefined, count?: Count): Slot<undefined, "List">
  <T extends Task.Any>(task: T, count?: Count): Slot<T, "List">
} = (task?: Task.Any, count: Count = {}): Slot<any, "List"> => several("List", task, count)

/**
 * A place for agents by names that the instance gives them.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const record: {
  (task?: undefined, count?: Count): Slot<undefined, "Record">
  <T extends Task.Any>(task: T, count?: Count): Slot<T, "Record">
} = (task?: Task.Any, count: Count = {}): Slot<any, "Record"> => several("Record", task, count)
