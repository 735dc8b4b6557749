/**
 * Many calls, one round trip: whatever waits is sent together, as soon as the round trip before has returned.
 *
 * Batches so grow with the load, and an idle queue answers at once. It is bounded by its callers: each waits for its answer.
 *
 * Invariants (checked by `test/queues/GroupCommit.test.ts`):
 *
 *   G1. Requests are sent in the order of the calls, at most `maxBatch` together.
 *   G2. Every call is answered once: in its place, or by the failure of its batch.
 *   G3. A request that was sent is answered for its effect, even if its caller is interrupted; one that waits is withdrawn.
 *   G4. Closing sends what waits, then refuses.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { WorkQueueError } from "./WorkQueueError.ts"

interface Ticket<A, B> {
  readonly request: A
  readonly answer: (answer: Effect.Effect<B, WorkQueueError>) => void
  withdrawn: boolean
}

/** What one round trip does. */
export interface Options<A, B> {
  readonly send: (requests: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, WorkQueueError>
  readonly maxBatch: number
}

const refused = Effect.fail(
  new WorkQueueError({
    operation: "be used",
    retryable: false,
    detail: "it was closed",
    cause: new Error("the work queue was closed")
  })
)

class Requests<A, B> {
  private tickets: Array<Ticket<A, B>> = []
  private closed = false
  private wakeSender: (() => void) | undefined
  private readonly options: Options<A, B>
  constructor(options: Options<A, B>) {
    this.options = options
  }

  call(request: A): Effect.Effect<B, WorkQueueError> {
    return Effect.callback((resume) => {
      if (this.closed) return resume(refused)
      const ticket = { request, answer: resume, withdrawn: false }
      this.tickets.push(ticket)
      this.wake()
      return Effect.sync(() => void (ticket.withdrawn = true))
    })
  }

  /** Sends until the queue is closed and empty. */
  get sender(): Effect.Effect<void> {
    const { idle, isDone, send } = this
    return Effect.gen(function* () {
      while (true) {
        yield* idle
        if (isDone()) return
        // Fibers that are ready to run may still add theirs to this batch.
        yield* Effect.yieldNow
        yield* send
      }
    })
  }

  close(): void {
    this.closed = true
    this.wake()
  }

  private wake(): void {
    const wake = this.wakeSender
    this.wakeSender = undefined
    wake?.()
  }

  private readonly isDone = () => this.closed && this.tickets.length === 0

  private readonly idle = Effect.callback<void>((resume) => {
    if (this.tickets.length > 0 || this.closed) return resume(Effect.void)
    this.wakeSender = () => resume(Effect.void)
  })

  private readonly send = Effect.suspend(() => {
    const { maxBatch, send } = this.options
    const waiting = this.tickets.filter((ticket) => !ticket.withdrawn)
    const batch = waiting.slice(0, maxBatch)
    this.tickets = waiting.slice(maxBatch)
    if (batch.length === 0) return Effect.void
    return Effect.map(Effect.exit(Effect.suspend(() => send(batch.map(({ request }) => request)))), (exit) => {
      for (let index = 0; index < batch.length; index++) {
        batch[index]!.answer(
          Exit.isSuccess(exit) ? Effect.succeed(exit.value[index] as B) : Effect.failCause(exit.cause)
        )
      }
    })
  })
}

/** Makes what sends, for as long as the scope lives, and returns how to call it. */
export const make = Effect.fnUntraced(function* <A, B>(
  options: Options<A, B>
): Effect.fn.Return<(request: A) => Effect.Effect<B, WorkQueueError>, never, Scope.Scope> {
  const requests = new Requests(options)
  const sender = yield* Effect.forkScoped(Effect.uninterruptible(requests.sender))
  // G4: closed before the fork's own finalizer runs, for finalizers run in reverse.
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      Effect.sync(() => requests.close()),
      Fiber.await(sender)
    )
  )
  return (request) => requests.call(request)
})
