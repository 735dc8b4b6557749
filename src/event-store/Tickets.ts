/** What waits to be written: a queue of tickets, of which a prefix is admitted. */
import type { StreamId } from "./Envelope.ts"
import type { AppendRequest } from "./EventStoreDriver.ts"

const never = () => false

type TicketState = "Waiting" | "Admitted" | "Taken" | "Withdrawn"

/** One append that waits for its answer. */
export class Ticket<Answer> {
  state: TicketState = "Waiting"
  readonly request: AppendRequest
  readonly answer: (answer: Answer) => void
  readonly onAdmitted: (() => void) | undefined
  constructor(request: AppendRequest, answer: (answer: Answer) => void, onAdmitted: (() => void) | undefined) {
    this.request = request
    this.answer = answer
    this.onAdmitted = onAdmitted
  }
}

/** FIFO of tickets of which a prefix, bounded by `capacity`, is admitted. */
export class Tickets<Answer> {
  private items: Array<Ticket<Answer>> = []
  private head = 0
  /** Tickets before this index are admitted or withdrawn. */
  private admittedTo = 0
  private admittedEvents = 0
  private readonly capacity: number
  constructor(capacity: number) {
    this.capacity = capacity
  }

  get isEmpty(): boolean {
    return this.head === this.items.length
  }

  push(ticket: Ticket<Answer>): void {
    this.items.push(ticket)
    this.admit()
  }

  /** Events that are admitted and not taken yet. */
  get waiting(): number {
    return this.admittedEvents
  }

  /** The oldest admitted tickets, up to `maxBatch` events, but at least one; and none from the first of a busy stream on. */
  take(maxBatch: number, isBusy: (stream: StreamId) => boolean = never): Array<Ticket<Answer>> {
    const batch: Array<Ticket<Answer>> = []
    let events = 0
    while (this.head < this.admittedTo) {
      const ticket = this.items[this.head]!
      if (ticket.state === "Admitted") {
        if (events > 0 && events + ticket.request.events.length > maxBatch) break
        if (isBusy(ticket.request.stream)) break
        events += ticket.request.events.length
        ticket.state = "Taken"
        batch.push(ticket)
      }
      this.head++
    }
    this.admittedEvents -= events
    this.compact()
    this.admit()
    return batch
  }

  withdraw(ticket: Ticket<Answer>): void {
    if (ticket.state === "Admitted") this.admittedEvents -= ticket.request.events.length
    else if (ticket.state !== "Waiting") return
    ticket.state = "Withdrawn"
    this.admit()
  }

  private admit(): void {
    while (this.admittedTo < this.items.length) {
      const ticket = this.items[this.admittedTo]!
      const events = ticket.state === "Waiting" ? ticket.request.events.length : 0
      // An append larger than the whole capacity is admitted alone.
      if (this.admittedEvents > 0 && this.admittedEvents + events > this.capacity) return
      this.admittedTo++
      if (ticket.state === "Waiting") {
        this.admittedEvents += events
        ticket.state = "Admitted"
        // Runs the caller at once, who may push again: all counters are up to date by now.
        ticket.onAdmitted?.()
      }
    }
  }

  private compact(): void {
    if (this.head === this.items.length) this.items = []
    else if (this.head * 2 > this.items.length) this.items = this.items.slice(this.head)
    else return
    this.admittedTo -= this.head
    this.head = 0
  }
}
