/**
 * What durability costs: a run of ten trivial steps, each recorded before the next, beside the same work on a log
 * written by hand (no schemas, no types, no leases, no replay).
 */
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  Agent,
  type Engine,
  EphemeralEngine,
  EventStore,
  EventStoreDriver,
  JournalEngine,
  Orchestration,
  Task
} from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import * as Floor from "./floor.ts"
import { compare, microsEach, perSecond, printMachine } from "./harness.ts"

const steps = 10
const concurrency = 100

const Work = Task.make("Work", {
  input: { step: Schema.Int, value: Schema.Int },
  output: { step: Schema.Int, ok: Schema.Boolean, value: Schema.Int, note: Schema.String }
})

const worker = Agent.make("worker", {
  task: Work,
  run: ({ step, value }) => Effect.succeed({ step, ok: true, value: value + 1, note: "step-result" })
})

const TenSteps = Orchestration.make("TenSteps", {
  input: { value: Schema.Int },
  output: { value: Schema.Int },
  run: Effect.fnUntraced(function* (input) {
    let { value } = input
    for (let step = 0; step < steps; step++) value = (yield* Effect.orDie(worker.run({ step, value }))).value
    return { value }
  })
})

const once = Effect.flatMap(TenSteps.run({ value: 1 }), ({ value }) =>
  value === 11 ? Effect.void : Effect.die(new Error(`11 was expected, not ${value}`))
)

/** A backend, built anew for each measurement; building it is not measured. */
type Backend = <A>(use: (runMany: (count: number, concurrency: number) => Promise<void>) => Promise<A>) => Promise<A>

const onLayer =
  (makeLayer: (folder: string) => Layer.Layer<Engine, unknown>): Backend =>
  async (use) => {
    const folder = mkdtempSync(join(tmpdir(), "tutti-bench-"))
    const runtime = ManagedRuntime.make(TenSteps.layer.pipe(Layer.provideMerge(makeLayer(folder))))
    try {
      await runtime.runPromise(Effect.forEach(Array(20), () => once, { concurrency: 10, discard: true }))
      return await use((count, concurrency) =>
        runtime.runPromise(Effect.forEach(Array(count), () => once, { concurrency, discard: true }))
      )
    } finally {
      await runtime.dispose()
      rmSync(folder, { recursive: true })
    }
  }

const onFloor =
  (makeLog: (folder: string) => Floor.Log): Backend =>
  async (use) => {
    const folder = mkdtempSync(join(tmpdir(), "tutti-bench-"))
    const log = makeLog(folder)
    try {
      await Floor.runMany(log, 20, 10, steps)
      return await use((count, concurrency) => Floor.runMany(log, count, concurrency, steps))
    } finally {
      log.close()
      rmSync(folder, { recursive: true })
    }
  }

const ephemeral = onLayer(() => EphemeralEngine.layer())
const memory = onLayer(() => Memory.layer)
const embedded = onLayer((folder) => Embedded.layer({ filename: join(folder, "tutti.db") }))
const floorMemory = onFloor(Floor.memory)
const floorSqlite = onFloor((folder) => Floor.sqlite(join(folder, "floor.db")))

const alone = (backend: Backend, runs: number) => () =>
  backend((runMany) => microsEach(runs * steps, () => runMany(runs, 1)))
const crowded = (backend: Backend, runs: number) => () =>
  backend((runMany) => perSecond(runs * steps, () => runMany(runs, concurrency)))

const full = "SQLite: WAL, synchronous=FULL (fsync at each commit)"
const atMost = (ratio: number) => ({ of: "ratio", atMost: ratio }) as const
const atLeast = (ratio: number) => ({ of: "ratio", atLeast: ratio }) as const

printMachine()

await compare(
  "One run at a time",
  { unit: "µs per step", rounds: 7, notes: ["200 runs of 10 steps in memory, 50 on disk", full] },
  [
    { name: "floor, memory", run: alone(floorMemory, 200) },
    { name: "EphemeralEngine", run: alone(ephemeral, 200), reference: "floor, memory" },
    { name: "Memory", run: alone(memory, 200), reference: "floor, memory" },
    { name: "floor, SQLite", run: alone(floorSqlite, 50) },
    { name: "Embedded", run: alone(embedded, 50), reference: "floor, SQLite", aim: atMost(1.3) }
  ]
)

await compare("1,000 runs, 100 at once", { unit: "steps/s", rounds: 7, notes: ["1,000 runs of 10 steps", full] }, [
  { name: "floor, memory", run: crowded(floorMemory, 1000) },
  { name: "EphemeralEngine", run: crowded(ephemeral, 1000), reference: "floor, memory" },
  { name: "Memory", run: crowded(memory, 1000), reference: "floor, memory", aim: { of: "value", atLeast: 100_000 } },
  { name: "floor, SQLite", run: crowded(floorSqlite, 1000) },
  { name: "Embedded", run: crowded(embedded, 1000), reference: "floor, SQLite", aim: atLeast(0.7) }
])

/** Commits of the log per step, counted at the driver. */
const commitsPerStep = async (runs: number, concurrency: number): Promise<number> => {
  let commits = 0
  const counting = Layer.effect(
    EventStoreDriver,
    Effect.map(EventStoreDriver, (driver) => ({
      ...driver,
      append: (requests) => Effect.suspend(() => (commits++, driver.append(requests)))
    }))
  )
  const counted = onLayer((folder) =>
    JournalEngine.layer().pipe(
      Layer.provide(EventStore.layer.pipe(Layer.provide(counting))),
      Layer.provide(Embedded.stores({ filename: join(folder, "tutti.db") }))
    )
  )
  return counted(async (runMany) => {
    commits = 0
    await runMany(runs, concurrency)
    return commits / (runs * steps)
  })
}

await compare(
  "Write transactions",
  { unit: "commits per step", rounds: 1, warmUp: 0, notes: ["Embedded; 12 events a run"] },
  [
    { name: "one run at a time", run: () => commitsPerStep(50, 1), aim: { of: "value", atMost: 1.2 } },
    { name: "10 at once", run: () => commitsPerStep(200, 10), aim: { of: "value", atMost: 0.15 } },
    { name: "100 at once", run: () => commitsPerStep(1000, 100), aim: { of: "value", atMost: 0.15 } }
  ]
)
