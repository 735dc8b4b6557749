/**
 * The backends that contract suites run against.
 *
 * `BACKENDS=memory,embedded` narrows them (an unknown name throws);
 * `EXPECTED_BACKENDS=2` makes `backends.test.ts` fail if fewer are selected.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Embedded from "../src/backends/Embedded.ts"
import * as Memory from "../src/backends/Memory.ts"
import * as NodeSqlite from "../src/backends/NodeSqlite.ts"
import type { EventStore } from "../src/event-store/EventStore.ts"
import type { EventStoreDriver } from "../src/event-store/EventStoreDriver.ts"
import type { EventStoreError } from "../src/event-store/EventStoreError.ts"
import * as MemoryEventStore from "../src/event-store/MemoryEventStore.ts"
import * as SqliteEventStore from "../src/event-store/SqliteEventStore.ts"
import type { Persistence } from "../src/persistence/Persistence.ts"
import { Reopen } from "../src/testing/conformance/EventStoreConformance.ts"

export interface Backend {
  readonly name: string
  /** Fresh stores for each build, with what it takes to open their data again. */
  readonly layer: Layer.Layer<EventStore | EventStoreDriver | Persistence, EventStoreError>
}

const withReopen = (reopen: Layer.Layer<EventStoreDriver, EventStoreError>) =>
  Layer.succeedContext(Context.make(Reopen, reopen))

/** A path in a directory that is removed when the scope closes. */
export const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "tutti-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => join(directory, "tutti.db")
)

const all: ReadonlyArray<Backend> = [
  {
    name: "memory",
    layer: Layer.suspend(() => {
      const state = Memory.makeState()
      return Layer.merge(Memory.storesOf(state), withReopen(MemoryEventStore.layerDriverOf(state.events)))
    })
  },
  {
    name: "embedded",
    layer: Layer.unwrap(
      Effect.map(temporaryFile, (filename) => {
        const reopen = SqliteEventStore.layerDriver().pipe(
          Layer.provide(NodeSqlite.layer({ filename })),
          Layer.catchTag("SqliteError", (error) => Layer.effectContext(Effect.fail(SqliteEventStore.storeError(error))))
        )
        return Layer.merge(Embedded.stores({ filename, pollInterval: 10 }), withReopen(reopen))
      })
    )
  }
]

const select = (names: string | undefined): ReadonlyArray<Backend> => {
  if (names === undefined) return all
  return names.split(",").map((name) => {
    const found = all.find((backend) => backend.name === name)
    if (found === undefined)
      throw new Error(`unknown backend "${name}"; there are ${all.map((one) => one.name).join(", ")}`)
    return found
  })
}

export const backends = select(process.env["BACKENDS"])
