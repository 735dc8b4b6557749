/** Durable subscribers: mails for orders, a dead letter and its redrive, and a total that counts each order exactly once. */
import { Effect, Queue, Schedule, Schema } from "effect"
import { EventStream, Persistence, Subscriber } from "tutti"
import * as Memory from "tutti/memory"

const OrderPlaced = Schema.TaggedStruct("OrderPlaced", { total: Schema.Int })
const OrderShipped = Schema.TaggedStruct("OrderShipped", {})
const Orders = EventStream.make("order", { events: Schema.Union([OrderPlaced, OrderShipped]) })

class Bounced extends Schema.TaggedError<Bounced>()("Bounced", {}) {}

// #region mailer
const mailer = (sent: Queue.Queue<string>, isUp: { now: boolean }) =>
  Subscriber.make("mailer", {
    events: Orders,
    handler: ({ event, stored }) =>
      isUp.now || stored.stream !== "order/2" ? Queue.offer(sent, `${stored.stream} ${event._tag}`) : new Bounced(),
    retry: Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 2 })),
    onPoison: "park-stream"
  })
// #endregion

// #region total
const Total = Subscriber.make("total", {
  events: Orders,
  types: ["OrderPlaced"],
  handler: {
    write: ({ event }) =>
      Effect.gen(function* () {
        const found = yield* (yield* Persistence).get("totals", "all")
        const sum = Number(found?.body["sum"] ?? 0) + (event._tag === "OrderPlaced" ? event.total : 0)
        return [{ collection: "totals", id: "all", body: { sum }, expected: found?.version ?? 0 }]
      })
  }
})
// #endregion

const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { until: (holds) => holds, schedule: Schedule.spaced("5 millis") })

export const program = Effect.gen(function* () {
  const sent = yield* Queue.unbounded<string>()
  const isUp = { now: false }
  const Mailer = mailer(sent, isUp)
  for (const id of ["1", "2"]) {
    yield* Orders.append(id, [OrderPlaced.make({ total: 20 }), OrderShipped.make({})], { expected: "NoStream" })
  }
  // #region start
  const member = yield* Subscriber.start(Mailer) // until the scope closes; or Subscriber.layer(Mailer)
  // #endregion
  yield* Subscriber.start(Total)
  yield* until(Effect.map(Subscriber.deadLetterCount(Mailer), (count) => count === 2)) // the second waits behind the first
  isUp.now = true
  // #region redrive
  const [letter] = yield* Subscriber.deadLetters(Mailer, { limit: 50 }) // its stream, version, reason, cause, attempts
  yield* Subscriber.redrive(Mailer, [letter!.id]) // or "all"; `discard` drops it without another try
  yield* member.nudge // or wait for the next heartbeat
  // #endregion
  const written = yield* Queue.takeN(sent, 4)
  yield* until(Effect.map(Subscriber.lag(Total), ({ events }) => events === 0))
  const total = yield* (yield* Persistence).get("totals", "all")
  return [...written, total?.body["sum"]]
}).pipe(Effect.scoped, Effect.provide(Memory.layer))

export const expected = [
  "order/1 OrderPlaced",
  "order/1 OrderShipped",
  "order/2 OrderPlaced",
  "order/2 OrderShipped",
  40
]

if (import.meta.main) console.log(await Effect.runPromise(program))
