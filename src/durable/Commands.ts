/** What others ask of a run: stored in its inbox stream first, then passed to the run wherever it is carried out. */
import * as Effect from "effect/Effect"
import type { NewEvent, StoredEvent } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { LiveRun } from "./LiveRun.ts"
import type { EventStoreError, VersionConflict } from "../event-store/EventStoreError.ts"
import { CurrentRequest } from "./Causes.ts"
import { EngineError, RunNotFound } from "./RunError.ts"
import * as RunHistory from "./RunHistory.ts"
import { inboxStream, runStream } from "./RunJournal.ts"

export const commandTags = ["SignalSent", "CancelRequested", "PauseRequested", "ResumeRequested"] as const

/** Starts a fiber in the engine's context. */
type Fork = (effect: Effect.Effect<void>) => unknown

const inboxPrefix = "inbox/"

/** The run that a stored command is for. `undefined`: it lies in a stream that is no inbox. */
export const targetOf = (command: StoredEvent): string | undefined =>
  command.stream.startsWith(inboxPrefix) ? command.stream.slice(inboxPrefix.length) : undefined

/** Stores a command for a run, in whichever process it is carried out. One that has ended needs none, nor does it keep any. */
export const send = (
  store: typeof EventStore.Service,
  runId: string,
  command: NewEvent & { readonly type: (typeof commandTags)[number] }
): Effect.Effect<void, EngineError | RunNotFound> =>
  Effect.gen(function* () {
    const [last] = yield* store.readArray(runStream(runId), { direction: "backwards", max: 1 })
    if (last === undefined) return yield* new RunNotFound({ runId })
    if (RunHistory.isEnd(last.type)) return
    const meta = { runId, correlationId: runId }
    yield* store.append(inboxStream(runId), [{ ...command, meta }], "Any")
  }).pipe(
    Effect.mapError((error) => {
      if (error._tag === "RunNotFound" || isDeleted(error)) return new RunNotFound({ runId })
      return new EngineError({ operation: `reach run "${runId}"`, cause: error })
    })
  )

const isDeleted = (error: VersionConflict | EventStoreError): boolean =>
  error._tag === "EventStoreError" && error.reason._tag === "StreamDeleted"

/** Passes a stored command on. */
export const deliver = (run: LiveRun, command: StoredEvent, fork: Fork): void => {
  const data = command.data as any
  switch (command.type) {
    case "SignalSent":
      return run.deliver({ id: command.id, name: data.signal, payload: data.payload, version: command.version })
    case "CancelRequested":
      return void fork(requestedBy(command)(run.cancel(data.reason)))
    case "PauseRequested":
      return void fork(requestedBy(command)(run.setPaused(true, command.version)))
    case "ResumeRequested":
      return void fork(requestedBy(command)(run.setPaused(false, command.version)))
  }
}

const requestedBy = ({ id }: StoredEvent) => Effect.provideService(CurrentRequest, id)

/** Passes on everything that was stored for a run while nobody carried it out. */
export const deliverAll = (store: typeof EventStore.Service, run: LiveRun, fork: Fork) =>
  Effect.map(store.readArray(inboxStream(run.runId)), (commands) => {
    for (const command of commands) if (command.type === "SignalSent") deliver(run, command, fork)
    const cancel = commands.find(({ type }) => type === "CancelRequested")
    // A cancelled run goes on undoing, even if it was paused before.
    const last = cancel ?? commands.findLast(({ type }) => type === "PauseRequested" || type === "ResumeRequested")
    if (last !== undefined) deliver(run, last, fork)
  })
