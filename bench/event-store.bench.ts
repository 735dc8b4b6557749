/** Reads of the log, beside bare selects of the same rows. Appends have a benchmark of their own. */
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { EventStore, StreamId } from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import * as Postgres from "tutti/postgres"
import * as Redis from "tutti/redis"
import * as Bare from "./bare.ts"
import { compare, perSecond, printMachine } from "./harness.ts"
import * as Places from "./places.ts"

const streams = 50
const times = 250
const total = times * Bare.streamLength

const streamOf = (index: number) => StreamId.make(`bench/${index}`)

const ours =
  <Where>(place: Places.Place<Where>, makeLayer: (where: Where) => Layer.Layer<EventStore.EventStore, unknown>) =>
  () =>
    place(async (where) => {
      const runtime = ManagedRuntime.make(makeLayer(where))
      const fill = EventStore.EventStore.use((store) =>
        Effect.forEach(
          Array(streams).keys(),
          (index) => store.append(streamOf(index), Bare.events(Bare.streamLength), 0),
          { discard: true }
        )
      )
      const readAll = EventStore.EventStore.use((store) =>
        Effect.forEach(Array(times).keys(), (index) => store.readArray(streamOf(index % streams)), { discard: true })
      )
      try {
        await runtime.runPromise(fill)
        return await perSecond(total, () => runtime.runPromise(readAll))
      } finally {
        await runtime.dispose()
      }
    })

const bare =
  <Where>(place: Places.Place<Where>, makeLog: (where: Where) => Bare.BareLog | Promise<Bare.BareLog>) =>
  () =>
    place(async (where) => {
      const log = await makeLog(where)
      try {
        for (let stream = 0; stream < streams; stream++) {
          await log.insert(Array.from({ length: Bare.streamLength }, (_, index) => ({ stream, version: index + 1 })))
        }
        let found = 0
        const rate = await perSecond(total, async () => {
          for (let index = 0; index < times; index++) found += await log.read(index % streams)
        })
        if (found !== total) throw new Error(`${total} events were expected, not ${found}`)
        return rate
      } finally {
        await log.close()
      }
    })

const ratio = { of: "ratio", atLeast: 0.7 } as const

printMachine()
await compare(
  "Read streams of 100 events",
  { unit: "events/s", rounds: 7, notes: [`${times} reads of ${streams} streams, one after the other; bodies parsed`] },
  [
    { name: "memory", run: ours(Places.nowhere, () => Memory.storesOf(Memory.makeState())) },
    { name: "bare select and JSON.parse, SQLite", run: bare(Places.file, Bare.sqlite) },
    {
      name: "embedded",
      run: ours(Places.file, (filename) => Embedded.stores({ filename })),
      reference: "bare select and JSON.parse, SQLite",
      aim: ratio
    },
    { name: "bare select, PostgreSQL", run: bare(Places.database, Bare.postgres) },
    {
      name: "Postgres",
      run: ours(Places.database, (url) => Postgres.stores({ url: Redacted.make(url) })),
      reference: "bare select, PostgreSQL",
      aim: ratio
    },
    { name: "bare XRANGE and JSON.parse, Redis", run: bare(Places.redisAlways, Bare.redis) },
    {
      name: "Redis",
      run: ours(Places.redisAlways, (url) => Redis.stores({ url, durability: "ignore" })),
      reference: "bare XRANGE and JSON.parse, Redis",
      aim: ratio
    }
  ]
)
