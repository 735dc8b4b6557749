/** What can be wrong with names that instances are made of. */
import type * as Agent from "../../core/Agent.ts"
import type { Issue } from "../pattern/PatternInvalid.ts"
import { unknownName } from "../library/UnknownName.ts"

/** Agents of a slot by the name of an earlier one. */
export const twice = (slot: string, agents: ReadonlyArray<Agent.Any>): ReadonlyArray<Issue> =>
  agents.flatMap(({ name }, place) =>
    agents.findIndex((agent) => agent.name === name) < place
      ? [{ path: [slot, place], message: `"${name}" takes part already` }]
      : []
  )

/** Keys of the object at this path, an option or a part of one, that name nobody. */
export const strangers = (
  path: Issue["path"],
  given: object,
  { kind, known }: { readonly kind: string; readonly known: ReadonlyArray<string> }
): ReadonlyArray<Issue> =>
  Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => ({ path: [...path, name], message: unknownName(kind, name, known) }))
