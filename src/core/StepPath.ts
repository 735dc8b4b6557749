/**
 * Structural identity of a step: where in the program it stands, and the how-manieth time.
 *
 * A path reads like the program: `release/review/reviewers/alice#2` is the second call of `alice` inside `reviewers`
 * inside `review` inside `release`. Each scope counts its own calls by name, so loops and concurrent branches get
 * stable identities as long as each branch has a scope of its own.
 */

/** One scope of a run: a path and the calls counted in it. */
export interface StepScope {
  readonly path: string
  readonly calls: Map<string, number>
}

export const makeScope = (path: string): StepScope => ({ path, calls: new Map() })

const reserved = /[%/#]/g
const escapes: Readonly<Record<string, string>> = { "%": "%25", "/": "%2F", "#": "%23" }

/** Escapes what has a meaning in a path, so that two names never become one. A name without letters is `%`. */
export const segment = (name: string): string =>
  name === "" ? "%" : name.replace(reserved, (character) => escapes[character] ?? character)

/** Path of the next call of `segment` in the scope: `alice`, then `alice#2`, `alice#3`, … */
export const next = (scope: StepScope, segment: string): string => {
  const count = (scope.calls.get(segment) ?? 0) + 1
  scope.calls.set(segment, count)
  const name = count === 1 ? segment : `${segment}#${count}`
  return scope.path === "" ? name : `${scope.path}/${name}`
}
