/** Durable subscribers, from the append to the handler: rates and delays, beside a bare subscription that stores nothing. */
import { Clock, Effect, Exit, Layer, ManagedRuntime, Scope, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EventStore, type NewEvent, type Persistence, type StoredEvent, StreamId, Subscriber } from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import { compare, median, perSecond, printMachine } from "./harness.ts"

const batch = 100
const batches = 300
const total = batch * batches
const streams = 64

type Stores = EventStore.EventStore | Persistence

interface Place {
  readonly name: string
  readonly make: () => { readonly layer: Layer.Layer<Stores, unknown>; readonly remove: () => void }
}

const places: ReadonlyArray<Place> = [
  { name: "memory", make: () => ({ layer: Memory.storesOf(Memory.makeState()), remove: () => {} }) },
  {
    name: "embedded",
    make: () => {
      const directory = mkdtempSync(join(tmpdir(), "tutti-bench-"))
      return {
        layer: Embedded.stores({ filename: join(directory, "bench.db") }),
        remove: () => rmSync(directory, { recursive: true })
      }
    }
  }
]

const appendAll = Effect.gen(function* () {
  const store = yield* EventStore.EventStore
  for (let index = 0; index < batches; index++) {
    const events = Array.from({ length: batch }, (_, place): NewEvent => ({ type: "Counted", data: { index, place } }))
    yield* store.append(StreamId.make(`bench/${index % streams}`), events, "Any")
  }
})

/** Calls `done` once everything was heard. */
const counter = () => {
  let heard = 0
  let done: () => void = () => {}
  const all = new Promise<void>((resolve) => (done = resolve))
  return { all, add: (count: number) => void ((heard += count) >= total && done()) }
}

type Listen = (add: (count: number) => void) => Effect.Effect<unknown, unknown, Stores | Scope.Scope>

const one = (add: (count: number) => void) => () => Effect.sync(() => add(1))
const many = (add: (count: number) => void) => ({
  handleAll: (events: ReadonlyArray<StoredEvent>) => Effect.sync(() => add(events.length))
})
const writeMany = (add: (count: number) => void) => ({
  writeAll: (events: ReadonlyArray<StoredEvent>) =>
    Effect.sync(() => {
      add(events.length)
      const { id, stream } = events.at(-1)!
      return [{ collection: "seen", id: stream, body: { id } }]
    })
})

const bare: Listen = (add) =>
  EventStore.EventStore.use((store) =>
    Effect.forkScoped(
      Stream.runForEachArray(store.subscribe(), (events) => Effect.sync(() => add(events.length))),
      { startImmediately: true }
    )
  )

const subscriber =
  (handler: (add: (count: number) => void) => Subscriber.Options<StoredEvent, never, never>["handler"]): Listen =>
  (add) =>
    Subscriber.start(Subscriber.make("bench", { handler: handler(add), buffer: 4096 }))

const through = (place: Place, listen: Listen) => async (): Promise<number> => {
  const { layer, remove } = place.make()
  const runtime = ManagedRuntime.make(layer)
  const scope = Scope.makeUnsafe()
  const { add, all } = counter()
  await runtime.runPromise(Effect.provideService(listen(add), Scope.Scope, scope))
  const rate = await perSecond(total, async () => {
    await runtime.runPromise(appendAll)
    await all
  })
  await runtime.runPromise(Scope.close(scope, Exit.void))
  await runtime.dispose()
  remove()
  return rate
}

/** Microseconds from the call of `append` to the handler, of one event after the other. */
const delays = async (place: Place, count: number): Promise<ReadonlyArray<number>> => {
  const { layer, remove } = place.make()
  const runtime = ManagedRuntime.make(layer)
  const measured: Array<number> = []
  let handled: () => void = () => {}
  const program = Effect.gen(function* () {
    const store = yield* EventStore.EventStore
    const clock = yield* Clock.Clock
    let begun = 0n
    const handler = () =>
      Effect.sync(() => {
        measured.push(Number(clock.monotonicTimeNanosUnsafe() - begun) / 1000)
        handled()
      })
    yield* Subscriber.start(Subscriber.make("bench", { handler }))
    for (let index = 0; index < count; index++) {
      const next = new Promise<void>((resolve) => (handled = resolve))
      begun = clock.monotonicTimeNanosUnsafe()
      yield* store.append(StreamId.make(`bench/${index % streams}`), [{ type: "Counted", data: { index } }], "Any")
      yield* Effect.promise(() => next)
    }
  })
  await runtime.runPromise(Effect.scoped(program))
  await runtime.dispose()
  remove()
  return measured.toSorted((left, right) => left - right)
}

const percentile = (place: Place, part: number) => async (): Promise<number> => {
  const sorted = await delays(place, 1000)
  return part === 0.5 ? median(sorted) : sorted[Math.floor(sorted.length * part)]!
}

printMachine()
for (const place of places) {
  await compare(
    `From the append to the handler, ${place.name}`,
    {
      unit: "events/s handled",
      rounds: 5,
      notes: [
        `${batches} appends of ${batch}, one after the other, to ${streams} streams`,
        "16 partitions, buffer 4096"
      ]
    },
    [
      { name: "bare subscription, no checkpoint", run: through(place, bare) },
      { name: "handleAll", run: through(place, subscriber(many)), reference: "bare subscription, no checkpoint" },
      {
        name: "writeAll: a document per batch",
        run: through(place, subscriber(writeMany)),
        reference: "bare subscription, no checkpoint"
      },
      { name: "event by event", run: through(place, subscriber(one)), reference: "bare subscription, no checkpoint" }
    ]
  )
}
await compare(
  "One event at a time: append, durable, handled",
  { unit: "µs", rounds: 5, notes: ["1,000 events a round, each appended when the one before was handled"] },
  places.flatMap((place) => [
    { name: `${place.name}, p50`, run: percentile(place, 0.5) },
    { name: `${place.name}, p99`, run: percentile(place, 0.99) }
  ])
)
