/** Messages between the members of a hierarchy, along its edges. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import * as Signal from "../../durable/Signal.ts"
import { MailboxFull, NoChannel, nobody } from "./HierarchyError.ts"
import type { Mailbox, Message } from "./HierarchyMailbox.ts"
import { CurrentParty, edge, type Party } from "./HierarchyParty.ts"
import { inOwnScope, recorded } from "./HierarchyRecord.ts"

/** The mailbox behind an edge of the party: its reports, its lead, and those it has a channel to. */
const mailboxOf = (party: Party, to: string): Mailbox | undefined => {
  const report = party.leads?.mailboxes.get(to)
  if (report !== undefined || party.superior === undefined) return report
  if (party.superior.name === to) return party.superior.mailbox
  const { channels, mailboxes } = party.superior.leads
  return channels.has(edge(party.name, to)) ? mailboxes.get(to) : undefined
}

/**
 * Sends a message to a report, to the lead, or to a peer with whom there is a channel.
 *
 * **Details** Returns when it lies in the recipient's mailbox, whether or not that one is at work. A lead goes by the name
 * of its hierarchy, if it is the root, and otherwise by the name it has as a report.
 *
 * **Gotchas** Not in the body of a step of a run, which is a defect: a replay does not run it, and would forget the message.
 *
 * **Errors** `NoChannel` — no edge leads there. `MailboxFull` — too many unread messages. `InvalidSignal` — the value does
 * not match the schema.
 *
 * @category running
 * @stability experimental
 * @since 0.1.0
 */
export const send = <A>(
  to: string,
  message: Signal.Signal<A>,
  value: A
): Effect.Effect<void, NoChannel | MailboxFull | Signal.InvalidSignal> =>
  Effect.flatMap(CurrentParty, (party): Effect.Effect<void, NoChannel | MailboxFull | Signal.InvalidSignal> => {
    if (party === undefined) return Effect.fail(new NoChannel({ from: nobody, to }))
    const from = party.name
    const mailbox = mailboxOf(party, to)
    if (mailbox === undefined) return Effect.fail(new NoChannel({ from, to }))
    const encoded = inProgramOf(party, Signal.encode(message, value))
    return Effect.flatMap(encoded, (value) =>
      inOwnScope(`send ${message.name} to ${to}`)(put(mailbox, { from, to, name: message.name, value }))
    )
  })

/** Goes on unless this is the body of a step. */
const inProgramOf = <A, E>(party: Party, self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(Run.CurrentRun, (current) =>
    current?.run === party.run
      ? self
      : Effect.die(new Error(`"${party.name}" sends or receives in the body of a step, where a replay would forget it`))
  )

interface Letter {
  readonly from: string
  readonly to: string
  readonly name: string
  readonly value: Schema.Json
}

const put = (mailbox: Mailbox, { from, name, to, value }: Letter): Effect.Effect<void, MailboxFull> =>
  Effect.flatMap(Run.CurrentRun, (current) => {
    const message = { id: current?.scope.path ?? "", from, name, value }
    const sent = recorded<"sent" | "full">("put", {
      live: (changed) =>
        Effect.sync(() => {
          if (mailbox.isFull) return changed("full")
          mailbox.put(message)
          return changed("sent")
        }),
      replayed: (answer) => {
        if (answer === "sent") mailbox.put(message)
      }
    })
    return Effect.flatMap(sent, (answer) =>
      answer === "sent"
        ? PatternEvent.state({ _tag: "MessageSent", from, to, message: name })
        : Effect.fail(new MailboxFull({ from, to, capacity: mailbox.capacity }))
    )
  })

/** A message as it is received. */
export interface Received<out A> {
  readonly from: string
  readonly value: A
}

/**
 * Waits for the next message of this kind to whoever is at work here.
 *
 * **Details** Oldest first, each one once. Messages that came before are kept for the call of the lead that both belong to.
 * A report has one mailbox for all its calls. Outside a hierarchy nobody can send: it waits until it is interrupted.
 *
 * **Gotchas** If it is interrupted in the moment in which its message comes, that message may be gone with it. Not in the
 * body of a step of a run, which is a defect.
 *
 * @category running
 * @stability experimental
 * @since 0.1.0
 */
export const receive = <A>(message: Signal.Signal<A>): Effect.Effect<Received<A>> =>
  Effect.flatMap(CurrentParty, (party) => {
    if (party === undefined) return Effect.never
    const received = inOwnScope(`receive ${message.name}`)(
      Effect.flatMap(take(party.mailbox, message.name), ({ from, value }) => {
        const decoded = message.decode(value)
        return Exit.isSuccess(decoded)
          ? Effect.succeed({ from, value: decoded.value })
          : Effect.die(new Error(`message "${message.name}" from "${from}" has another schema where it was sent`))
      })
    )
    return inProgramOf(party, received)
  })

const take = (mailbox: Mailbox, name: string) =>
  recorded<Message>("take", {
    live: (changed) => {
      const next: Effect.Effect<Message> = Effect.suspend(() => {
        const found = mailbox.poll(name)
        return found === undefined ? Effect.andThen(awaited, next) : Effect.succeed(changed(found))
      })
      const awaited = Effect.callback<void>((resume) => {
        const wake = () => resume(Effect.void)
        // It may have come since it was looked for.
        if (mailbox.has(name)) return wake()
        const giveUp = mailbox.onMessage(wake)
        return Effect.sync(giveUp)
      })
      return next
    },
    replayed: ({ id }) => mailbox.take(id),
    dropped: (message) => mailbox.putBack(message)
  })
