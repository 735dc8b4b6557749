/**
 * Who is at work in a hierarchy: a member, those above it, what it may do, and whom it may write to.
 *
 * The fiber's context knows the party whose program it carries out, also in the body of a step.
 */
import * as Context from "effect/Context"
import type * as Run from "../../core/Run.ts"
import type { Mailbox } from "./HierarchyMailbox.ts"
import type { AnyResolver } from "./HierarchyResolver.ts"

/** How many levels of delegation may lie below a member, of those that somebody above it, or itself, allows. */
export interface Depth {
  readonly left: number
  readonly allowed: number
}

/** A member of a hierarchy at work. */
export interface Party {
  readonly name: string
  readonly superior: Lead | undefined
  readonly holds: ReadonlySet<string>
  readonly depth: Depth
  readonly mailbox: Mailbox
  /** The run it is at work in, if any. */
  readonly run: Run.Run | undefined
  readonly leads: Leads | undefined
}

export interface Lead extends Party {
  readonly leads: Leads
}

/** What a lead has, in one call of it. */
export interface Leads {
  /** Of the reports, whether they are at work or not. */
  readonly mailboxes: ReadonlyMap<string, Mailbox>
  readonly channels: ReadonlySet<string>
  readonly resolvers: ReadonlyMap<string, AnyResolver>
  /** What resolvers need, as it was where the lead was called. */
  readonly context: Context.Context<never>
}

export const CurrentParty: Context.Reference<Party | undefined> = Context.Reference<Party | undefined>(
  "tutti/patterns/Hierarchy/CurrentParty",
  { defaultValue: () => undefined }
)

/** Those above, the nearest first. */
export const superiors = (party: Party | undefined): ReadonlyArray<Lead> => {
  const chain: Array<Lead> = []
  for (let lead = party?.superior; lead !== undefined; lead = lead.superior) chain.push(lead)
  return chain
}

/** The edge between two reports of one lead, from either side. */
export const edge = (one: string, other: string): string => JSON.stringify([one, other].toSorted())
