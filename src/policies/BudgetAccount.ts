/**
 * What a budget holds, and what is spent and reserved of it: plain synchronous state, in a chain with the budgets around it.
 *
 * Every change is a sum, so the order of changes does not matter: a replay that makes the same ones in another order leads
 * to the same account.
 */
import * as Context from "effect/Context"

/** How much of which resource. */
export interface Amounts {
  /** Time passes by itself: nobody can spend it. */
  readonly time?: never
  readonly [resource: string]: number
}

/** One resource of a budget. */
interface Line {
  readonly limit: number
  used: number
  reserved: number
}

export interface Account {
  readonly name: string
  readonly parent: Account | undefined
  readonly lines: ReadonlyMap<string, Line>
  /** When its time is up, and how much it had. Milliseconds. */
  readonly time: { readonly deadline: number; readonly limit: number } | undefined
  /** Does it, or one around it, limit anything that can be charged, or keep count of it? */
  readonly counts: boolean
  /** What was spent from here, of every resource, if somebody wants to know. */
  readonly tab: Map<string, number> | undefined
}

/** One that keeps count. */
export interface Tab extends Account {
  readonly tab: Map<string, number>
}

/** The account in force. */
export const Current: Context.Reference<Account | undefined> = Context.Reference<Account | undefined>(
  "tutti/policies/CurrentBudget",
  { defaultValue: () => undefined }
)

/** Why a charge does not fit. `used`: spent and reserved. */
export interface Shortage {
  readonly budget: string
  readonly resource: string
  readonly limit: number
  readonly used: number
  readonly requested: number
}

export const open = (
  name: string,
  limits: ReadonlyMap<string, number>,
  around: { readonly parent: Account | undefined; readonly time: Account["time"] }
): Account => {
  const lines = new Map(Array.from(limits, ([resource, limit]) => [resource, { limit, used: 0, reserved: 0 }]))
  return { ...around, name, lines, counts: lines.size > 0 || around.parent?.counts === true, tab: undefined }
}

/** Limits nothing, and keeps count of what is spent from it. */
export const openTab = (parent: Account | undefined): Tab => ({
  name: "tab",
  parent,
  lines: noLines,
  time: undefined,
  counts: true,
  tab: new Map()
})

const noLines: Account["lines"] = new Map()

/** Sums of decimal fractions are a little off: ten times 0.1 of money still fits into 1. */
const tolerance = 1e-9

const exceeds = (amount: number, limit: number): boolean => amount > limit + tolerance * Math.max(1, limit)

const held = (line: Line): number => line.used + line.reserved

const entries = (amounts: Amounts): Array<[string, number]> => Object.entries(amounts) as Array<[string, number]>

/** Reserves the amounts here and in every budget around, or nothing anywhere. */
export const take = (account: Account, amounts: Amounts): Shortage | undefined => {
  const short = shortage(account, amounts as Readonly<Record<string, number>>)
  if (short === undefined) reserve(account, amounts)
  return short
}

const shortage = (account: Account, amounts: Readonly<Record<string, number>>): Shortage | undefined => {
  for (let one: Account | undefined = account; one !== undefined; one = one.parent) {
    for (const [resource, line] of one.lines) {
      const { limit } = line
      const used = held(line)
      // Also when nothing is requested of this resource: who has overspent gets nothing more.
      const requested = amounts[resource] ?? 0
      if (exceeds(used + requested, limit)) return { budget: one.name, resource, limit, used, requested }
    }
  }
  return undefined
}

const add = (account: Account, field: "used" | "reserved", changes: ReadonlyArray<[string, number]>): void => {
  for (let one: Account | undefined = account; one !== undefined; one = one.parent) {
    for (const [resource, change] of changes) {
      const line = one.lines.get(resource)
      if (line !== undefined) line[field] += change
    }
  }
}

/** Reserves without asking: it was granted earlier. */
export const reserve = (account: Account, amounts: Amounts): void => add(account, "reserved", entries(amounts))

/** Gives a reservation back. */
export const release = (account: Account, amounts: Amounts): void =>
  add(
    account,
    "reserved",
    entries(amounts).map(([resource, amount]) => [resource, -amount])
  )

/** Spends, even more than there is. */
export const spend = (account: Account, amounts: Amounts): void => {
  const changes = entries(amounts)
  add(account, "used", changes)
  for (let one: Account | undefined = account; one !== undefined; one = one.parent) {
    if (one.tab !== undefined) note(one.tab, changes)
  }
}

const note = (tab: Map<string, number>, changes: ReadonlyArray<[string, number]>): void => {
  for (const [resource, change] of changes) {
    if (change !== 0) tab.set(resource, (tab.get(resource) ?? 0) + change)
  }
}

/** Spends what is missing until the tab shows this much. */
export const spendUpTo = (account: Tab, total: Amounts): void =>
  spend(
    account,
    Object.fromEntries(
      entries(total).map(([resource, amount]) => [resource, amount - (account.tab.get(resource) ?? 0)])
    )
  )

/** One line of a budget for whoever reads it. `used`: spent and reserved. */
export interface Usage {
  readonly budget: string
  readonly resource: string
  readonly limit: number
  readonly used: number
}

/** All lines of the account and those around it, the innermost first. */
export const usage = ({ lines, name, parent, time }: Account, now: number): ReadonlyArray<Usage> => [
  ...Array.from(lines, ([resource, line]) => ({ budget: name, resource, limit: line.limit, used: held(line) })),
  ...(time === undefined
    ? []
    : [{ budget: name, resource: "time", limit: time.limit, used: now - (time.deadline - time.limit) }]),
  ...(parent === undefined ? [] : usage(parent, now))
]

/** Checks amounts where they are given. */
export const checkAmounts = (what: string, amounts: { readonly [resource: string]: number }): void => {
  for (const [resource, amount] of Object.entries(amounts)) {
    if (!(amount >= 0 && amount < Infinity)) throw new RangeError(`${what} of ${resource} must be >= 0, got ${amount}`)
  }
}
