/**
 * One partition in the hands of its owner: what was read of it, what is done, what waits.
 *
 * A share is owned until it is given back or somebody else has taken it. It keeps its events from the checkpoint on, so
 * that streams may run ahead of one that is stuck, and the checkpoint still never passes an event that is not done (S1).
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Position, StoredEvent } from "../event-store/Envelope.ts"
import type { Checkpoint, Found } from "./ConsumerGroup.ts"
import type * as DeadLetter from "./DeadLetter.ts"

/** An event between the checkpoint and what was read. */
export interface Entry {
  readonly event: StoredEvent
  done: boolean
}

/** Asks the schedule for the delay before the next try. `undefined`: there is none. */
export type Retry = (failure: unknown) => Effect.Effect<Duration.Duration | undefined>

/** Events that are handled one after the other. One worker at a time has it in hand. */
export class Lane {
  /** In order; the first is next. */
  readonly entries: Array<Entry> = []
  /** Streams whose dead letters are to be tried again, before anything else. */
  readonly redriving = new Set<string>()
  /** Loaded dead letters of one such stream; the first is next. */
  letters: Array<DeadLetter.Found> = []
  state: "idle" | "ready" | "busy" | "waiting" = "idle"
  /** Id of the event that is being tried. */
  subject = ""
  /** Failed tries of it. */
  attempts = 0
  /** Its schedule, once it has failed. */
  retry: Retry | undefined
  /** How often documents were refused since the last try that failed. */
  refusals = 0
  /** So many events are taken one by one, because a batch of them failed. */
  single = 0
  readonly share: Share
  readonly key: string

  constructor(share: Share, key: string) {
    this.share = share
    this.key = key
  }

  get hasWork(): boolean {
    return this.entries.length > 0 || this.redriving.size > 0
  }

  /** Another event has all its tries before it. */
  turnTo(subject: string): void {
    if (this.subject === subject) return
    this.subject = subject
    this.attempts = 0
    this.refusals = 0
    this.retry = undefined
  }
}

export class Share {
  readonly partition: number
  readonly owner: string
  readonly epoch: number
  /** Of the checkpoint document. */
  version: number
  commit: number
  deadLetters: number
  /** What the stored checkpoint says. */
  stored: Position
  /** All events up to here were taken over from the log. */
  read: Position
  readonly entries: Array<Entry> = []
  readonly lanes = new Map<string, Lane>()
  /** Dead letters of each stream, if they hold up the stream's later events. */
  readonly parked: Map<string, number>
  state: "held" | "releasing" | "gone" = "held"
  /** Lanes in hand. */
  busy = 0
  /** Done before this owner's time, and not read again yet. */
  private readonly known: Map<string, Position>

  constructor(partition: number, claimed: Found<Checkpoint>, parked: Map<string, number>) {
    const { commit, deadLetters, done, epoch, owner, position } = claimed.value
    this.partition = partition
    this.owner = owner!
    this.epoch = epoch
    this.version = claimed.version
    this.commit = commit
    this.deadLetters = deadLetters
    this.stored = position
    this.read = position
    this.known = new Map(done)
    this.parked = parked
  }

  /** All events up to here are done. */
  get position(): Position {
    for (const { done, event } of this.entries) if (!done) return event.position - 1
    return this.read
  }

  /** Takes an event over from the log. `undefined`: it is done already (S3). */
  take(event: StoredEvent, laneKey: string): Lane | undefined {
    this.read = event.position
    const entry: Entry = { event, done: this.known.delete(event.id) }
    this.entries.push(entry)
    if (entry.done) return undefined
    const lane = this.lane(laneKey)
    lane.entries.push(entry)
    return lane
  }

  /** Nothing up to here is of interest, or everything was taken over. */
  passTo(position: Position): void {
    if (position > this.read) this.read = position
  }

  lane(key: string): Lane {
    let lane = this.lanes.get(key)
    if (lane === undefined) this.lanes.set(key, (lane = new Lane(this, key)))
    return lane
  }

  /** Forgets what lies before the first event that is not done; answers how much that was. */
  settle(): number {
    let count = 0
    while (count < this.entries.length && this.entries[count]!.done) count++
    if (count > 0) this.entries.splice(0, count)
    return count
  }

  /** The checkpoint as it stands now. */
  checkpoint(deadLetters: number): Checkpoint {
    const { position } = this
    const done: Array<[string, Position]> = []
    for (const { done: isDone, event } of this.entries) {
      if (isDone && event.position > position) done.push([event.id, event.position])
    }
    for (const known of this.known) if (known[1] > this.read) done.push(known)
    return {
      position,
      done,
      owner: this.state === "releasing" && this.busy === 0 ? null : this.owner,
      epoch: this.epoch,
      commit: this.commit + 1,
      deadLetters: this.deadLetters + deadLetters
    }
  }

  /** Events of it that count against the member's window. */
  drop(): number {
    this.state = "gone"
    this.lanes.clear()
    return this.entries.splice(0).length
  }
}
