/** A transaction that undoes itself: the hotel is full, so the seat and the charge go back. */
import { Effect, Schema } from "effect"
import { Agent, Saga, Task } from "tutti"

class HotelFull extends Schema.TaggedError<HotelFull>()("HotelFull", { city: Schema.String }) {}

const Booking = Schema.Struct({ city: Schema.String })
const log: Array<string> = []

/** An agent that only writes down what it is asked to do. */
const clerk = (name: string) =>
  Agent.make(name, {
    task: Task.make(name, { input: Booking, output: Booking }),
    run: (booking) => Effect.sync(() => (log.push(`${name} ${booking.city}`), booking))
  })

const reserveSeat = clerk("reserve seat")
const releaseSeat = clerk("release seat")
const charge = clerk("charge")
const refund = clerk("refund")
const bookHotel = Agent.make("book hotel", {
  task: Task.make("BookHotel", { input: Booking, output: Booking, error: HotelFull }),
  run: ({ city }) => Effect.fail(new HotelFull({ city }))
})

// #region saga
const bookTrip = Agent.compose("book trip", {
  run: (trip: typeof Booking.Type) =>
    Effect.gen(function* () {
      const seat = yield* reserveSeat.run(trip).pipe(Saga.undo((seat) => releaseSeat.run(seat)))
      yield* charge.run(seat).pipe(Saga.undo((paid) => refund.run(paid)))
      return yield* bookHotel.run(seat)
    }).pipe(Saga.transaction("trip"))
})
// #endregion

export const program = bookTrip.run({ city: "Oslo" }).pipe(
  Effect.as(log),
  Effect.catchTag("HotelFull", ({ city }) => Effect.succeed([...log, `no hotel in ${city}`]))
)

export const expected = ["reserve seat Oslo", "charge Oslo", "refund Oslo", "release seat Oslo", "no hotel in Oslo"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
