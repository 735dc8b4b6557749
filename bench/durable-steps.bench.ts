/**
 * What durability costs: a run of ten trivial steps, each recorded before the next, beside the same work on a log
 * written by hand (no schemas, no types, no leases, no replay).
 */
import { Effect, Layer } from "effect"
import { EphemeralEngine, EventStore, EventStoreDriver, JournalEngine } from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import * as Floor from "./floor.ts"
import { compare, printMachine } from "./harness.ts"
import * as Places from "./places.ts"
import { alone, crowded, onFloor, onLayer, steps } from "./tenSteps.ts"

const ephemeral = onLayer(Places.nowhere, () => EphemeralEngine.layer())
const memory = onLayer(Places.nowhere, () => Memory.layer)
const embedded = onLayer(Places.file, (filename) => Embedded.layer({ filename }))
const floorMemory = onFloor(Places.nowhere, Floor.memory)
const floorSqlite = onFloor(Places.file, Floor.sqlite)

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
  const counted = onLayer(Places.file, (filename) =>
    JournalEngine.layer().pipe(
      Layer.provide(EventStore.layer.pipe(Layer.provide(counting))),
      Layer.provide(Embedded.stores({ filename }))
    )
  )
  return counted(async (runMany) => {
    await runMany(10, concurrency)
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
