/** Data that never ends, or goes too deep to be walked: found before anything else looks at it. */
import * as Agent from "../../core/Agent.ts"
import type { Issue } from "../pattern/PatternInvalid.ts"

/** No document is deeper: what reads it is recursive. */
export const deepest = 200

/** Where data contains itself or is nested too deep. Costs one visit of each object, wherever it stands. */
export const endless = (data: unknown): Issue | undefined => {
  const around = new Set<object>()
  const finite = new Set<object>()
  const visit = (value: unknown, path: Issue["path"]): Issue | undefined => {
    if (typeof value !== "object" || value === null || finite.has(value) || Agent.isAgent(value)) return undefined
    if (around.has(value)) return { path, message: "contains itself" }
    if (path.length > deepest) return { path, message: `is nested more than ${deepest} deep` }
    around.add(value)
    for (const [key, inner] of entriesOf(value)) {
      const issue = visit(inner, [...path, key])
      if (issue !== undefined) return issue
    }
    around.delete(value)
    finite.add(value)
    return undefined
  }
  return visit(data, [])
}

const entriesOf = (value: object): Iterable<readonly [string | number, unknown]> =>
  Array.isArray(value) ? value.entries() : Object.entries(value)
