/** What the log of a run says about its requests for approval. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as PatternEvent from "../../core/PatternEvent.ts"
import * as StepPath from "../../core/StepPath.ts"
import { Engine } from "../../durable/Engine.ts"
import type { EngineError, RunNotFound } from "../../durable/RunError.ts"
import type { StoredEvent } from "../../event-store/Envelope.ts"
import { ApprovalClosed, NotAddressed } from "./ApprovalError.ts"

/**
 * A request that waits for its answer.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface OpenRequest {
  readonly approval: string
  readonly key: string
  /** The name of the signal that answers it. */
  readonly signal: string
  /** Encoded, as it stands in the log. */
  readonly request: Schema.Json
  /** Who may answer. Empty: anyone. */
  readonly to: ReadonlyArray<string>
  readonly requestedAt: DateTime.Utc
  readonly deadline: DateTime.Utc | undefined
  readonly reminders: number
}

/** What has become of the requests of one key. */
export type State =
  | { readonly _tag: "Open"; readonly request: OpenRequest }
  | { readonly _tag: "Answered"; readonly by: string }
  | { readonly _tag: "Expired" | "Withdrawn" }

type ApprovalEvent = Extract<PatternEvent.PatternEvent, { readonly approval: string }>

/** Unique for an approval and a key. */
const idOf = (approval: string, key: string): string => `${StepPath.segment(approval)}/${StepPath.segment(key)}`

/** The signal that answers the n-th request of this key in a run. */
export const signalOf = (approval: string, key: string, nth: number): string =>
  `approval/${idOf(approval, key)}${nth === 1 ? "" : `#${nth}`}`

/** The requests of a run, each in its latest state, in the order in which they were made. */
export class Requests {
  private readonly states = new Map<string, State>()

  /** `undefined`: never asked for so far. */
  of(approval: string, key: string): State | undefined {
    return this.states.get(idOf(approval, key))
  }

  get open(): ReadonlyArray<OpenRequest> {
    return [...this.states.values()].flatMap((state) => (state._tag === "Open" ? [state.request] : []))
  }

  apply({ data, meta, type }: StoredEvent): void {
    if (!types.has(type)) return
    const event = { _tag: type, ...(data as object) } as ApprovalEvent
    const id = idOf(event.approval, event.key)
    const next = evolve(this.states.get(id), event, meta.timestamp)
    if (event._tag === "ApprovalRequested") this.states.delete(id)
    if (next !== undefined) this.states.set(id, next)
  }
}

const types: ReadonlySet<string> = new Set<ApprovalEvent["_tag"]>([
  "ApprovalRequested",
  "ApprovalReminded",
  "ApprovalDelegated",
  "ApprovalAnswered",
  "ApprovalExpired",
  "ApprovalWithdrawn"
])

const evolve = (state: State | undefined, event: ApprovalEvent, at: number): State | undefined => {
  switch (event._tag) {
    case "ApprovalRequested":
      return { _tag: "Open", request: requestOf(event, at) }
    case "ApprovalAnswered":
      return { _tag: "Answered", by: event.by }
    case "ApprovalExpired":
      return { _tag: "Expired" }
    case "ApprovalWithdrawn":
      return { _tag: "Withdrawn" }
    default:
      return state?._tag === "Open" ? { _tag: "Open", request: changed(state.request, event) } : state
  }
}

const requestOf = (
  { approval, deadline, key, request, signal, to }: Extract<ApprovalEvent, { readonly _tag: "ApprovalRequested" }>,
  at: number
): OpenRequest => ({
  approval,
  key,
  signal,
  request,
  to,
  requestedAt: DateTime.makeUnsafe(at),
  deadline: deadline === undefined ? undefined : DateTime.makeUnsafe(deadline),
  reminders: 0
})

const changed = (request: OpenRequest, event: ApprovalEvent): OpenRequest => {
  if (event._tag === "ApprovalReminded") return { ...request, reminders: event.reminder }
  return event._tag === "ApprovalDelegated" ? { ...request, to: delegated(request.to, event) } : request
}

/** Who may answer after a delegation: the other one, and those beside the one who delegated. */
export const delegated = <Person extends string>(
  addressees: ReadonlyArray<Person>,
  { by, to }: { readonly by: Person; readonly to: Person }
): ReadonlyArray<Person> => [...new Set([...addressees.filter((person) => person !== by), to])]

/** A run, by its id or its handle. */
export type RunReference = string | { readonly id: string }

export const idOfRun = (run: RunReference): string => (typeof run === "string" ? run : run.id)

/** Reads the requests of a run. `ended`: it waits for nothing any more. */
export const read = (
  run: RunReference
): Effect.Effect<{ readonly requests: Requests; readonly ended: boolean }, EngineError | RunNotFound, Engine> =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const { endedAt } = yield* engine.get(idOfRun(run))
    const requests = new Requests()
    yield* Stream.runForEach(engine.events(idOfRun(run)), (event) => Effect.sync(() => requests.apply(event)))
    return { requests, ended: endedAt !== undefined }
  })

/** The signal that reaches the request of this key from this person. One that was not asked for yet is the first. */
export const signalFor = (
  run: RunReference,
  { approval, by, key }: { readonly approval: string; readonly key: string; readonly by: string }
): Effect.Effect<string, ApprovalClosed | NotAddressed | EngineError | RunNotFound, Engine> =>
  Effect.gen(function* () {
    const runId = idOfRun(run)
    const { ended, requests } = yield* read(runId)
    const state = requests.of(approval, key)
    if (state !== undefined && state._tag !== "Open") {
      const ending = state._tag === "Answered" ? { ending: state._tag, by: state.by } : { ending: state._tag }
      return yield* new ApprovalClosed({ runId, approval, key, ...ending })
    }
    if (ended) return yield* new ApprovalClosed({ runId, approval, key, ending: "RunEnded" })
    const { signal = signalOf(approval, key, 1), to = [] } = state?.request ?? {}
    if (to.length > 0 && !to.includes(by)) return yield* new NotAddressed({ runId, approval, key, by, to })
    return signal
  })
