/** The drivers that the suites of work queues run against. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeSqlite from "../../src/backends/NodeSqlite.ts"
import * as MemoryWorkQueue from "../../src/queues/MemoryWorkQueue.ts"
import * as SqliteWorkQueue from "../../src/queues/SqliteWorkQueue.ts"
import type { WorkQueueDriver } from "../../src/queues/WorkQueueDriver.ts"
import type { WorkQueueError } from "../../src/queues/WorkQueueError.ts"
import { ReopenQueues } from "../../src/testing/conformance/WorkQueueConformance.ts"
import { temporaryFile } from "../backends.ts"

export interface QueueBackend {
  readonly name: string
  /** Fresh queues for each build, with what it takes to open their data again. */
  readonly layer: Layer.Layer<WorkQueueDriver, WorkQueueError>
}

const withReopen = (reopen: Layer.Layer<WorkQueueDriver, WorkQueueError>) =>
  Layer.merge(reopen, Layer.succeedContext(Context.make(ReopenQueues, Layer.fresh(reopen))))

export const queueBackends: ReadonlyArray<QueueBackend> = [
  {
    name: "memory",
    layer: Layer.suspend(() => withReopen(MemoryWorkQueue.layerOf(MemoryWorkQueue.makeState())))
  },
  {
    name: "sqlite",
    layer: Layer.unwrap(
      Effect.map(temporaryFile, (filename) =>
        withReopen(SqliteWorkQueue.layer().pipe(Layer.provide(Layer.orDie(NodeSqlite.layer({ filename })))))
      )
    )
  }
]
