/**
 * 100,000 events a second, appended and handled: in process, and through each store, beside what the store can write at
 * all. Where the raw limit itself is below that, no log in that store can do it on this machine.
 */
import { Effect, Exit, Layer, ManagedRuntime, Redacted, Scope } from "effect"
import { EventBus, EventStore, type Persistence, StreamId } from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import * as Postgres from "tutti/postgres"
import * as Redis from "tutti/redis"
import * as Bare from "./bare.ts"
import { type Case, compare, perSecond, printMachine } from "./harness.ts"
import { type Listen, listener, subscriber } from "./listening.ts"
import * as Places from "./places.ts"

const size = 1000
const appenders = 8
const total = 64_000

/** Appenders write at once; the time ends when the last event was handled. */
const processed =
  <Where>(
    place: Places.Place<Where>,
    makeLayer: (where: Where) => Layer.Layer<EventStore.EventStore | Persistence, unknown>,
    listen: Listen = listener
  ) =>
  () =>
    place(async (where) => {
      const bus = EventBus.layerWith({ capacity: total })
      const runtime = ManagedRuntime.make(bus.pipe(Layer.provideMerge(makeLayer(where))))
      const scope = Scope.makeUnsafe()
      let handled = 0
      let handledAll: () => void = () => {}
      const all = new Promise<void>((resolve) => (handledAll = resolve))
      const handleAll = (heard: ReadonlyArray<unknown>) =>
        Effect.sync(() => void ((handled += heard.length) >= total && handledAll()))
      try {
        await runtime.runPromise(Effect.provideService(listen({ handleAll }), Scope.Scope, scope))
        return await perSecond(total, async () => {
          await runtime.runPromise(appendAll)
          await all
        })
      } finally {
        await runtime.runPromise(Scope.close(scope, Exit.void))
        await runtime.dispose()
      }
    })

const events = Bare.events(size)

const appendAll = EventStore.EventStore.use((store) => {
  const append = (appender: number) =>
    Effect.forEach(
      Array(total / size / appenders).keys(),
      (index) => store.append(StreamId.make(`bench/${appender}`), events, index * size),
      { discard: true }
    )
  return Effect.forEach(Array(appenders).keys(), append, { concurrency: "unbounded", discard: true })
})

const written =
  <Where>(place: Places.Place<Where>, makeLog: (where: Where) => Bare.BareLog | Promise<Bare.BareLog>) =>
  () =>
    place(async (where) => {
      const log = await makeLog(where)
      try {
        return await perSecond(total, async () => {
          for (let from = 1; from < total; from += size) {
            await log.insert(Array.from({ length: size }, (_, row) => ({ stream: 1, version: from + row })))
          }
        })
      } finally {
        await log.close()
      }
    })

const memory = () => Memory.storesOf(Memory.makeState())
const embedded = (filename: string) => Embedded.stores({ filename })
const postgres = (url: string) => Postgres.stores({ url: Redacted.make(url) })
const redis = (url: string) => Redis.stores({ url, durability: "ignore" })

const aim = { of: "value", atLeast: 100_000 } as const

/** What the store can write at all, and what goes through it to a listener and to a durable subscriber. */
const through = <Where>(
  [name, place]: readonly [name: string, place: Places.Place<Where>],
  makeLayer: (where: Where) => Layer.Layer<EventStore.EventStore | Persistence, unknown>,
  makeLog: (where: Where) => Bare.BareLog | Promise<Bare.BareLog>
): ReadonlyArray<Case> => {
  const reference = `raw limit, ${name}`
  return [
    { name: reference, run: written(place, makeLog), aim },
    { name: `${name}, to the bus`, run: processed(place, makeLayer), reference, aim },
    { name: `${name}, to a subscriber`, run: processed(place, makeLayer, subscriber), reference, aim }
  ]
}

printMachine()
await compare(
  "Events appended and handled",
  {
    unit: "events/s",
    rounds: 5,
    notes: [
      `${total.toLocaleString("en-US")} events in appends of ${size}, ${appenders} appenders`,
      "to one listener on the bus, or to one durable subscriber",
      "SQLite: WAL, synchronous=FULL; PostgreSQL: fsync=on, synchronous_commit=on; Redis: appendfsync as named",
      `raw limits: the same rows, ${size} a commit, nothing handled; by the plainest client: a better one may be faster`
    ]
  },
  [
    { name: "memory, to the bus", run: processed(Places.nowhere, memory), aim },
    { name: "memory, to a subscriber", run: processed(Places.nowhere, memory, subscriber), aim },
    ...through(["SQLite", Places.file], embedded, Bare.sqlite),
    ...through(["PostgreSQL", Places.database], postgres, Bare.postgres),
    ...through(["Redis always", Places.redisAlways], redis, Bare.redisScript),
    ...through(["Redis everysec", Places.redisEverySecond], redis, Bare.redisScript)
  ]
)
