/**
 * Golden histories: logs that a release has written, and that every later one must read and replay.
 *
 * One file for each program of `../durable/programs.ts` and release, one stored event a line. Files are never changed:
 * `scripts/record-golden.ts` adds those of a new release and leaves what is there alone.
 */
import { Effect, Layer, Stream } from "effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Memory from "../../src/backends/Memory.ts"
import type { StoredEvent, StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { type AppendRequest, EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"

export const folder = import.meta.dirname

export interface Golden {
  readonly release: string
  readonly name: string
  readonly events: ReadonlyArray<StoredEvent>
}

/** All histories, of all releases. */
export const all = (kind: "runs" | "streams"): ReadonlyArray<Golden> =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, kind)))
    .flatMap(({ name: release }) =>
      readdirSync(join(folder, release, kind)).map((file) => ({
        release,
        name: file.replace(/\.ndjson$/, ""),
        events: readFileSync(join(folder, release, kind, file), "utf8")
          .trimEnd()
          .split("\n")
          .map((line): StoredEvent => JSON.parse(line))
      }))
    )

/** Writes a history down, unless there is one already. */
export const record = (golden: Golden, kind: "runs" | "streams"): boolean => {
  const directory = join(folder, golden.release, kind)
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `${golden.name}.ndjson`)
  if (existsSync(file)) return false
  writeFileSync(file, golden.events.map((event) => `${JSON.stringify(event)}\n`).join(""), { flag: "wx" })
  return true
}

/** The whole log of a memory. */
export const logOf = (state: Memory.MemoryState): Effect.Effect<ReadonlyArray<StoredEvent>> =>
  EventStore.use((store) => Stream.runCollect(store.readAll())).pipe(
    Effect.provide(Layer.fresh(Memory.storesOf(state))),
    Effect.orDie
  )

/** A memory that holds these events, under their own ids and versions. */
export const remember = (events: ReadonlyArray<StoredEvent>): Effect.Effect<Memory.MemoryState> =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    const driver = yield* EventStoreDriver.pipe(Effect.provide(Layer.fresh(Memory.storesOf(state))))
    const seen = new Set<StreamId>()
    for (const event of events) {
      const isFirst = !seen.has(event.stream)
      seen.add(event.stream)
      if (isFirst && event.version > 1) yield* driver.append([forgotten(event)])
      const [outcome] = yield* driver.append([{ stream: event.stream, expected: event.version - 1, events: [event] }])
      if ("_tag" in outcome!) return yield* Effect.die(outcome)
      if (isFirst) yield* driver.truncateBefore(event.stream, event.version)
    }
    return state
  }).pipe(Effect.orDie)

/** Stands for the events before the first one that is left. */
const forgotten = (first: StoredEvent): AppendRequest => ({
  stream: first.stream,
  expected: 0,
  events: Array.from({ length: first.version - 1 }, (_, index) => ({ ...first, id: `${first.id}-${index}` }))
})
