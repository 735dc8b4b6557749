/** Durable subscribers: mails for orders, a dead letter and its redrive, and a total that counts each order exactly once. */
import { Effect, Layer, Logger, Schedule, Schema } from "effect"
import { EventStream, Persistence, Subscriber } from "tutti"
import * as Memory from "tutti/memory"

const Placed = Schema.TaggedStruct("Placed", { total: Schema.Int })
const Shipped = Schema.TaggedStruct("Shipped", {})
const Orders = EventStream.make("order", { events: Schema.Union([Placed, Shipped]) })
class Bounced extends Schema.TaggedError<Bounced>()("Bounced", {}) {}
const sent: Array<string> = []
let failures = 0

// #region mailer
const Mailer = Subscriber.make("mailer", {
  events: Orders,
  handler: ({ event, stored: { stream } }) =>
    stream === "order/2" && failures++ < 3 ? new Bounced() : Effect.sync(() => sent.push(`${stream} ${event._tag}`)),
  retry: Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 2 })),
  onPoison: "park-stream"
})
// #endregion

// #region total
const Total = Subscriber.make("total", {
  events: Orders,
  types: ["Placed"],
  handler: {
    write: Effect.fnUntraced(function* ({ event }) {
      const found = yield* (yield* Persistence).get("totals", "all")
      const sum = Number(found?.body["sum"] ?? 0) + (event._tag === "Placed" ? event.total : 0)
      return [{ collection: "totals", id: "all", body: { sum }, expected: found?.version ?? 0 }]
    })
  }
})
// #endregion

const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { until: (holds) => holds, schedule: Schedule.spaced("5 millis") })

export const program = Effect.gen(function* () {
  for (const id of ["1", "2"]) yield* Orders.append(id, [Placed.make({ total: 20 }), Shipped.make({})], { expected: 0 })
  // #region start
  const member = yield* Subscriber.start(Mailer) // until the scope closes; or Subscriber.layer(Mailer)
  // #endregion
  yield* Subscriber.start(Total)
  yield* until(Effect.map(Subscriber.deadLetterCount(Mailer), (count) => count === 2)) // the second waits behind the first
  // #region redrive
  const [letter] = yield* Subscriber.deadLetters(Mailer, { limit: 50 }) // its stream, version, reason, cause, attempts
  yield* Subscriber.redrive(Mailer, [letter!.id]) // or "all"; `discard` drops it without another try
  yield* member.nudge // or wait for the next heartbeat
  // #endregion
  yield* until(Effect.map(Subscriber.lag(Total), ({ events }) => events === 0 && sent.length === 4))
  const total = yield* (yield* Persistence).get("totals", "all")
  return [`sent: ${sent.slice(0, 2)}`, `later: ${sent.slice(2)}`, `total: ${total?.body["sum"]}`]
}).pipe(Effect.scoped, Effect.provide(Layer.merge(Memory.layer, Logger.layer([]))))

export const expected = ["sent: order/1 Placed,order/1 Shipped", "later: order/2 Placed,order/2 Shipped", "total: 40"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
