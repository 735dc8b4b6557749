/** How work in a hierarchy can fail, beyond the failures of its members. */
import * as Schema from "effect/Schema"

/** Name of whoever is at work where no hierarchy is. */
export const nobody = "(outside every hierarchy)"

const names = (chain: ReadonlyArray<string>): string => chain.map((name) => `"${name}"`).join(", ")

/** Somebody wanted to act without the permission for it. Nothing was done. */
export class NotPermitted extends Schema.TaggedError<NotPermitted>()("NotPermitted", {
  /** The permission that is missing. */
  action: Schema.String,
  asker: Schema.String,
  /** The nearest one up the chain who holds the permission, if anyone does. */
  holder: Schema.optionalKey(Schema.String),
  /** From the asker up to the root. */
  chain: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const { action, asker, chain, holder } = this
    if (asker === nobody) {
      return `"${action}" was asked for outside every hierarchy, where nothing is permitted: delegate the call from a lead that grants "${action}".`
    }
    const denied = `"${asker}" may not "${action}"`
    if (holder !== undefined) {
      return `${denied}: the nearest above who may is "${holder}", and the permission must be held and granted all the way down from there.`
    }
    const root = chain.at(-1) ?? asker
    return root === asker
      ? `${denied}: that is not among its permissions.`
      : `${denied}, nor may anyone above: it must be among the permissions of "${root}", and be held and granted from there down to "${asker}".`
  }
}

/** A matter was raised, and nobody up the chain answers it. */
export class MatterUnresolved extends Schema.TaggedError<MatterUnresolved>()("MatterUnresolved", {
  matter: Schema.String,
  raisedBy: Schema.String,
  /** Those who were asked, from the nearest lead up to the root. */
  chain: Schema.Array(Schema.String)
}) {
  override get message(): string {
    if (this.raisedBy === nobody) {
      return `"${this.matter}" was raised outside every hierarchy, where nobody answers: delegate the call from a lead that resolves "${this.matter}".`
    }
    const asked = this.chain.length === 0 ? "nobody stands above" : `asked were ${names(this.chain)}`
    return `"${this.raisedBy}" raised "${this.matter}" and nobody answers it: ${asked}.`
  }
}

/** A lead wanted to delegate more than the limits of the hierarchy allow. The report was not called. */
export class DelegationRefused extends Schema.TaggedError<DelegationRefused>()("DelegationRefused", {
  lead: Schema.String,
  report: Schema.String,
  /** `depth`: levels of delegation. `fanOut`: delegations of one call. `waiting`: delegations that wait for a place. */
  limit: Schema.Literals(["depth", "fanOut", "waiting"]),
  allowed: Schema.Int
}) {
  override get message(): string {
    return `"${this.lead}" may not delegate to "${this.report}": the limit "${this.limit}" of ${this.allowed} is reached.`
  }
}

/** There is no edge between the two: neither lead and report, nor a declared channel. Nothing was sent. */
export class NoChannel extends Schema.TaggedError<NoChannel>()("NoChannel", {
  from: Schema.String,
  to: Schema.String
}) {
  override get message(): string {
    return this.from === nobody
      ? `A message to "${this.to}" was sent outside every hierarchy, where nobody receives it: send it from a lead or a report.`
      : `"${this.from}" cannot send to "${this.to}": there is no channel between them.`
  }
}

/** The recipient has too many unread messages. Nothing was sent. */
export class MailboxFull extends Schema.TaggedError<MailboxFull>()("MailboxFull", {
  from: Schema.String,
  to: Schema.String,
  capacity: Schema.Int
}) {
  override get message(): string {
    return `"${this.from}" cannot send to "${this.to}": its mailbox holds ${this.capacity} unread messages.`
  }
}
