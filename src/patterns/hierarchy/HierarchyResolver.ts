/** Whoever answers a matter that was raised below. */
import type * as Effect from "effect/Effect"
import type { ContractViolation } from "../../core/AgentError.ts"
import type * as Task from "../../core/Task.ts"
import type { MatterUnresolved } from "./HierarchyError.ts"

/** Nobody answered the matter of this name: what `escalate` fails with, until somebody above resolves it. */
export type Unresolved<Matter extends string> = MatterUnresolved & { readonly matter: Matter }

/** A matter on its way up, as whoever resolves it sees it. */
export interface Raised<T extends Task.Any> {
  readonly raisedBy: string
  /** Leaves it to those further up. */
  readonly passOn: Effect.Effect<Task.Output<T>, Task.Error<T> | ContractViolation | Unresolved<T["name"]>>
}

/** How a lead answers the matters of one kind. `Matter` is `never` if it may pass them on. */
export interface Resolver<out Matter extends string, out R> {
  readonly name: string
  readonly resolve: (question: any, raised: Raised<any>) => Effect.Effect<any, any, R>
  readonly resolves?: Matter
}
export type AnyResolver = Resolver<string, any>

/**
 * Says how a lead answers a matter that those below it raise.
 *
 * **Details**
 *
 * - A matter is a task: question, answer, and how answering may fail. An agent that performs it resolves it:
 *   `Hierarchy.resolve(Budget, cfo.run)`.
 * - It runs where the matter was raised: in a run its steps stand there, and the one who raised it waits. It is at work in
 *   the lead's name, with the lead's services and permissions.
 * - What it resolves for good is no longer among the errors of the hierarchy's reports; what it may pass on is.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const resolve = <T extends Task.Any, E extends Task.Error<T> | ContractViolation | Unresolved<T["name"]>, R>(
  matter: T,
  resolver: (question: Task.Input<T>, raised: Raised<T>) => Effect.Effect<Task.Output<T>, E, R>
): Resolver<[Extract<E, MatterUnresolved>] extends [never] ? T["name"] : never, R> => ({
  name: matter.name,
  resolve: resolver
})
