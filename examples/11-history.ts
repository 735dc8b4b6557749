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
  return [
    `owed at 12:05: ${then.state.owed}, now: ${now.state.owed}`,
    `placed because of ${JSON.stringify(why.outside)}, which led to ${why.consequences.map(({ event }) => event.type)}`
  ]
})

const moved = Effect.gen(function* () {
  const file = yield* Stream.runCollect(LogExport.lines())
  const { events } = yield* Effect.provide(LogImport.run(Stream.fromIterable(file)), Layer.fresh(Memory.layer))
  return [`${events} events moved to another store`]
})

const archived = Effect.gen(function* () {
  const policy = { streamPrefix: "order/", finishedBy: ["Paid"], olderThan: "30 days", keep: "nothing" } as const
  const { streams } = yield* Archive.sweep(policy, Archive.documents)
  const kept = yield* Stream.runCollect(Archive.read(Orders.streamId("7")))
  return [`${streams.length} stream archived, with all ${kept.length} events`]
})

const story = Effect.all([past, moved, archived])
export const program = Effect.map(story, (told) => told.flat()).pipe(Effect.provide(Memory.layer))

export const expected = [
  "owed at 12:05: 12, now: 0",
  'placed because of {"id":"click"}, which led to Paid',
  "2 events moved to another store",
  "1 stream archived, with all 2 events"
]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
