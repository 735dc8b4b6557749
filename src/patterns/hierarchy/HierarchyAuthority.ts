/** What the members of a hierarchy may do. */
import * as Effect from "effect/Effect"
import * as Agent from "../../core/Agent.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import { nobody, NotPermitted } from "./HierarchyError.ts"
import { CurrentParty, superiors } from "./HierarchyParty.ts"

/**
 * Goes on only if whoever is at work here holds the permission.
 *
 * **Details** Works in every program under a hierarchy, in the body of a step as well. Where there is no hierarchy nobody
 * holds anything. What was refused is noted in the run.
 *
 * @category running
 * @stability experimental
 * @since 0.1.0
 */
export const authorize = (action: string): Effect.Effect<void, NotPermitted> =>
  Effect.flatMap(CurrentParty, (party) => {
    if (party?.holds.has(action) === true) return Effect.void
    const chain = superiors(party)
    const asker = party?.name ?? nobody
    const holder = chain.find(({ holds }) => holds.has(action))?.name
    const denied = { action, asker, ...(holder === undefined ? {} : { holder }) }
    return Effect.andThen(
      // A scope by what is asked for: of two denials at once it does not matter which is which.
      Run.scoped(`authorize ${action}`)(PatternEvent.state({ _tag: "PermissionDenied", ...denied })),
      Effect.fail(new NotPermitted({ ...denied, chain: [asker, ...chain.map(({ name }) => name)] }))
    )
  })

/**
 * Lets an agent be called only by, and below, those who hold the permission.
 *
 * **Details** It is asked before the agent begins. In a run it is asked again on replay, with the same answer.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const requires = (action: string) => {
  const permitted = authorize(action)
  return <In, Out, E, R>(self: Agent.Agent<In, Out, E, R>): Agent.Agent<In, Out, E | NotPermitted, R> =>
    Agent.transform(self, (call) => Effect.andThen(permitted, call))
}
