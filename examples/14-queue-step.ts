/** A run that depends on a work queue: its step offers an item, waits for the typed outcome, and fails if that is given up. */
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import { DeadLettered, Orchestration, QueueFull, Step, WorkItemUnknown, WorkQueue, WorkQueueError } from "tutti"
import * as Memory from "tutti/memory"

class Declined extends Schema.TaggedError<Declined>()("Declined", { card: Schema.String }) {}

const Charge = Schema.Struct({ card: Schema.String, amount: Schema.Int })
type Charge = typeof Charge.Type

// #region queue
/** The queue as a service: the run offers to it, and whoever has time works on it, in this process or in another one. */
class Charges extends Context.Service<Charges, WorkQueue.WorkQueue<Charge, string, Declined>>()("Charges") {
  static readonly layer = Layer.effect(
    Charges,
    WorkQueue.make("charges", {
      item: Charge,
      output: Schema.String,
      error: Declined,
      retryWhile: () => false, // a declined card is an answer; a handler that dies is tried again
      retry: Schedule.exponential("1 millis").pipe(Schedule.upTo({ times: 2 })),
      idempotencyWindow: "7 days", // both longer than a run may be without a process
      retention: "7 days"
    })
  )
}
// #endregion

// #region step
const ChargeFailed = Schema.Union([Declined, DeadLettered, QueueFull, WorkItemUnknown, WorkQueueError])

const charge = (item: Charge) =>
  Step.run("charge", {
    output: Schema.String,
    error: ChargeFailed,
    run: ({ idempotencyKey }) =>
      Effect.gen(function* () {
        const charges = yield* Charges
        const id = yield* charges.offer(item, { idempotencyKey }) // after a crash: the same key, so the same item
        return yield* charges.awaitResult(id)
      })
  })

const Order = Orchestration.make("Order", {
  input: Charge,
  output: Schema.String,
  error: ChargeFailed,
  key: ({ card }) => card,
  run: charge
})
// #endregion

export const program = Effect.gen(function* () {
  const charges = yield* Charges
  yield* charges.run(({ amount, card }) =>
    card === "broken"
      ? Effect.die("the bank hung up")
      : card === "empty"
        ? new Declined({ card })
        : Effect.succeed(`${amount} paid`)
  )
  const paid = yield* Order.run({ card: "ada", amount: 7 })
  const declined = yield* Effect.flip(Order.run({ card: "empty", amount: 7 }))
  // Outside a run the step is an ordinary effect: no key, so two items.
  const plain = yield* Effect.forEach([1, 2], (amount) => charge({ card: "ada", amount }))
  // #region visible
  const run = yield* Order.start({ card: "broken", amount: 7 })
  const given = yield* Effect.flip(run.await) // DeadLettered: queue, id, reason, attempts, detail
  const { status } = yield* run.status // "failed", for `tutti runs` and every projection, too
  const [letter] = yield* charges.deadLetters() // the item is kept until somebody redrives or discards it
  // #endregion
  return [paid, declined._tag, ...plain, given._tag, status, letter?.reason, letter?.attempts]
}).pipe(
  Effect.scoped,
  Effect.provide(Order.layer.pipe(Layer.provideMerge(Charges.layer), Layer.provideMerge(Memory.layer)))
)

export const expected = ["7 paid", "Declined", "1 paid", "2 paid", "DeadLettered", "failed", "Died", 3]

if (import.meta.main) console.log(await Effect.runPromise(program))
