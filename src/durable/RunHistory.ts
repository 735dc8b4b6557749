/**
 * What a run's stream says, folded once when the run is taken over.
 *
 * *Entries* are the answers the program received, in the order in which it received them: replay gives them again in
 * that order. Everything else (start markers, failed attempts, deadlines) is looked up by path.
 */
import type { StoredEvent } from "../event-store/Envelope.ts"
import type * as OrchestrationEvent from "../core/OrchestrationEvent.ts"

/** An answer of the world, recorded at a path. */
export interface Entry {
  readonly type: string
  readonly path: string
  readonly data: any
  readonly timestamp: number
}

/** What is known of a step that has no outcome yet. */
export interface Unfinished {
  started: { readonly at: number; readonly digest: string } | undefined
  attempts: Array<{ readonly error: unknown; readonly at: number; readonly retryAt: number }>
  deadline: number | undefined
  /** Id of the last event at its path. */
  lastId: string
}

export interface RunHistory {
  readonly started: OrchestrationEvent.Of<"RunStarted">
  /** Input of the latest beginning: `continueAsNew` replaces it. */
  readonly input: unknown
  readonly definitionVersion: number
  readonly startedAt: number
  /** Version of the stream at the latest `continueAsNew`. 0: none. */
  readonly generation: number
  readonly entries: ReadonlyArray<Entry>
  readonly unfinished: ReadonlyMap<string, Unfinished>
  readonly paused: boolean
  readonly ended: Entry | undefined
  /** Version of the last inbox event the run has dealt with. */
  readonly consumedSignals: ReadonlySet<number>
  /** Version of the stream. */
  readonly version: number
  readonly owner: string
  readonly epoch: number
  /** What the run belongs to: left out, itself. */
  readonly correlationId: string | undefined
  /** Id of the last answer, or of the event that the run begins with. */
  readonly goesOnFrom: string | undefined
}

/** Answers that replay gives again; a note is one, so that it is not recorded twice. */
export const isEntry = (type: string): boolean => !informational.has(type)

const informational: ReadonlySet<string> = new Set<OrchestrationEvent.Tag>([
  "RunStarted",
  "RunRecovered",
  "RunPaused",
  "RunResumed",
  "RunBlocked",
  "RunCancelled",
  "RunCompleted",
  "RunFailed",
  "RunContinued",
  "StepStarted",
  "StepAttemptFailed",
  "TimerScheduled",
  "SignalRejected",
  "ChildStarted"
])

export const endTags: ReadonlyArray<OrchestrationEvent.Tag> = ["RunCompleted", "RunFailed", "RunCancelled"]
const ends: ReadonlySet<string> = new Set(endTags)

/** Tells whether an event ends its run. */
export const isEnd = (type: string): boolean => ends.has(type)

const nothing: RunHistory["unfinished"] = new Map()
const none: RunHistory["consumedSignals"] = new Set()

/** History of a run that has just been accepted. */
export const fresh = (
  started: RunHistory["started"],
  { at: startedAt, id }: { readonly at: number; readonly id: string },
  correlationId: string | undefined
): RunHistory => ({
  started,
  correlationId,
  goesOnFrom: id,
  input: started.input,
  definitionVersion: started.definitionVersion,
  startedAt,
  generation: 0,
  entries: [],
  unfinished: nothing,
  paused: false,
  ended: undefined,
  consumedSignals: none,
  version: 1,
  owner: started.owner,
  epoch: started.epoch
})

/** Folds a run's stream, oldest event first. `undefined`: there is no such run. */
export const fold = (events: ReadonlyArray<StoredEvent>): RunHistory | undefined => {
  const first = events[0]
  if (first === undefined) return undefined
  const fold = new Fold()
  for (const event of events) fold.apply(event)
  return fold.finish()
}

class Fold {
  private started: OrchestrationEvent.Of<"RunStarted"> | undefined
  private input: unknown
  private definitionVersion = 1
  private startedAt = 0
  private generation = 0
  private entries: Array<Entry> = []
  private unfinished = new Map<string, Unfinished>()
  private paused = false
  private ended: Entry | undefined
  private consumed = new Set<number>()
  private version = 0
  private correlationId: string | undefined
  private goesOnFrom: string | undefined
  private owner = ""
  private epoch = 0

  apply(event: StoredEvent): void {
    this.version = event.version
    this.correlationId ??= event.meta.correlationId
    const data = event.data as any
    const path = event.meta.path ?? ""
    if (isEntry(event.type)) {
      this.entries.push({ type: event.type, path, data, timestamp: event.meta.timestamp })
      this.goesOnFrom = event.id
      this.unfinished.delete(path)
      if (event.type === "SignalReceived") this.consumed.add(data.inbox)
      return
    }
    if (isEnd(event.type)) this.ended = { type: event.type, path, data, timestamp: event.meta.timestamp }
    this.informed[event.type]?.(event, data, path)
  }

  /** What the events that are no answers tell. */
  private readonly informed: { readonly [type: string]: (event: StoredEvent, data: any, path: string) => void } = {
    RunStarted: (event, data) => this.begin(event, data, data),
    RunContinued: (event, data) => {
      this.begin(event, data.started, data)
      this.generation = this.version
      for (const inbox of data.consumed) this.consumed.add(inbox)
    },
    RunRecovered: (_, data) => {
      this.owner = data.owner
      this.epoch = data.epoch
    },
    RunPaused: () => {
      this.paused = true
    },
    RunResumed: () => {
      this.paused = false
    },
    StepStarted: (event, data, path) => {
      this.at(path, event).started = { at: event.meta.timestamp, digest: data.digest }
    },
    StepAttemptFailed: (event, data, path) => this.failed(this.at(path, event), data, event.meta.timestamp),
    TimerScheduled: (event, data, path) => {
      this.at(path, event).deadline = data.deadline
    },
    SignalRejected: (_, data) => {
      this.consumed.add(data.inbox)
    }
  }

  finish(): RunHistory | undefined {
    if (this.started === undefined) return undefined
    return {
      started: this.started,
      input: this.input,
      definitionVersion: this.definitionVersion,
      startedAt: this.startedAt,
      generation: this.generation,
      entries: this.entries,
      unfinished: this.unfinished,
      paused: this.paused,
      ended: this.ended,
      consumedSignals: this.consumed,
      version: this.version,
      owner: this.owner,
      epoch: this.epoch,
      correlationId: this.correlationId,
      goesOnFrom: this.goesOnFrom
    }
  }

  private begin(
    event: StoredEvent,
    started: RunHistory["started"],
    { definitionVersion, input }: { readonly input: unknown; readonly definitionVersion: number }
  ): void {
    this.started = started
    this.input = input
    this.definitionVersion = definitionVersion
    this.startedAt = event.meta.timestamp
    this.goesOnFrom = event.id
    this.owner = started.owner
    this.epoch = started.epoch
    this.entries = []
    this.unfinished = new Map()
    this.consumed = new Set()
  }

  private failed(step: Unfinished, data: { error: unknown; retryAt: number }, at: number): void {
    step.attempts.push({ error: data.error, at, retryAt: data.retryAt })
    // Its outcome is known: it is no longer in doubt.
    step.started = undefined
  }

  private at(path: string, { id: lastId }: StoredEvent): Unfinished {
    let known = this.unfinished.get(path)
    if (known === undefined) {
      known = { started: undefined, attempts: [], deadline: undefined, lastId }
      this.unfinished.set(path, known)
    }
    known.lastId = lastId
    return known
  }
}
