/**
 * From the append to the handler: how long after an append began its event was handled, in the process that appended and
 * in another one on the same store.
 */
import { Effect, Exit, Layer, ManagedRuntime, Redacted, Scope } from "effect"
import { EventBus, EventStore, type Persistence, type StoredEvent, StreamId } from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import * as Postgres from "tutti/postgres"
import * as Redis from "tutti/redis"
import { type Case, compare, percentile, printMachine } from "./harness.ts"
import { type Listen, listener, type Stores, subscriber } from "./listening.ts"
import * as Places from "./places.ts"

type Process = ManagedRuntime.ManagedRuntime<Stores, unknown>

/** Who appends, and where the handler is. */
interface Setting {
  readonly listen: Listen
  readonly where: "here" | "there"
  readonly appenders: number
}

const seconds = 1

/** Each appender waits until its event was handled before it appends the next. Milliseconds, one for each event. */
const latencies = async (processes: readonly [Process, Process], { appenders, listen, where }: Setting) => {
  const [here, there] = processes
  const waiting = new Map<string, () => void>()
  const handleAll = (heard: ReadonlyArray<StoredEvent>) =>
    Effect.sync(() => {
      for (const { stream, version } of heard) waiting.get(`${stream}@${version}`)?.()
    })
  const scope = Scope.makeUnsafe()
  const other = where === "here" ? here : there
  await other.runPromise(Effect.provideService(listen({ handleAll }), Scope.Scope, scope))
  const store = await here.runPromise(EventStore.EventStore)
  const measured: Array<number> = []
  const append = async (appender: number): Promise<void> => {
    const stream = StreamId.make(`appender/${appender}`)
    const until = performance.now() + seconds * 1000
    for (let version = 1; performance.now() < until; version++) {
      const handled = new Promise<void>((resolve) => waiting.set(`${stream}@${version}`, resolve))
      const start = performance.now()
      await here.runPromise(store.append(stream, [{ type: "Counted", data: { version } }], version - 1))
      await handled
      waiting.delete(`${stream}@${version}`)
      measured.push(performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: appenders }, (_, appender) => append(appender)))
  await other.runPromise(Scope.close(scope, Exit.void))
  return measured
}

/** Two rows over the same measurement. */
const rows = <Where>(
  name: string,
  backend: readonly [Places.Place<Where>, (where: Where) => Layer.Layer<EventStore.EventStore | Persistence, unknown>],
  setting: Setting
): ReadonlyArray<Case> => {
  const [place, makeLayer] = backend
  let measured: ReadonlyArray<number> = []
  const measure = () =>
    place(async (where) => {
      const makeProcess = () => ManagedRuntime.make(EventBus.layer.pipe(Layer.provideMerge(makeLayer(where))))
      const here = makeProcess()
      const there = setting.where === "here" ? here : makeProcess()
      try {
        measured = await latencies([here, there], setting)
      } finally {
        await Promise.all([...new Set([here, there])].map((each) => each.dispose()))
      }
      return percentile(measured, 50)
    })
  return [
    { name: `${name}, p50`, run: measure },
    { name: `${name}, p99`, run: () => percentile(measured, 99) }
  ]
}

const memory = [Places.nowhere, () => Memory.storesOf(Memory.makeState())] as const
const embedded = [Places.file, (filename: string) => Embedded.stores({ filename })] as const
const postgres = [Places.database, (url: string) => Postgres.stores({ url: Redacted.make(url) })] as const
const onRedis = (url: string) => Redis.stores({ url, durability: "ignore" })
const redis = [Places.redisAlways, onRedis] as const

const table = (setting: Setting): ReadonlyArray<Case> => [
  ...(setting.where === "here" ? rows("memory", memory, setting) : []),
  ...rows("embedded", embedded, setting),
  ...rows("Postgres", postgres, setting),
  ...rows("Redis", redis, setting)
]

const options = (...notes: ReadonlyArray<string>) => ({
  unit: "ms",
  rounds: 5,
  notes: [...notes, `${seconds} s each`, "SQLite FULL, synchronous_commit=on, appendfsync always"]
})

printMachine()
await compare(
  "From append to a listener on the bus, same process",
  options("one event after the other"),
  table({ listen: listener, where: "here", appenders: 1 })
)
await compare(
  "From append to a listener on the bus, another runtime of the same process",
  options("one event after the other", "SQLite tells nobody: it is polled"),
  table({ listen: listener, where: "there", appenders: 1 })
)
await compare(
  "From append to a durable subscriber, same process",
  options("one event after the other"),
  table({ listen: subscriber, where: "here", appenders: 1 })
)
await compare(
  "From append to a durable subscriber, same process, 100 events at once",
  options("100 appenders, each waits for its event"),
  table({ listen: subscriber, where: "here", appenders: 100 })
)
await compare(
  "From append to a durable subscriber, another runtime of the same process",
  options("one event after the other", "SQLite tells nobody: it is polled"),
  table({ listen: subscriber, where: "there", appenders: 1 })
)
