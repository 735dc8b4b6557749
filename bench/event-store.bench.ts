/** Appends and reads of the log, beside bare inserts and selects on the same rows. */
import { Effect, Layer, ManagedRuntime } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { EventStore, type NewEvent, StreamId } from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import { compare, perSecond, printMachine } from "./harness.ts"

const data = { status: "ok", attempt: 1, durationMs: 12.5, output: "the quick brown fox jumps" }
const meta = {
  correlationId: "run/1",
  runId: "run/1",
  definition: "Bench",
  definitionVersion: 1,
  path: "a/b",
  epoch: 1
}
const events = (count: number): ReadonlyArray<NewEvent> =>
  Array.from({ length: count }, () => ({ type: "StepCompleted", data, meta }))
/** What the embedded driver stores of such an event. */
const body = JSON.stringify({
  id: "019aa5a4-0000-7000-8000-000012345678",
  schemaVersion: 1,
  data,
  meta: { ...meta, timestamp: 1_763_700_000_000 }
})

const inFolder = async <A>(use: (folder: string) => Promise<A>): Promise<A> => {
  const folder = mkdtempSync(join(tmpdir(), "tutti-bench-"))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const streamOf = (index: number) => StreamId.make(`bench/${index}`)

type Store = EventStore.EventStore["Service"]

const withStore = <A>(
  layer: (folder: string) => Layer.Layer<EventStore.EventStore, unknown>,
  use: (store: Store, run: <B>(effect: Effect.Effect<B, unknown>) => Promise<B>) => Promise<A>
) =>
  inFolder(async (folder) => {
    const runtime = ManagedRuntime.make(layer(folder))
    try {
      const store = await runtime.runPromise(Effect.map(EventStore.EventStore, (store) => store))
      return await use(store, (effect) => runtime.runPromise(effect))
    } finally {
      await runtime.dispose()
    }
  })

const memory = () => Memory.storesOf(Memory.makeState())
const embedded = (folder: string) => Embedded.stores({ filename: join(folder, "tutti.db") })

/** So many appends of so many events, one after the other. */
const appends = (layer: Parameters<typeof withStore>[0], size: number, count: number) => () =>
  withStore(layer, (store, run) =>
    perSecond(size * count, () =>
      run(
        Effect.forEach(Array(count).keys(), (index) => store.append(streamOf(0), events(size), index * size), {
          discard: true
        })
      )
    )
  )

/** Single appends of many writers at once: the queue makes batches of them. */
const crowd = (layer: Parameters<typeof withStore>[0], writers: number, each: number) => () =>
  withStore(layer, (store, run) => {
    const write = (writer: number) =>
      Effect.forEach(Array(each).keys(), (index) => store.append(streamOf(writer), events(1), index), { discard: true })
    return perSecond(writers * each, () =>
      run(Effect.forEach(Array(writers).keys(), write, { concurrency: "unbounded", discard: true }))
    )
  })

const schema = `PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
  CREATE TABLE events (position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, version INTEGER NOT NULL,
                       type TEXT NOT NULL, dedup TEXT, body TEXT NOT NULL, UNIQUE (stream, version))`
const insertSql = "INSERT INTO events (stream, version, type, dedup, body) VALUES (?, ?, 'StepCompleted', NULL, ?)"

/** The same rows by hand: no JSON made, no checks, no ids. */
const inserts = (size: number, count: number) => () =>
  inFolder((folder) => {
    const database = new DatabaseSync(join(folder, "bare.db"))
    database.exec(schema)
    const insert = database.prepare(insertSql)
    const rate = perSecond(size * count, () => {
      for (let index = 0; index < count; index++) {
        database.exec("BEGIN IMMEDIATE")
        for (let row = 0; row < size; row++) insert.run(1, index * size + row, body)
        database.exec("COMMIT")
      }
    })
    return rate.finally(() => database.close())
  })

const streams = 50
const reads = (layer: Parameters<typeof withStore>[0]) => () =>
  withStore(layer, async (store, run) => {
    await run(Effect.forEach(Array(streams).keys(), (index) => store.append(streamOf(index), events(100), 0)))
    const all = Effect.forEach(Array(streams * 5).keys(), (index) => store.readArray(streamOf(index % streams)), {
      discard: true
    })
    return perSecond(streams * 5 * 100, () => run(all))
  })

const selects = () =>
  inFolder((folder) => {
    const database = new DatabaseSync(join(folder, "bare.db"))
    database.exec(schema)
    const insert = database.prepare(insertSql)
    database.exec("BEGIN")
    for (let stream = 0; stream < streams; stream++) for (let row = 1; row <= 100; row++) insert.run(stream, row, body)
    database.exec("COMMIT")
    const select = database.prepare("SELECT * FROM events WHERE stream = ? ORDER BY version")
    let parsed = 0
    const rate = perSecond(streams * 5 * 100, () => {
      for (let index = 0; index < streams * 5; index++) {
        for (const row of select.all(index % streams)) parsed += JSON.parse(row["body"] as string).schemaVersion
      }
    })
    return rate.finally(() => {
      database.close()
      if (parsed !== streams * 500) throw new Error("events were lost")
    })
  })

const ratio = (atLeast: number) => ({ of: "ratio", atLeast }) as const
const full = "SQLite: WAL, synchronous=FULL (fsync at each commit); 330-byte bodies"

printMachine()
await compare("Append, one call after the other", { unit: "events/s", rounds: 7, notes: [full] }, [
  { name: "memory, 1 an append", run: appends(memory, 1, 2000) },
  { name: "memory, 100 an append", run: appends(memory, 100, 200) },
  { name: "memory, 1000 an append", run: appends(memory, 1000, 20) },
  { name: "bare inserts, 1 a commit", run: inserts(1, 200) },
  {
    name: "embedded, 1 an append",
    run: appends(embedded, 1, 200),
    reference: "bare inserts, 1 a commit",
    aim: ratio(0.7)
  },
  { name: "bare inserts, 100 a commit", run: inserts(100, 50) },
  {
    name: "embedded, 100 an append",
    run: appends(embedded, 100, 50),
    reference: "bare inserts, 100 a commit",
    aim: ratio(0.7)
  },
  { name: "bare inserts, 1000 a commit", run: inserts(1000, 10) },
  {
    name: "embedded, 1000 an append",
    run: appends(embedded, 1000, 10),
    reference: "bare inserts, 1000 a commit",
    aim: ratio(0.7)
  }
])

await compare(
  "Append, single events of 100 writers at once",
  { unit: "events/s", rounds: 7, notes: ["batches of some 100", full] },
  [
    { name: "memory", run: crowd(memory, 100, 100) },
    { name: "bare inserts, 100 a commit", run: inserts(100, 100) },
    { name: "embedded", run: crowd(embedded, 100, 100), reference: "bare inserts, 100 a commit", aim: ratio(0.7) }
  ]
)

await compare(
  "Read streams of 100 events",
  { unit: "events/s", rounds: 7, notes: ["250 reads of 50 streams; bodies parsed"] },
  [
    { name: "memory", run: reads(memory) },
    { name: "bare select and JSON.parse", run: selects },
    { name: "embedded", run: reads(embedded), reference: "bare select and JSON.parse", aim: ratio(0.7) }
  ]
)
