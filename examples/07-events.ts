/** Listening to the one log: typed events, live, and domain events of your own in the same envelope. */
import { Effect, Layer, Queue, Schema, Stream } from "effect"
import { Agent, EventBus, EventStream, OrchestrationEvent, Orchestration, Task } from "tutti"
import * as Memory from "tutti/memory"

const Count = Task.make("Count", { input: { text: Schema.String }, output: Schema.Int })
const counter = Agent.make("counter", { task: Count, run: ({ text }) => Effect.succeed(text.length) })
const Counting = Orchestration.make("Counting", { ...Count, error: Schema.Never, run: counter.run })

// #region listen
const listen = Effect.gen(function* () {
  const bus = yield* EventBus.EventBus
  const heard = yield* Queue.unbounded<string>()
  yield* bus.typed(OrchestrationEvent.OrchestrationEvent).subscribe({
    name: "logbook",
    handler: ({ event, stored }) => Queue.offer(heard, `${event._tag} ${stored.meta.path ?? ""}`.trim())
  })
  yield* Counting.run({ text: "tutti" })
  return yield* Queue.takeN(heard, 3) // heard only once they are durable
})
// #endregion

// #region own
const OrderPlaced = Schema.TaggedStruct("OrderPlaced", { item: Schema.String })
const OrderShipped = Schema.TaggedStruct("OrderShipped", { parcel: Schema.String })
const Orders = EventStream.make("order", { events: Schema.Union([OrderPlaced, OrderShipped]) })

const own = Effect.gen(function* () {
  yield* Orders.append("7", [OrderPlaced.make({ item: "score" })], { expected: "NoStream" })
  yield* Orders.append("7", [OrderShipped.make({ parcel: "P1" })], { expected: 1 })
  const events = yield* Stream.runCollect(Orders.read("7"))
  return events.map(({ event }) => event._tag)
})
// #endregion

const layer = Counting.layer.pipe(Layer.provideMerge(Memory.layer))

export const program = Effect.all([listen, own]).pipe(
  Effect.map(([run, order]) => [`the run: ${run.join(", ")}`, `order 7: ${order.join(", ")}`]),
  Effect.scoped,
  Effect.provide(layer)
)

export const expected = [
  "the run: RunStarted, StepCompleted counter, RunCompleted",
  "order 7: OrderPlaced, OrderShipped"
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
