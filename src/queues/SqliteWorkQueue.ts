/**
 * Work queues in SQLite: durable, in one file, for the processes of one machine.
 *
 * Tables (`tutti_` so that they can share a file with yours):
 *
 * - `tutti_queues(name, unfinished, line, full_at)`: a row for each queue, with what is counted
 * - `tutti_queue_items(queue, id, …)`: a row for each item, until its outcome is forgotten
 * - `tutti_queue_keys(queue, key, id, until)`: idempotency keys
 *
 * A call is one `BEGIN IMMEDIATE` transaction, so no other connection writes meanwhile.
 *
 * **Gotchas**
 *
 * What other processes do on the same file is noticed by a cheap poll.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Sqlite, type SqliteError } from "../persistence/Sqlite.ts"
import { anything, Listeners } from "./Listeners.ts"
import { migrations } from "./SqliteLine.ts"
import { SqliteQueue } from "./SqliteQueue.ts"
import { type Change, type QueueSettings, WorkQueueDriver } from "./WorkQueueDriver.ts"
import { WorkQueueError } from "./WorkQueueError.ts"

/**
 * How the driver watches for other processes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How often to look for what other processes did, while somebody listens. Default 200 milliseconds. */
  readonly pollInterval?: Duration.Input
}

/**
 * Makes a driver on the database in the context, and its tables.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDriver = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<WorkQueueDriver["Service"], WorkQueueError, Sqlite> {
  const sqlite = yield* Sqlite
  yield* Effect.mapError(sqlite.migrate("work queues", migrations), queueError)
  const listeners = new Listeners()
  const queue = new SqliteQueue(sqlite)

  /** One transaction; then whoever waits in this process hears of it. */
  const atomically = <A>(
    operation: string,
    f: () => A,
    changed?: { readonly settings: QueueSettings; readonly change: Change }
  ): Effect.Effect<A, WorkQueueError> =>
    sqlite
      .attempt(operation, () => sqlite.transaction(f))
      .pipe(
        Effect.mapError(queueError),
        Effect.tap(() =>
          changed === undefined ? Effect.void : Effect.sync(() => listeners.tell(changed.settings.name, changed.change))
        )
      )
  const pollInterval = Duration.fromInputUnsafe(options.pollInterval ?? "200 millis")
  const ready: Change = { ready: true, settled: [] }

  return WorkQueueDriver.of({
    offer: (settings, items, now) =>
      atomically("offer items", () => queue.offer(settings, items, now), { settings, change: ready }),
    claim: (settings, options) => atomically("claim items", () => queue.claim(settings, options)),
    start: (settings, claims) => atomically("start items", () => queue.start(settings, claims)),
    extend: (settings, claims, until) => atomically("extend claims", () => queue.extend(settings, claims, until)),
    settle: (settings, settled, now) =>
      atomically("settle items", () => queue.settle(settings, settled, now), {
        settings,
        change: { ready: true, settled: settled.map(({ id }) => id) }
      }),
    find: (settings, ids, now) => atomically("find items", () => queue.find(settings, ids, now)),
    deadItems: (settings, page) => atomically("list dead items", () => queue.deadItems(settings, page)),
    redrive: (settings, ids, now) =>
      atomically("redrive items", () => queue.redrive(settings, ids, now), { settings, change: ready }),
    discard: (settings, ids, now) => atomically("discard items", () => queue.discard(settings, ids, now)),
    stats: (settings, now) => atomically("count items", () => queue.stats(settings, now)),
    onChange: (settings, listener) =>
      Effect.andThen(
        listeners.add(settings.name, listener),
        watch(sqlite, () => listener(anything), pollInterval)
      )
  })
})

/**
 * A driver on the database in the context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<WorkQueueDriver, WorkQueueError, Sqlite> =>
  Layer.effect(WorkQueueDriver, makeDriver(options))

const queueError = ({ cause, detail, kind, operation }: SqliteError): WorkQueueError =>
  new WorkQueueError({ operation, detail, retryable: kind === "Busy", cause })

/** Calls back when another connection has committed. */
const watch = (sqlite: Sqlite["Service"], changed: () => void, pollInterval: Duration.Duration) => {
  let last: number | undefined
  const poll = Effect.gen(function* () {
    const current = yield* sqlite.attempt("watch for changes", sqlite.dataVersion)
    if (last !== undefined && current !== last) changed()
    last = current
  }).pipe(Effect.catch((error) => Effect.logWarning("Could not look for changes of work queues", error)))
  return Effect.forkScoped(Effect.forever(Effect.andThen(poll, Effect.sleep(pollInterval))))
}
