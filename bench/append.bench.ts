/**
 * Appends on each backend, beside the raw limit of its store: the same rows, written with the same durability and in the
 * same batches by hand.
 */
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { EventStore, StreamId } from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import * as Postgres from "tutti/postgres"
import * as Redis from "tutti/redis"
import * as Bare from "./bare.ts"
import { type Case, compare, perSecond, printMachine } from "./harness.ts"
import * as Places from "./places.ts"

/** A load: so many appenders at once, each of which appends so many events, so many times. */
interface Load {
  readonly appenders: number
  readonly size: number
  readonly times: number
}

/** Each takes a second or less on the slowest store. */
const loads: ReadonlyArray<Load> = [
  { appenders: 1, size: 1, times: 300 },
  { appenders: 16, size: 1, times: 100 },
  { appenders: 256, size: 1, times: 40 },
  { appenders: 1, size: 100, times: 80 },
  { appenders: 16, size: 100, times: 8 },
  { appenders: 256, size: 100, times: 2 },
  { appenders: 1, size: 1000, times: 12 },
  { appenders: 16, size: 1000, times: 2 },
  { appenders: 256, size: 1000, times: 1 }
]

/** Memory is fast: as many appends as make 100,000 events. */
const loadsInMemory = loads.map((load) => ({ ...load, times: Math.ceil(100_000 / (load.appenders * load.size)) }))

const streamOf = (appender: number) => StreamId.make(`bench/${appender}`)

/** Every appender has a stream of its own, and waits for each append before the next. */
const appends =
  <Where>(
    place: Places.Place<Where>,
    makeLayer: (where: Where) => Layer.Layer<EventStore.EventStore, unknown>,
    { appenders, size, times }: Load
  ) =>
  () =>
    place(async (where) => {
      const runtime = ManagedRuntime.make(makeLayer(where))
      const events = Bare.events(size)
      const appendAll = Effect.flatMap(EventStore.EventStore, (store) => {
        const append = (appender: number) =>
          Effect.forEach(Array(times).keys(), (index) => store.append(streamOf(appender), events, index * size), {
            discard: true
          })
        return Effect.forEach(Array(appenders).keys(), append, { concurrency: "unbounded", discard: true })
      })
      try {
        await runtime.runPromise(EventStore.EventStore.use((store) => store.append(StreamId.make("warm"), events, 0)))
        return await perSecond(appenders * size * times, () => runtime.runPromise(appendAll))
      } finally {
        await runtime.dispose()
      }
    })

/** What the queue writes at a time, unless one append has more. */
const maxBatch = 1000

/** The same by hand: one commit carries what all appenders have ready, as ours does. */
const inserts =
  <Where>(
    place: Places.Place<Where>,
    makeLog: (where: Where) => Bare.BareLog | Promise<Bare.BareLog>,
    { appenders, size, times }: Load
  ) =>
  () =>
    place(async (where) => {
      const log = await makeLog(where)
      const versions = new Map<number, number>()
      const rowOf = (stream: number): Bare.Row => {
        const version = (versions.get(stream) ?? 0) + 1
        versions.set(stream, version)
        return { stream, version }
      }
      const together = Math.max(1, Math.min(appenders, Math.floor(maxBatch / size)))
      const commits = Math.ceil((appenders * times) / together)
      const batches = Array.from({ length: commits }, (_, commit) =>
        Array.from({ length: together * size }, (_, row) =>
          rowOf((commit * together + Math.floor(row / size)) % appenders)
        )
      )
      try {
        await log.insert(Array.from({ length: size }, () => rowOf(-1)))
        return await perSecond(commits * together * size, async () => {
          for (const batch of batches) await log.insert(batch)
        })
      } finally {
        await log.close()
      }
    })

const named = (what: string, { appenders, size }: Load) => `${what}: ${appenders} × ${size}`

const beside = <Where>(
  place: Places.Place<Where>,
  makeLayer: (where: Where) => Layer.Layer<EventStore.EventStore, unknown>,
  makeLog: (where: Where) => Bare.BareLog | Promise<Bare.BareLog>
): ReadonlyArray<Case> =>
  loads.flatMap((load) => [
    { name: named("raw", load), run: inserts(place, makeLog, load) },
    {
      name: named("ours", load),
      run: appends(place, makeLayer, load),
      reference: named("raw", load),
      aim: { of: "ratio", atLeast: 0.7 }
    }
  ])

/** A script writes faster than a pipeline does, so how far ours is from that is shown as well. */
const besideRedis = (place: Places.Place<string>): ReadonlyArray<Case> => [
  ...beside(place, redis, Bare.redis),
  ...loads.map((load) => ({
    name: named("raw script, beside ours", load),
    run: inserts(place, Bare.redisScript, load),
    reference: named("ours", load)
  }))
]

const options = (...notes: ReadonlyArray<string>) => ({
  unit: "events/s",
  rounds: 5,
  notes: ["appenders at once × events an append", ...notes, "330-byte bodies"]
})

const memory = () => Memory.storesOf(Memory.makeState())
const redis = (url: string) => Redis.stores({ url, durability: "ignore" })

printMachine()
await compare(
  "Append, memory",
  options(),
  loadsInMemory.map((load) => ({ name: named("ours", load), run: appends(Places.nowhere, memory, load) }))
)
await compare(
  "Append, embedded",
  options("SQLite: WAL, synchronous=FULL", "raw: a transaction of single inserts"),
  beside(Places.file, (filename) => Embedded.stores({ filename }), Bare.sqlite)
)
await compare(
  "Append, Postgres",
  options(
    "fsync=on, synchronous_commit=on",
    "raw: one insert of all rows by pg, which sends text where we send binary"
  ),
  beside(Places.database, (url) => Postgres.stores({ url: Redacted.make(url) }), Bare.postgres)
)
await compare(
  "Append, Redis",
  options("appendfsync always", "raw: a pipeline of XADD; raw script: one EVAL of XADD"),
  besideRedis(Places.redisAlways)
)
await compare(
  "Append, Redis everysec",
  options("appendfsync everysec", "raw: a pipeline of XADD; raw script: one EVAL of XADD"),
  besideRedis(Places.redisEverySecond)
)
