/** Looking back: state as it was, why something is so, moving to another backend, archiving. */
import { DateTime, Effect, Layer, Schema, Stream } from "effect"
import { Archive, Causation, EventStore, EventStream, History, LogExport, LogImport } from "tutti"
import * as Memory from "tutti/memory"

const Placed = Schema.TaggedStruct("Placed", { total: Schema.Int })
const Paid = Schema.TaggedStruct("Paid", {})
const Orders = EventStream.make("order", { events: Schema.Union([Placed, Paid]) })

const order = {
  decode: Orders.codec.decode,
  initialState: { owed: 0 },
  evolve: (state: { readonly owed: number }, event: typeof Placed.Type | typeof Paid.Type) =>
    event._tag === "Placed" ? { owed: state.owed + event.total } : { owed: 0 }
}

const noon = DateTime.makeUnsafe("2026-05-01T12:00:00Z")
const after = (minutes: number) => ({ timestamp: DateTime.toEpochMillis(noon) + minutes * 60_000 })

const past = Effect.gen(function* () {
  yield* Orders.append("7", [Placed.make({ total: 12 })], { expected: 0, meta: { ...after(0), causationId: "click" } })
  const store = yield* EventStore.EventStore
  const [placed] = yield* store.readArray(Orders.streamId("7"))
  yield* Orders.append("7", [Paid.make({})], { expected: 1, meta: { ...after(9), causationId: placed!.id } })

  const then = yield* History.at(Orders.streamId("7"), { instant: DateTime.add(noon, { minutes: 5 }) }, order)
  const now = yield* History.at(Orders.streamId("7"), { version: 2 }, order)
  const why = yield* Causation.why(placed!.id)
  return [then.state.owed, now.state.owed, why.outside, why.consequences.map(({ event }) => event.type)]
})

const moved = Effect.gen(function* () {
  const file = yield* Stream.runCollect(LogExport.lines())
  const { events } = yield* Effect.provide(LogImport.run(Stream.fromIterable(file)), Layer.fresh(Memory.layer))
  return events
})

const archived = Effect.gen(function* () {
  const policy = { streamPrefix: "order/", finishedBy: ["Paid"], olderThan: "30 days", keep: "nothing" } as const
  const { streams } = yield* Archive.sweep(policy, Archive.documents)
  return [streams.length, (yield* Stream.runCollect(Archive.read(Orders.streamId("7")))).length]
})

export const program = Effect.all([past, moved, archived]).pipe(Effect.provide(Memory.layer))

export const expected = [[12, 0, { id: "click" }, ["Paid"]], 2, [1, 2]]

if (import.meta.main) console.log(await Effect.runPromise(program))
