/** Events from the log to those who listen, beside what Effect's `PubSub` alone can carry in batches of the same size. */
import { Effect, Exit, Layer, ManagedRuntime, PubSub, Schema, Scope, Stream } from "effect"
import { EventBus, EventStore, type NewEvent, type StoredEvent, StreamId } from "tutti"
import * as MemoryEventStore from "../src/event-store/MemoryEventStore.ts"
import { compare, perSecond, printMachine } from "./harness.ts"

const batch = 256
const batches = 200
const total = batch * batches

class Counted extends Schema.TaggedClass<Counted>()("Counted", { count: Schema.Int, by: Schema.String }) {}

const events = (from: number): ReadonlyArray<NewEvent> =>
  Array.from({ length: batch }, (_, index) => ({ type: "Counted", data: { count: from + index, by: "bench" } }))

/** Calls `done` once all subscribers together have heard everything. */
const counter = (expected: number) => {
  let heard = 0
  let done: () => void = () => {}
  const all = new Promise<void>((resolve) => (done = resolve))
  return { all, add: (count: number) => void ((heard += count) >= expected && done()) }
}

/** The same events as the log gives them. */
const stored = Array.from({ length: batches }, (_, page) =>
  events(page * batch).map((event, index): StoredEvent => ({
    ...event,
    id: String(page * batch + index),
    stream: StreamId.make("bench"),
    schemaVersion: 1,
    version: page * batch + index + 1,
    position: page * batch + index + 1,
    meta: { timestamp: 0 }
  }))
)

/** Subscribes so many listeners. */
const listen = async (
  runtime: ManagedRuntime.ManagedRuntime<EventBus.EventBus, never>,
  listeners: number,
  kind: "typed" | "stored"
) => {
  const scope = Scope.makeUnsafe()
  const { add, all } = counter(total * listeners)
  const handler = { handleAll: (events: ReadonlyArray<unknown>) => Effect.sync(() => add(events.length)) }
  await runtime.runPromise(
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const source: EventBus.Listening<any> = kind === "typed" ? bus.typed(Counted) : bus
      for (let index = 0; index < listeners; index++) yield* source.subscribe({ name: `listener ${index}`, handler })
    }).pipe(Effect.provideService(Scope.Scope, scope))
  )
  return { all, scope }
}

const throughBus = (listeners: number, kind: "typed" | "stored") => async (): Promise<number> => {
  const runtime = ManagedRuntime.make(
    EventBus.layerWith({ capacity: total }).pipe(
      Layer.provideMerge(EventStore.layer),
      Layer.provide(MemoryEventStore.layerDriver)
    )
  )
  const { all, scope } = await listen(runtime, listeners, kind)
  const append = Effect.gen(function* () {
    const store = yield* EventStore.EventStore
    const stream = StreamId.make("bench")
    for (let index = 0; index < batches; index++) yield* store.append(stream, events(index * batch), index * batch)
  })
  const rate = await perSecond(total, async () => {
    await runtime.runPromise(append)
    await all
  })
  await runtime.runPromise(Scope.close(scope, Exit.void))
  await runtime.dispose()
  return rate
}

/** The bus alone: the log is a stream of pages that were made before. */
const throughBusAlone = (listeners: number, kind: "typed" | "stored") => async (): Promise<number> => {
  let go: () => void = () => {}
  const started = new Promise<void>((resolve) => (go = resolve))
  const pages = Stream.unwrap(
    Effect.as(
      Effect.promise(() => started),
      Stream.fromArrays(...stored)
    )
  )
  const log = Layer.effect(
    EventStore.EventStore,
    Effect.map(EventStore.EventStore, (store) => ({ ...store, subscribe: () => Stream.concat(pages, Stream.never) }))
  ).pipe(Layer.provide(EventStore.layer), Layer.provide(MemoryEventStore.layerDriver))
  const runtime = ManagedRuntime.make(EventBus.layerWith({ capacity: total }).pipe(Layer.provide(log)))
  const { all, scope } = await listen(runtime, listeners, kind)
  const rate = await perSecond(total, () => {
    go()
    return all
  })
  await runtime.runPromise(Scope.close(scope, Exit.void))
  await runtime.dispose()
  return rate
}

const justAppend = async (): Promise<number> => {
  const runtime = ManagedRuntime.make(EventStore.layer.pipe(Layer.provide(MemoryEventStore.layerDriver)))
  const append = Effect.gen(function* () {
    const store = yield* EventStore.EventStore
    for (let index = 0; index < batches; index++) {
      yield* store.append(StreamId.make("bench"), events(index * batch), index * batch)
    }
  })
  const rate = await perSecond(total, () => runtime.runPromise(append))
  await runtime.dispose()
  return rate
}

const throughPubSub = (listeners: number) => (): Promise<number> =>
  perSecond(total, () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const hub = yield* PubSub.bounded<StoredEvent>(total)
          const { add, all } = counter(total * listeners)
          for (let index = 0; index < listeners; index++) {
            const subscription = yield* PubSub.subscribe(hub)
            const listen = Effect.map(PubSub.takeBetween(subscription, 1, batch), (heard) => add(heard.length))
            yield* Effect.forkScoped(Effect.forever(listen))
          }
          for (let index = 0; index < batches; index++) yield* PubSub.publishAll(hub, stored[index]!)
          yield* Effect.promise(() => all)
        })
      )
    )
  )

const million = { of: "value", atLeast: 1_000_000 } as const

const rounds = { unit: "events/s published", rounds: 9, warmUp: 3 }
const handled = "a handler that takes what waits, at most 256"

printMachine()
await compare("The bus alone", { ...rounds, notes: [`pages of ${batch} events that were made before`, handled] }, [
  { name: "bare PubSub, 1 subscriber", run: throughPubSub(1) },
  { name: "EventBus, 1", run: throughBusAlone(1, "stored"), reference: "bare PubSub, 1 subscriber", aim: million },
  { name: "EventBus, 1 typed", run: throughBusAlone(1, "typed"), reference: "bare PubSub, 1 subscriber", aim: million },
  { name: "bare PubSub, 10 subscribers", run: throughPubSub(10) },
  { name: "EventBus, 10", run: throughBusAlone(10, "stored"), reference: "bare PubSub, 10 subscribers" },
  { name: "EventBus, 10 typed", run: throughBusAlone(10, "typed"), reference: "bare PubSub, 10 subscribers" }
])

await compare(
  "From the append to the handler",
  { ...rounds, notes: [`appends of ${batch} to the memory log, one after the other`, handled] },
  [
    { name: "append, nobody listens", run: justAppend },
    { name: "EventBus, 1", run: throughBus(1, "stored"), reference: "append, nobody listens" },
    { name: "EventBus, 1 typed", run: throughBus(1, "typed"), reference: "append, nobody listens" }
  ]
)
