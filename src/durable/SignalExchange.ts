/** Receiving a signal in a run: the wait, its time limit, and the record of what was received. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Run from "../core/Run.ts"
import { deadlineOf, sleepUntil } from "./Alarm.ts"
import type { Inbox, Signal } from "./Inbox.ts"
import type { Entry, RunHistory } from "./RunHistory.ts"
import type { RunJournal } from "./RunJournal.ts"

interface Reception<A> {
  readonly spec: Run.ReceiveSpec<A>
  readonly path: string
  readonly open: <A2, E2, R2>(effect: Effect.Effect<A2, E2, R2>) => Effect.Effect<A2, E2, R2>
  readonly inbox: Inbox
  readonly journal: RunJournal
  readonly history: RunHistory
}

/** Waits for the next signal that decodes and records it. To be called uninterruptibly. */
export const receive = <A>(reception: Reception<A>): Effect.Effect<A | undefined> =>
  Effect.gen(function* () {
    const { journal, open, path, spec } = reception
    const deadline = spec.timeout === undefined ? undefined : yield* deadlineOf(reception, spec.timeout)
    while (true) {
      const signal = yield* nextSignal(reception, deadline)
      if (signal === undefined) {
        yield* journal.append("SignalTimedOut", path, { signal: spec.signal })
        return undefined
      }
      journal.causes.led(path, signal.id)
      const decoded = spec.decode(signal.payload)
      const { name, payload, version: inbox } = signal
      if (Exit.isSuccess(decoded)) {
        yield* journal.append("SignalReceived", path, { signal: name, payload, inbox })
        return decoded.value
      }
      yield* journal.announce(
        { type: "SignalRejected", path, data: { signal: name, inbox, issue: issueOf(decoded.cause) } },
        open
      )
    }
  })

/** A signal that arrived wins over a deadline that passed at the same moment: it must not be lost. */
const nextSignal = (reception: Reception<any>, deadline: number | undefined): Effect.Effect<Signal | undefined> =>
  Effect.suspend(() => {
    let taken: Signal | undefined
    const arrival = Effect.callback<void>((resume) => {
      const stop = reception.inbox.receive(reception.spec.signal, (signal) => {
        taken = signal
        resume(Effect.void)
      })
      return Effect.sync(stop)
    })
    const wait = deadline === undefined ? arrival : Effect.raceFirst(arrival, sleepUntil(deadline))
    return Effect.flatMap(Effect.exit(reception.open(wait)), (exit): Effect.Effect<Signal | undefined> =>
      taken === undefined && Exit.isFailure(exit) ? Effect.failCause(exit.cause) : Effect.succeed(taken)
    )
  })

const format = SchemaIssue.makeFormatterDefault()

const issueOf = (cause: Cause.Cause<SchemaIssue.Issue>): string => {
  const issue = Cause.findErrorOption(cause)
  return issue._tag === "Some" ? format(issue.value) : "does not decode"
}

/** The answer that the journal gives. `undefined`: it is not one of this signal. */
export const answer = <A>(spec: Run.ReceiveSpec<A>, entry: Entry): Effect.Effect<A | undefined> | undefined => {
  if (entry.data.signal !== spec.signal) return undefined
  if (entry.type === "SignalTimedOut") return Effect.succeed(undefined)
  if (entry.type !== "SignalReceived") return undefined
  const decoded = spec.decode(entry.data.payload)
  return Exit.isSuccess(decoded) ? Effect.succeed(decoded.value) : undefined
}
