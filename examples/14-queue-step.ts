/** A run that depends on a work queue: its step offers an item, waits for the typed outcome, and fails if that is given up. */
import { Context, Effect, Layer, Schedule, Schema } from "effect"
import { DeadLettered, Orchestration, QueueFull, Step, WorkItemUnknown, WorkQueue, WorkQueueError } from "tutti"
import * as Memory from "tutti/memory"

class Declined extends Schema.TaggedError<Declined>()("Declined", { card: Schema.String }) {}
const Charge = Schema.Struct({ card: Schema.String, amount: Schema.Int })

// #region queue
const queue = WorkQueue.make("charges", {
  item: Charge,
  output: Schema.String,
  error: Declined,
  retryWhile: () => false, // a declined card is an answer; a handler that dies is tried again
  retry: Schedule.exponential("1 millis").pipe(Schedule.upTo({ times: 2 })),
  idempotencyWindow: "7 days", // both longer than a run may be without a process
  retention: "7 days"
})
/** The queue as a service: the run offers to it, and whoever has time works on it, in this process or in another one. */
class Charges extends Context.Service<Charges, Effect.Success<typeof queue>>()("Charges") {
  static readonly layer = Layer.effect(Charges, queue)
}
// #endregion

// #region step
const ChargeFailed = Schema.Union([Declined, DeadLettered, QueueFull, WorkItemUnknown, WorkQueueError])
const charge = (item: typeof Charge.Type) =>
  Step.run("charge", {
    output: Schema.String,
    error: ChargeFailed,
    run: Effect.fnUntraced(function* ({ idempotencyKey }) {
      const charges = yield* Charges
      const id = yield* charges.offer(item, { idempotencyKey }) // after a crash: the same key, so the same item
      return yield* charges.awaitResult(id)
    })
  })
const Order = Orchestration.make("Order", { input: Charge, output: Schema.String, error: ChargeFailed, run: charge })
// #endregion

export const program = Effect.gen(function* () {
  const charges = yield* Charges
  yield* charges.run(({ amount, card }) => {
    if (card === "broken") return Effect.die("the bank hung up")
    return card === "empty" ? new Declined({ card }) : Effect.succeed(`${amount} paid`)
  })
  const paid = yield* Order.run({ card: "ada", amount: 7 })
  const declined = yield* Effect.flip(Order.run({ card: "empty", amount: 7 }))
  // #region visible
  const run = yield* Order.start({ card: "broken", amount: 7 })
  const given = yield* Effect.flip(run.await) // DeadLettered: queue, id, reason, attempts, detail
  const { status } = yield* run.status // "failed", for `tutti runs` and every projection, too
  const [letter] = yield* charges.deadLetters() // the item is kept until somebody redrives or discards it
  // #endregion
  return [paid, declined._tag, `${status} with ${given._tag}: ${letter?.reason} after ${letter?.attempts} attempts`]
}).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Order.layer, Layer.provideMerge(Charges.layer, Memory.layer))))

export const expected = ["7 paid", "Declined", "failed with DeadLettered: Died after 3 attempts"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
