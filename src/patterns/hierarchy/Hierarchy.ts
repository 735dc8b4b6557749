/**
 * A lead that has reports do parts of its work, and that is an agent itself: so reports may be hierarchies, to any depth.
 *
 * The lead is a program. It delegates by the names of its reports, each with its own types, and stays in control. What it
 * is allowed comes from above; what it cannot answer goes up; messages go along the edges.
 *
 * Invariants (checked by `test/patterns/Hierarchy.test.ts` and, inside a run, by `Hierarchy.durable.test.ts`):
 *
 *   H1. A delegation calls its report once, and answers with its output or fails with its typed error.
 *   H2. A member holds a permission only if everyone above it holds and grants it. One it does not hold is refused before
 *       anything is done, and the refusal names the action, the asker, and the nearest holder above.
 *   H3. A matter goes to the nearest lead above who resolves it, to no other, and past one only if that one passes it on.
 *       Answered by nobody, it fails where it was raised, with everyone who was asked.
 *   H4. No delegation goes deeper than any lead above allows, no call of a lead makes more of them than its fan-out, and
 *       no more are in flight than it allows. The line of those that wait is bounded; what does not fit is refused.
 *   H5. A message goes only from lead to report, from report to lead, or along a declared channel. Each is received once,
 *       the oldest first.
 *   H6. However a delegation ends, its place is given back. Interrupting a lead interrupts all that it delegated.
 *   H7. In a run, a delegation has a scope of its own, by the report and its key. Two in one scope that cannot be told
 *       apart are a defect. Places and messages are given on replay as they were.
 *   H8. Delegations, refusals of permission, every hop of an escalation with its end, and messages are noted in the run.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Agent from "../../core/Agent.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import type * as Signal from "../../durable/Signal.ts"
import { Admission, type Limits, limitsOf } from "./HierarchyAdmission.ts"
import { authorize } from "./HierarchyAuthority.ts"
import { DelegationRefused, type MailboxFull, type NoChannel, type NotPermitted } from "./HierarchyError.ts"
import { escalate } from "./HierarchyEscalation.ts"
import { receive, send } from "./HierarchyMail.ts"
import { Mailbox } from "./HierarchyMailbox.ts"
import { CurrentParty, type Depth, edge, type Lead, type Party } from "./HierarchyParty.ts"
import { inOwnScope } from "./HierarchyRecord.ts"
import type { AnyResolver, Resolver, Unresolved } from "./HierarchyResolver.ts"

export type { Limits } from "./HierarchyAdmission.ts"
export { authorize, requires } from "./HierarchyAuthority.ts"
export { DelegationRefused, MailboxFull, MatterUnresolved, NoChannel, NotPermitted } from "./HierarchyError.ts"
export { escalate } from "./HierarchyEscalation.ts"
export { type Received, receive, send } from "./HierarchyMail.ts"
export { type Raised, resolve, type Resolver, type Unresolved } from "./HierarchyResolver.ts"

const TypeId = "~tutti/patterns/Hierarchy"

/**
 * An agent that leads others. `Peer` are those that its lead writes to, beside it in the hierarchy above.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hierarchy<
  in In,
  out Out,
  out E = never,
  out R = never,
  out Peer extends string = never
> extends Agent.Agent<In, Out, E, R> {
  readonly [TypeId]: ReadonlyArray<Peer>
}

/** Agents by the names that their lead knows them by. */
export type Reports = { readonly [report: string]: Agent.Any }

type NameOf<R> = keyof R & string

/** What tells two delegations to one report apart. */
export interface DelegateOptions {
  /** Names the delegation in paths, beside the report. Needed for several to one report that are in flight at once. */
  readonly key?: string
}

/**
 * What a lead works with, in one call of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Office<R extends Reports, Permission extends string, Resolved extends string, Peer extends string> {
  /** Has a report do something, and waits for its output. Matters that this lead resolves do not come back as errors. */
  readonly delegate: <Name extends NameOf<R>>(
    report: Name,
    input: Agent.Input<R[Name]>,
    options?: DelegateOptions
  ) => Effect.Effect<
    Agent.Output<R[Name]>,
    Exclude<Agent.Error<R[Name]>, Unresolved<Resolved>> | DelegationRefused,
    Agent.Services<R[Name]>
  >
  /** Goes on only if the lead holds the permission. */
  readonly authorize: (action: Permission) => Effect.Effect<void, NotPermitted>
  /** Raises a matter with those above. */
  readonly escalate: typeof escalate
  /** Sends a message to a report or to a peer. A peer may be missing: the hierarchy may be called elsewhere. */
  readonly send: <To extends NameOf<R> | Peer, A>(
    to: To,
    message: Signal.Signal<A>,
    value: A
  ) => Effect.Effect<void, MailboxFull | Signal.InvalidSignal | (To extends NameOf<R> ? never : NoChannel)>
  /** Waits for the next message of this kind. */
  readonly receive: typeof receive
}

type Channels<R> = ReadonlyArray<readonly [NameOf<R>, NameOf<R>]>

/** Names that a report has a channel to. */
type Reachable<Name, C> =
  C extends ReadonlyArray<infer Pair>
    ? Pair extends readonly [infer One, infer Other]
      ? Name extends One
        ? Other
        : Name extends Other
          ? One
          : never
      : never
    : never

/** The reports, as long as each has a channel to every peer that it writes to. */
type Connected<R, C> = {
  readonly [Name in keyof R]: R[Name] extends Hierarchy<any, any, any, any, infer Peer>
    ? [Exclude<Peer, Reachable<Name, C>>] extends [never]
      ? unknown
      : `No channel from ${Name & string} to ${Exclude<Peer, Reachable<Name, C>>}`
    : unknown
}

type ResolvedBy<Resolvers extends ReadonlyArray<AnyResolver>> = {
  readonly [I in keyof Resolvers]: Resolvers[I] extends Resolver<infer Matter, any> ? Matter : never
}[number]

type ServicesOf<Resolvers extends ReadonlyArray<AnyResolver>> = {
  readonly [I in keyof Resolvers]: Resolvers[I] extends Resolver<any, infer R> ? R : never
}[number]

/**
 * What a hierarchy is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<
  R extends Reports,
  Permission extends string,
  C extends Channels<R>,
  Resolvers extends ReadonlyArray<AnyResolver>,
  Peer extends string
> {
  /** Agents, or hierarchies, by the names that the lead calls them by. */
  readonly reports: R & Connected<R, NoInfer<C>>
  /** What the lead works with: at the root it holds these, below others those of them that it was granted. */
  readonly permissions?: ReadonlyArray<Permission>
  /** What it grants its reports, of what it holds. Left out: nothing. */
  readonly grants?: { readonly [Name in keyof R]?: ReadonlyArray<NoInfer<Permission>> }
  /** Pairs of reports that may write to each other. */
  readonly channels?: C
  /** The matters it answers, for all below it. */
  readonly resolves?: Resolvers
  /** Those that the lead writes to, beside it in the hierarchy above. */
  readonly peers?: ReadonlyArray<Peer>
  readonly limits?: Partial<Limits>
  readonly capabilities?: ReadonlyArray<string>
}

/**
 * Makes a hierarchy: a lead and its reports.
 *
 * **Details**
 *
 * - `lead` is a program, like that of `Agent.compose`: what it does is done by its reports, and by agents it calls.
 * - `delegate` fails with the report's errors, but for `MatterUnresolved` of the matters that this lead resolves.
 * - A report is known by its name here, whatever its agent is called. A hierarchy among the reports leads in that name.
 * - A hierarchy that a lead calls without delegating stands below it and is granted nothing.
 * - `limits`: `depth` 32 levels of delegation below the lead; `fanOut` and `inFlight` none; `waiting` 1024 delegations in
 *   line; `mailbox` 1024 unread messages for each member. With `fanOut` or `inFlight`, a delegation costs one recorded
 *   event more: its admission.
 *
 * **Gotchas**
 *
 * - Concurrent delegations to one report need a `key` each, or a scope of their own (`Step.forEach`).
 * - Messages lie in memory for one call of the lead. A crash loses none: senders that are programs are replayed.
 *
 * **Errors** `DelegationRefused` — a limit is reached. `NotPermitted`, `MatterUnresolved`, `NoChannel`, `MailboxFull` — see
 * `authorize`, `escalate`, `send`.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <
  const R extends Reports,
  In,
  Out,
  E,
  R2,
  const Permission extends string = never,
  const C extends Channels<R> = [],
  const Resolvers extends ReadonlyArray<AnyResolver> = [],
  const Peer extends string = never
>(
  name: string,
  options: Options<R, Permission, C, Resolvers, Peer> & {
    readonly lead: (input: In, office: Office<R, Permission, ResolvedBy<Resolvers>, Peer>) => Effect.Effect<Out, E, R2>
  }
): Hierarchy<In, Out, E, R2 | ServicesOf<Resolvers>, Peer> => {
  const team = teamOf(name, options as unknown as AnyOptions)
  const agent = Agent.compose<In, Out, E, R2>(name, {
    pattern: "Hierarchy",
    capabilities: options.capabilities ?? [],
    run: (input) =>
      Effect.contextWith((context: Context.Context<R2>) => {
        const lead = atWork(team, context)
        const office = officeOf(team, lead) as unknown as Parameters<typeof options.lead>[1]
        return Effect.provideService(options.lead(input, office), CurrentParty, lead)
      })
  })
  return Object.assign(agent, { [TypeId]: options.peers ?? [] }) as any
}

/** Options as they are kept, their types forgotten. */
type AnyOptions = Options<Reports, string, ReadonlyArray<readonly [string, string]>, ReadonlyArray<AnyResolver>, string>

/** What all calls of a lead have in common. */
interface Team {
  readonly name: string
  readonly reports: ReadonlyMap<string, Agent.Any>
  readonly permissions: ReadonlyArray<string>
  readonly grants: ReadonlyMap<string, ReadonlyArray<string>>
  readonly channels: ReadonlySet<string>
  readonly resolvers: ReadonlyMap<string, AnyResolver>
  readonly limits: Limits
}

/** The types say the same, but for the names of resolvers. This is for those who came around them. */
const teamOf = (name: string, options: AnyOptions): Team => {
  const { channels = [], grants = {}, permissions = [], reports, resolves = [] } = options
  const unknown = [...Object.keys(grants), ...channels.flat()].find((report) => !Object.hasOwn(reports, report))
  if (unknown !== undefined) throw new Error(`hierarchy "${name}" has no report "${unknown}"`)
  if (Object.hasOwn(reports, name)) throw new Error(`hierarchy "${name}" has a report of its own name`)
  const tooMuch = Object.values(grants).flatMap((granted = []) => granted.filter((one) => !permissions.includes(one)))
  if (tooMuch.length > 0) throw new Error(`hierarchy "${name}" grants "${tooMuch[0]}", which it does not work with`)
  const resolvers = new Map(resolves.map((resolver) => [resolver.name, resolver]))
  if (resolvers.size < resolves.length) throw new Error(`hierarchy "${name}" resolves one matter twice`)
  return {
    name,
    reports: new Map(Object.entries(reports)),
    permissions,
    grants: new Map(Object.entries(grants).map(([report, granted = []]) => [report, granted])),
    channels: new Set(channels.map(([one, other]) => edge(one, other))),
    resolvers,
    limits: limitsOf(name, options.limits)
  }
}

/** The lead in one call: the member that this call was delegated to, or a root, or one below the lead that calls it. */
const atWork = (team: Team, context: Context.Context<never>): Lead => {
  const caller = Context.get(context, CurrentParty)
  const { limits } = team
  const mailboxes = new Map(Array.from(team.reports.keys(), (report) => [report, new Mailbox(limits.mailbox)]))
  const { channels, resolvers } = team
  return {
    ...self(team, caller),
    run: Context.get(context, Run.CurrentRun)?.run,
    leads: { mailboxes, channels, resolvers, context }
  }
}

const self = ({ limits, name, permissions }: Team, caller: Party | undefined): Omit<Party, "run" | "leads"> => {
  const mailbox = new Mailbox(limits.mailbox)
  const own: Depth = { left: limits.depth, allowed: limits.depth }
  if (caller === undefined) return { name, superior: undefined, holds: new Set(permissions), depth: own, mailbox }
  if (isLead(caller)) {
    return { name, superior: caller, holds: new Set(), depth: stricter(below(caller.depth), own), mailbox }
  }
  const held = permissions.filter((permission) => caller.holds.has(permission))
  return { ...caller, holds: new Set(held), depth: stricter(caller.depth, own) }
}

const below = ({ allowed, left }: Depth): Depth => ({ left: left - 1, allowed })
const stricter = (one: Depth, other: Depth): Depth => (one.left <= other.left ? one : other)

const isLead = (party: Party): party is Lead => party.leads !== undefined

const officeOf = (team: Team, lead: Lead) => {
  const admission = new Admission(team.limits)
  return {
    delegate: (report: string, input: unknown, options?: DelegateOptions) =>
      delegate({ team, lead, admission, report }, input, options),
    authorize,
    escalate,
    send,
    receive
  }
}

interface Delegation {
  readonly team: Team
  readonly lead: Lead
  readonly admission: Admission
  readonly report: string
}

const delegate = (delegation: Delegation, input: unknown, options: DelegateOptions | undefined) => {
  const { admission, lead, report, team } = delegation
  const agent = team.reports.get(report)
  if (agent === undefined) return Effect.die(new Error(`hierarchy "${team.name}" has no report "${report}"`))
  const refused = (limit: DelegationRefused["limit"]) => {
    const { allowed } = limit === "depth" ? lead.depth : { allowed: team.limits[limit] }
    return Effect.fail(new DelegationRefused({ lead: lead.name, report, limit, allowed }))
  }
  const scoped = inOwnScope(options?.key === undefined ? report : `${report}[${options.key}]`)
  return scoped(lead.depth.left < 1 ? refused("depth") : admission.admit(asReport(delegation, agent, input), refused))
}

/** The call of the report, in whose name its program is at work from here on. */
const asReport = ({ lead, report, team }: Delegation, agent: Agent.Any, input: unknown) => {
  const permissions = (team.grants.get(report) ?? []).filter((permission) => lead.holds.has(permission))
  const member: Party = {
    name: report,
    superior: lead,
    holds: new Set(permissions),
    depth: below(lead.depth),
    mailbox: lead.leads.mailboxes.get(report)!,
    run: lead.run,
    leads: undefined
  }
  return Effect.andThen(
    PatternEvent.state({ _tag: "Delegated", from: lead.name, to: report, permissions }),
    Effect.provideService(agent.run(input), CurrentParty, member)
  )
}
