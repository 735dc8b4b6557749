/**
 * Group commit: one queue and one writer per process in front of a driver.
 *
 * The writer hands everything that waits to the driver in one call, and does so
 * again as soon as that call returned. Batches so grow with the load, and an
 * idle store answers a single append at once.
 *
 * Invariants (checked by `test/event-store/AppendQueue.test.ts`):
 *
 *   Q1. Order of calls is order of commits, also across the limit of `capacity`: of all calls, if the driver takes one
 *       batch at a time; of those to one stream, if it takes several.
 *   Q2. A request is in the queue when its effect has begun: no step lies between.
 *   Q3. Every request is answered once: by its outcome, or by the failure of its whole batch.
 *       A batch that dies is written again one by one, so that a bad request harms only itself.
 *   Q4. A request that the writer has taken is written even if its caller is interrupted;
 *       one that still waits is withdrawn.
 *   Q5. At most `capacity` events are admitted at a time; what comes after waits its turn.
 *   Q6. Closing writes what is queued, then refuses. What a driver that waits for its server has not written within
 *       `closing` is refused, too: then it is unknown whether it was written.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Appended, AppendOutcome, AppendRequest } from "./EventStoreDriver.ts"
import { Flights } from "./Flights.ts"
import { Ticket, Tickets } from "./Tickets.ts"
import { type DocumentConflict, EventStoreError, StoreUnavailable, type VersionConflict } from "./EventStoreError.ts"

type Answer<E = DocumentConflict> = Effect.Effect<Appended, VersionConflict | EventStoreError | E>

/** Without documents there is no `DocumentConflict`. */
type EventsOnly = AppendRequest & { readonly documents?: never }

/**
 * The queue in front of a driver.
 *
 * @category models
 * @since 0.1.0
 */
export interface AppendQueue {
  /** Queues a request and waits until it is durable. The request is made when its place in the queue is certain (Q2). */
  readonly append: {
    (request: () => EventsOnly): Answer<never>
    (request: () => AppendRequest): Answer
  }
  /** Queues a request, waits until it is admitted (Q5), and returns what waits until it is durable. */
  readonly submit: {
    (request: () => EventsOnly): Effect.Effect<Answer<never>>
    (request: () => AppendRequest): Effect.Effect<Answer>
  }
}

/**
 * How much is queued and written at once.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** At most so many events per driver call, if no single append has more. Default 1000. */
  readonly maxBatch?: number
  /** At most so many events are admitted to the queue. Default 65,536. */
  readonly capacity?: number
  /** How long closing may go on writing what is queued. Default 10 seconds. */
  readonly closing?: Duration.Input
}

const refused: Answer<never> = Effect.fail(
  new EventStoreError({
    reason: new StoreUnavailable({
      operation: "append events",
      retryable: false,
      cause: new Error("the event store was closed")
    })
  })
)

const answerOf = (outcome: AppendOutcome): Answer => {
  if (!("_tag" in outcome)) return Effect.succeed(outcome)
  return Effect.fail(outcome._tag === "StreamDeleted" ? new EventStoreError({ reason: outcome }) : outcome)
}

/** The driver's `append`, and who hears of what it wrote. */
interface Target {
  /** How many batches the driver takes at a time. Default 1. */
  readonly parallel?: number | undefined
  readonly write: (
    requests: ReadonlyArray<AppendRequest>
  ) => Effect.Effect<ReadonlyArray<AppendOutcome>, EventStoreError>
  /** Called after the driver acknowledged and before the callers hear of it. */
  readonly committed: (requests: ReadonlyArray<AppendRequest>, outcomes: ReadonlyArray<AppendOutcome>) => void
}

const requestOf = (ticket: Ticket<Answer>): AppendRequest => ticket.request

class Queue implements AppendQueue {
  private readonly tickets: Tickets<Answer>
  private readonly flights: Flights
  private readonly maxBatch: number
  private readonly target: Target
  private closed = false
  private wakeWriter: (() => void) | undefined
  constructor(options: Options & Target) {
    this.tickets = new Tickets(options.capacity ?? 65_536)
    this.flights = new Flights(options.parallel ?? 1)
    this.maxBatch = options.maxBatch ?? 1000
    this.target = options
  }

  append(request: () => EventsOnly): Answer<never>
  append(request: () => AppendRequest): Answer
  append(request: () => AppendRequest): Answer {
    return Effect.callback((resume) => {
      const ticket = new Ticket<Answer>(request(), resume, undefined)
      this.enqueue(ticket)
      return Effect.sync(() => this.tickets.withdraw(ticket))
    })
  }

  submit(request: () => EventsOnly): Effect.Effect<Answer<never>>
  submit(request: () => AppendRequest): Effect.Effect<Answer>
  submit(request: () => AppendRequest): Effect.Effect<Answer> {
    return Effect.callback((resume) => {
      const answer = Deferred.makeUnsafe<Appended, VersionConflict | DocumentConflict | EventStoreError>()
      const ticket = new Ticket<Answer>(
        request(),
        (outcome) => Deferred.doneUnsafe(answer, outcome),
        () => resume(Effect.succeed(Deferred.await(answer)))
      )
      this.enqueue(ticket)
      return Effect.sync(() => this.tickets.withdraw(ticket))
    })
  }

  /** Writes until the queue is closed and empty. */
  get writer(): Effect.Effect<void> {
    const { idle, tickets } = this
    const flush = (this.target.parallel ?? 1) > 1 ? this.flushBeside : this.flush
    const all = Effect.gen(function* () {
      while (true) {
        yield* idle
        if (tickets.isEmpty) return
        // Fibers that are ready to run may still add theirs to this batch.
        yield* Effect.yieldNow
        yield* flush
      }
    })
    return Effect.andThen(all, this.landed)
  }

  close(): void {
    this.closed = true
    this.wake()
  }

  private enqueue(ticket: Ticket<Answer>): void {
    if (this.closed) {
      ticket.answer(refused)
      ticket.onAdmitted?.()
      return
    }
    this.tickets.push(ticket)
    if (this.wakeWriter !== undefined) this.wake()
  }

  private wake(): void {
    const wake = this.wakeWriter
    this.wakeWriter = undefined
    wake?.()
  }

  private readonly idle = Effect.callback<void>((resume) => {
    if (!this.tickets.isEmpty || this.closed) return resume(Effect.void)
    this.wakeWriter = () => resume(Effect.void)
  })

  private readonly flush = Effect.suspend(() => {
    const batch = this.tickets.take(this.maxBatch)
    return batch.length === 0 ? Effect.void : this.commit(batch)
  })

  /** As `flush`, for a driver that takes several batches at a time. */
  private readonly flushBeside = Effect.suspend(() => {
    const { flights, maxBatch, tickets } = this
    const size = flights.sizeOfNext(tickets.waiting, maxBatch)
    const batch = size === 0 ? [] : tickets.take(size, flights.isBusy)
    if (batch.length > 0) return flights.fly(batch.map(requestOf), this.commit(batch))
    return Effect.interruptible(flights.landing)
  })

  private readonly landed = Effect.whileLoop({
    while: () => !this.flights.isEmpty,
    body: () => Effect.interruptible(this.flights.landing),
    step: () => {}
  })

  private commit(batch: ReadonlyArray<Ticket<Answer>>): Effect.Effect<void> {
    const requests = batch.map(requestOf)
    // Nobody interrupts the writer but `make`, when closing takes too long.
    const write = Effect.interruptible(Effect.suspend(() => this.target.write(requests)))
    return Effect.flatMap(Effect.exit(write), (exit) => {
      if (Exit.isFailure(exit)) return this.refuse(batch, exit.cause)
      const outcomes = exit.value
      this.target.committed(requests, outcomes)
      for (let index = 0; index < batch.length; index++) batch[index]!.answer(answerOf(outcomes[index]!))
      return Effect.void
    })
  }

  /** Q3: a defect may be the fault of one request, such as data that is no JSON. The others shall not suffer for it. */
  private refuse(batch: ReadonlyArray<Ticket<Answer>>, cause: Cause.Cause<EventStoreError>): Effect.Effect<void> {
    if (batch.length > 1 && Cause.hasDies(cause)) {
      return Effect.forEach(batch, (ticket) => this.commit([ticket]), { discard: true })
    }
    const answer = Cause.hasInterruptsOnly(cause) ? refused : Effect.failCause(cause)
    for (const ticket of batch) ticket.answer(answer)
    return Effect.void
  }
}

/**
 * Makes a queue and starts its writer in the current scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options & Target
): Effect.fn.Return<AppendQueue, never, Scope.Scope> {
  const queue = new Queue(options)
  const writer = yield* Effect.forkScoped(Effect.uninterruptible(queue.writer))
  // Q6: closed before the fork's own finalizer interrupts the writer, for finalizers run in reverse.
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      Effect.sync(() => queue.close()),
      Effect.timeoutOption(Effect.interruptible(Fiber.await(writer)), options.closing ?? "10 seconds")
    )
  )
  return queue
})
