/** What to say about a name that nothing bears: what exists, or what was probably meant. */

/** More names than these are counted, not listed. */
const listed = 10

/** `there is no pattern "Reviwed": did you mean "Reviewed"?` */
export const unknownName = (kind: string, name: string, known: Iterable<string>): string => {
  const names = [...known]
  const meant = nearest(name, names)
  const hint = meant === undefined ? existing(names) : `did you mean "${meant}"?`
  return `there is no ${kind} "${name}": ${hint}`
}

const existing = (names: ReadonlyArray<string>): string => {
  if (names.length === 0) return "there is none at all"
  const rest = names.length - listed
  return `there are ${names.slice(0, listed).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`
}

/** The name with the fewest edits, about a third of the longer one's length at most. */
export const nearest = (name: string, names: ReadonlyArray<string>): string | undefined => {
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const candidate of names) {
    const allowed = Math.floor((Math.max(candidate.length, name.length) + 1) / 3)
    if (Math.abs(candidate.length - name.length) > allowed) continue
    const edits = distance(name.toLowerCase(), candidate.toLowerCase())
    if (edits <= allowed && (best === undefined || edits < best.edits)) best = { name: candidate, edits }
  }
  return best?.name
}

/**
 * How many characters must be inserted, deleted or replaced.
 *
 * Source: Wagner & Fischer, "The string-to-string correction problem", JACM 1974.
 */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[to.length]!
}
