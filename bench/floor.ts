/**
 * The floor: the least that a durable run of steps can cost. A log written by hand, with group commit: an event is
 * stored before the next step begins. No schemas, no types, no leases, no replay.
 */
import { Redis } from "ioredis"
import { DatabaseSync } from "node:sqlite"
import * as Peers from "./peers/peers.ts"
import * as StepLatency from "./stepLatency.ts"

interface Event {
  readonly type: string
  readonly stream: string
  readonly version: number
  readonly at: number
  readonly data: object
}

export interface Log {
  readonly append: (event: Event) => Promise<void>
  readonly close: () => unknown
}

const groupCommit = (write: (events: ReadonlyArray<Event>) => unknown, close: () => unknown): Log => {
  let waiting: Array<{ readonly event: Event; readonly done: () => void }> = []
  let running = false
  const drain = async () => {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      await write(batch.map(({ event }) => event))
      for (const { done } of batch) done()
    }
    running = false
  }
  return {
    append: (event) =>
      new Promise((done) => {
        waiting.push({ event, done })
        if (running) return
        running = true
        queueMicrotask(drain)
      }),
    close
  }
}

export const memory = (): Log => {
  const log: Array<string> = []
  return groupCommit(
    (events) => {
      for (const event of events) log.push(JSON.stringify(event))
    },
    () => {}
  )
}

/** WAL, synchronous=FULL: each commit is on the disk before it is acknowledged. */
export const sqlite = (filename: string): Log => {
  const database = new DatabaseSync(filename)
  database.exec(`
    PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE ev(pos INTEGER PRIMARY KEY, stream TEXT NOT NULL, ver INTEGER NOT NULL, type TEXT NOT NULL,
                    data TEXT NOT NULL, UNIQUE(stream, ver))`)
  const insert = database.prepare("INSERT INTO ev(stream, ver, type, data) VALUES(?, ?, ?, ?)")
  const write = (events: ReadonlyArray<Event>) => {
    // A single insert is a transaction of its own.
    if (events.length > 1) database.exec("BEGIN IMMEDIATE")
    for (const event of events) insert.run(event.stream, event.version, event.type, JSON.stringify(event))
    if (events.length > 1) database.exec("COMMIT")
  }
  return groupCommit(write, () => database.close())
}

/** One connection and one insert a commit, of JSONB. */
export const postgres = async (url: string): Promise<Log> => {
  const client = await Peers.connect(url)
  await client.query(`
    CREATE TABLE ev(pos bigserial PRIMARY KEY, stream text NOT NULL, ver bigint NOT NULL, type text NOT NULL,
                    data jsonb NOT NULL, UNIQUE(stream, ver))`)
  const text =
    "INSERT INTO ev(stream, ver, type, data) SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::jsonb[])"
  const write = (events: ReadonlyArray<Event>) =>
    client.query({
      name: "append",
      text,
      values: [
        events.map(({ stream }) => stream),
        events.map(({ version }) => version),
        events.map(({ type }) => type),
        events.map((event) => JSON.stringify(event))
      ]
    })
  return groupCommit(write, () => client.end())
}

/** One pipeline of XADD a commit. Nothing but their order in the pipeline keeps events apart. */
export const redis = (url: string): Log => {
  const client = new Redis(url)
  const write = async (events: ReadonlyArray<Event>) => {
    const pipeline = client.pipeline()
    for (const event of events) pipeline.xadd("floor", "*", "d", JSON.stringify(event))
    const answers = await pipeline.exec()
    for (const [error] of answers!) if (error !== null) throw error
  }
  return groupCommit(write, () => client.quit())
}

const eventOf = (
  stream: string,
  version: number,
  type: string,
  data: object
): Event & { readonly [key: string]: unknown } => ({
  type,
  id: `${stream}:${version}`,
  stream,
  version,
  at: Date.now(),
  correlationId: stream,
  causationId: `${stream}:${version - 1}`,
  actor: "bench",
  data,
  meta: { tenant: "acme" }
})

let runs = 0

const run = async (log: Log, steps: number): Promise<void> => {
  const stream = `run-${++runs}`
  let version = 0
  let value = 1
  await log.append(eventOf(stream, version++, "RunStarted", { input: { value } }))
  for (let step = 0; step < steps; step++) {
    const asked = StepLatency.asked()
    const result = { step, ok: true, value: value + 1, note: "step-result" }
    await log.append(eventOf(stream, version++, "StepCompleted", result))
    StepLatency.answered(asked)
    value = result.value
  }
  await log.append(eventOf(stream, version++, "RunCompleted", { value }))
  if (value !== steps + 1) throw new Error(`${steps + 1} was expected, not ${value}`)
}

/** Carries out runs of so many steps, so many of them at a time. */
export const runMany = async (log: Log, count: number, concurrency: number, steps: number): Promise<void> => {
  let begun = 0
  const worker = async () => {
    while (begun++ < count) await run(log, steps)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}
