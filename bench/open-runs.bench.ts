/** What an open run costs in memory while it waits: 100,000 of them in one process, each waiting for a signal. */
import { Effect, Layer, ManagedRuntime, Redacted, Schema } from "effect"
import { type Engine, EphemeralEngine, Orchestration, Signal } from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import * as Postgres from "tutti/postgres"
import * as Redis from "tutti/redis"
import { collectGarbage, compare, printMachine } from "./harness.ts"
import * as Places from "./places.ts"

const open = 100_000

const Go = Signal.make("go", {})

let waiting = 0
let allWait: () => void = () => {}

const Waits = Orchestration.make("Waits", {
  input: { run: Schema.Int },
  output: {},
  key: ({ run }) => String(run),
  run: () =>
    Effect.suspend(() => {
      if (++waiting === open) allWait()
      return Effect.as(Signal.await(Go), {})
    })
})

const heap = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/** Bytes of heap that remain per run. */
const each =
  <Where>(place: Places.Place<Where>, makeLayer: (where: Where) => Layer.Layer<Engine, unknown>) =>
  () =>
    place(async (where) => {
      const runtime = ManagedRuntime.make(Waits.layer.pipe(Layer.provideMerge(makeLayer(where))))
      await runtime.runPromise(Effect.void)
      waiting = 0
      const arrived = new Promise<void>((resolve) => (allWait = resolve))
      const before = heap()
      await runtime.runPromise(
        Effect.forEach(Array(open).keys(), (run) => Waits.start({ run }), { concurrency: 500, discard: true })
      )
      await arrived
      const after = heap()
      await runtime.dispose()
      return (after - before) / open
    })

const embedded = (filename: string) => Embedded.layer({ filename })
const postgres = (url: string) => Postgres.layer({ url: Redacted.make(url) })
const redis = (url: string) => Redis.layer({ url, durability: "ignore" })

printMachine()
await compare(
  `${open.toLocaleString("en-US")} open runs`,
  {
    unit: "bytes per run",
    rounds: 3,
    notes: ["heap after a garbage collection", "in Memory, the events of the runs lie there, too: one each"]
  },
  [
    { name: "EphemeralEngine", run: each(Places.nowhere, () => EphemeralEngine.layer()) },
    { name: "Memory", run: each(Places.nowhere, () => Memory.layer) },
    { name: "Embedded", run: each(Places.file, embedded) },
    { name: "Postgres", run: each(Places.database, postgres) },
    { name: "Redis", run: each(Places.redisEverySecond, redis) }
  ]
)
