import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmdirSync, rmSync, writeSync, openSync, closeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Embedded from "../../src/backends/Embedded.ts"
import * as NodeSqlite from "../../src/backends/NodeSqlite.ts"
import * as JournalEngine from "../../src/durable/JournalEngine.ts"
import * as EventStore from "../../src/event-store/EventStore.ts"
import * as SqliteEventStore from "../../src/event-store/SqliteEventStore.ts"
import { Persistence } from "../../src/persistence/Persistence.ts"
import { Sqlite } from "../../src/persistence/Sqlite.ts"
import * as SqlitePersistence from "../../src/persistence/SqlitePersistence.ts"
import { temporaryFile } from "../backends.ts"
import { rounds } from "./Faults.ts"
import { eventually } from "./ServerFaults.ts"
import * as Storm from "./Storm.ts"
import type { Witness } from "./Workload.ts"

const engine = { lease: "3 seconds", grace: "1 second" } as const

/** As `Embedded.layer`, with its connection in reach. */
const withConnection = (filename: string) =>
  JournalEngine.layer(engine).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        EventStore.layer.pipe(Layer.provideMerge(SqliteEventStore.layerDriver())),
        Layer.effect(Persistence, SqlitePersistence.make)
      )
    ),
    Layer.provideMerge(NodeSqlite.layer({ filename }))
  )

const pragma = (text: string) =>
  Effect.flatMap(Sqlite, (sqlite) => sqlite.attempt("set a pragma", () => sqlite.prepare(`PRAGMA ${text}`).all()))

/** The fault is there once somebody has met it. */
const met = (witness: Witness) =>
  Effect.suspend(() => {
    const before = witness.refused
    return eventually(
      "nobody has met it",
      Effect.sync(() => witness.refused > before)
    )
  })

describe("embedded", () => {
  it.live("X1-X6: the database reaches its limit of pages, or may only be read", () =>
    Effect.gen(function* () {
      const filename = yield* temporaryFile
      const { refused } = yield* Storm.run({
        deployment: withConnection(filename),
        log: Embedded.stores({ filename }),
        faults: (witness) => [
          {
            name: "the database is full",
            // A limit below the size is taken as the size.
            strike: Effect.andThen(pragma("max_page_count = 1"), met(witness)),
            heal: pragma("max_page_count = 1000000"),
            stopsWrites: false
          },
          {
            name: "the database is read-only",
            strike: Effect.andThen(pragma("query_only = 1"), met(witness)),
            heal: pragma("query_only = 0"),
            stopsWrites: true
          }
        ]
      })
      assert.isAtLeast(refused, 2 * rounds)
    })
  )

  // Needs a file system of its own; the limit of pages above needs nothing.
  it.live.runIf(process.platform === "linux" && process.getuid?.() === 0)("X1-X6: the disk is full", () =>
    Effect.gen(function* () {
      const disk = yield* smallDisk
      const filename = join(disk, "tutti.db")
      const filler = join(disk, "filler")
      yield* Storm.run({
        deployment: Embedded.layer({ filename, engine }),
        log: Embedded.stores({ filename }),
        faults: (witness) => [
          {
            name: "the disk is full",
            strike: Effect.andThen(
              Effect.sync(() => fill(filler)),
              met(witness)
            ),
            heal: Effect.sync(() => rmSync(filler)),
            stopsWrites: false
          }
        ]
      })
    })
  )
})

const smallDisk = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "tutti-disk-"))
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", path])
    return path
  }),
  (path) =>
    Effect.sync(() => {
      execFileSync("umount", ["--lazy", path])
      rmdirSync(path)
    })
)

/** Writes until the disk takes no more. */
const fill = (path: string) => {
  const file = openSync(path, "w")
  const page = Buffer.alloc(4096, 1)
  try {
    while (true) writeSync(file, page)
  } catch (error) {
    assert.strictEqual((error as NodeJS.ErrnoException).code, "ENOSPC")
  } finally {
    closeSync(file)
  }
}
