/**
 * Work queues in PostgreSQL.
 *
 * Tables (in one schema, `tutti_` so that they can share it with yours):
 *
 * - `tutti_queues(name, unfinished, line, full_at)`: a row for each queue, with what is counted
 * - `tutti_queue_items(queue, id, …)`: a row for each item, until its outcome is forgotten
 * - `tutti_queue_keys(queue, key, id, until)`: idempotency keys
 *
 * A call is one function, so one round trip and one transaction. Workers claim with `FOR UPDATE SKIP LOCKED`: none waits for
 * another. Offers and settlements of one queue come one after the other, for they count items and pass on the slots of keys;
 * each carries all that waits in its process.
 *
 * Others hear of it by `NOTIFY` in the same transaction. A process whose connection was lost listens again, and looks at
 * once.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Postgres, type PostgresError, type PostgresRow, type PostgresValue } from "../persistence/Postgres.ts"
import { toText } from "../persistence/PostgresText.ts"
import { Listeners } from "./Listeners.ts"
import { migrations } from "./PostgresQueueFunctions.ts"
import {
  type Claim,
  type DeadItem,
  type Death,
  type Delivery,
  type ItemState,
  type NewItem,
  type OfferOutcome,
  type Outcome,
  type SettledClaim,
  WorkQueueDriver
} from "./WorkQueueDriver.ts"
import { WorkQueueError } from "./WorkQueueError.ts"

/**
 * Makes a driver on the database in the context, and its tables.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDriver: Effect.Effect<WorkQueueDriver["Service"], WorkQueueError, Postgres | Scope.Scope> = Effect.gen(
  function* () {
    const postgres = yield* Postgres
    const channel = `${postgres.channel}/queues`
    yield* Effect.mapError(postgres.migrate("work queues", migrations(postgres.schema, channel)), queueError)
    const items = `${postgres.schema}.tutti_queue_items`
    const once: Run = (operation, sql, parameters) =>
      Effect.mapError(postgres.run(operation, sql, parameters), queueError)
    const patiently: Run = (operation, sql, parameters) =>
      Effect.mapError(postgres.patiently(postgres.run(operation, sql, parameters)), queueError)
    const call =
      (run: Run) =>
      (
        operation: string,
        name: string,
        parameters: ReadonlyArray<PostgresValue>
      ): Effect.Effect<PostgresRow, WorkQueueError> => {
        const places = parameters.map((_, index) => `$${index + 1}`).join(", ")
        const sql = `SELECT * FROM ${postgres.schema}.tutti_queue_${name}(${places})`
        return Effect.map(run(operation, sql, parameters), ([row]) => row!)
      }
    const listeners = new Listeners()
    const listen = yield* listener(postgres, channel, listeners)
    return WorkQueueDriver.of({
      ...forProducers(call(patiently)),
      // A pool of workers is patient itself, and must be able to stop.
      ...forWorkers(call(once)),
      ...forKeepers(patiently, items),
      onChange: ({ name }, heard) => Effect.andThen(listen, listeners.add(toText(name), heard))
    })
  }
)

/**
 * A driver on the database in the context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<WorkQueueDriver, WorkQueueError, Postgres> = Layer.effect(WorkQueueDriver, makeDriver)

type Driver = WorkQueueDriver["Service"]
type Run = (
  operation: string,
  sql: string,
  parameters: ReadonlyArray<PostgresValue>
) => Effect.Effect<ReadonlyArray<PostgresRow>, WorkQueueError>
type Call = (
  operation: string,
  name: string,
  parameters: ReadonlyArray<PostgresValue>
) => Effect.Effect<PostgresRow, WorkQueueError>

const forProducers = (call: Call): Pick<Driver, "offer" | "redrive"> => ({
  offer: ({ capacity, keyConcurrency, name }, items, now) =>
    Effect.map(
      call("offer items", "offer", [toText(name), now, capacity, keyConcurrency, JSON.stringify(items.map(offerOf))]),
      ([answers]) => (answers as ReadonlyArray<string>).map((answer, index) => outcomeOf(answer, items[index]!))
    ),
  redrive: ({ capacity, keyConcurrency, name }, ids, now) =>
    Effect.map(
      call("redrive items", "redrive", [toText(name), now, capacity, keyConcurrency, ids]),
      ([answers]) => answers as ReadonlyArray<string>
    )
})

const forWorkers = (call: Call): Pick<Driver, "claim" | "start" | "extend" | "settle"> => ({
  claim: ({ keyConcurrency, name, rate }, { max, now, until }) =>
    Effect.map(
      call("claim items", "claim", [
        toText(name),
        now,
        until,
        max,
        keyConcurrency,
        rate?.limit ?? 0,
        rate?.window ?? 0
      ]),
      ([wakeAt, deliveries]) => ({
        deliveries: ((deliveries ?? []) as ReadonlyArray<DeliveryRow>).map(deliveryOf),
        wakeAt: wakeAt === null ? undefined : Number(wakeAt)
      })
    ),
  start: ({ name }, claims) =>
    Effect.map(call("start items", "start", [toText(name), JSON.stringify(claims.map(claimOf))]), held),
  extend: ({ name }, claims, until) =>
    Effect.map(call("extend claims", "extend", [toText(name), JSON.stringify(claims.map(claimOf)), until]), held),
  settle: ({ keyConcurrency, name, retention }, settled, now) =>
    Effect.map(
      call("settle items", "settle", [
        toText(name),
        now,
        retention,
        keyConcurrency,
        JSON.stringify(settled.map(settlementOf))
      ]),
      held
    )
})

const forKeepers = (run: Run, items: string): Pick<Driver, "find" | "deadItems" | "discard" | "stats"> => ({
  find: ({ name }, ids, now) =>
    Effect.map(
      run(
        "find items",
        `SELECT i.state, i.at, i.attempts, i.outcome FROM unnest($2::text[]) WITH ORDINALITY n(id, place)
         LEFT JOIN ${items} i ON i.queue = $1 AND i.id = n.id ORDER BY n.place`,
        [toText(name), ids]
      ),
      (rows) => rows.map((row) => stateOf(row, now))
    ),
  deadItems: ({ name }, { limit, offset }) =>
    Effect.map(
      run(
        "list dead items",
        `SELECT id, body, key, attempts, offered, at, outcome FROM ${items}
         WHERE queue = $1 AND state = 'Dead' ORDER BY at, id LIMIT $2::bigint OFFSET $3::bigint`,
        [toText(name), limit, offset]
      ),
      (rows) => rows.map(deadItemOf)
    ),
  discard: ({ name, retention }, ids, now) =>
    Effect.map(
      run(
        "discard items",
        `WITH gone AS (
           UPDATE ${items} SET state = 'Done', at = $3::bigint, body = NULL
           WHERE queue = $1 AND id = ANY ($2::text[]) AND state = 'Dead' RETURNING id)
         SELECT n.id FROM unnest($2::text[]) WITH ORDINALITY n(id, place) JOIN gone USING (id) ORDER BY n.place`,
        [toText(name), ids, now + retention]
      ),
      (rows) => rows.map(([id]) => id as string)
    ),
  stats: ({ name }, now) =>
    Effect.map(
      run(
        "count items",
        `SELECT count(*) FILTER (WHERE state IN ('Delayed', 'Retry') AND at > $2::bigint),
           count(*) FILTER (WHERE state = 'Claimed'), count(*) FILTER (WHERE state = 'Dead'), count(*)
         FROM ${items} WHERE queue = $1 AND state <> 'Done'`,
        [toText(name), now]
      ),
      ([row]) => {
        const [delayed, inFlight, dead, all] = row!.map(Number) as [number, number, number, number]
        return { queued: all - dead - delayed - inFlight, delayed, inFlight, dead }
      }
    )
})

const queueError = ({ cause, detail, isRetryable, operation }: PostgresError): WorkQueueError =>
  new WorkQueueError({ operation, detail, retryable: isRetryable, cause })

/** PostgreSQL's text has no U+0000, and neither has JSON. */
const keyOf = (key: string | undefined): string | null => (key === undefined ? null : JSON.stringify(key))
const keyFrom = (key: unknown): string | undefined => (key === null ? undefined : (JSON.parse(key as string) as string))

const offerOf = ({ availableAt, body, id, idempotency, key, priority }: NewItem) => ({
  id,
  body: JSON.stringify(body),
  key: keyOf(key),
  priority,
  due: availableAt,
  once: keyOf(idempotency?.key),
  ends: idempotency?.until ?? null
})

const outcomeOf = (answer: string, { id }: NewItem): OfferOutcome => {
  if (answer === "F") return { _tag: "Full" }
  return answer === "O" ? { _tag: "Offered", id } : { _tag: "Duplicate", id: answer.slice(1) }
}

const claimOf = ({ id, token }: Claim) => [id, token]

const settlementOf = ({ id, settlement, token }: SettledClaim) => ({
  id,
  token,
  kind: settlement._tag,
  due: settlement._tag === "Retry" ? settlement.availableAt : null,
  outcome: settlement._tag === "Retry" || settlement._tag === "HandBack" ? null : JSON.stringify(settlement)
})

const held = ([answers]: PostgresRow): ReadonlyArray<boolean> => (answers ?? []) as ReadonlyArray<boolean>

type DeliveryRow = readonly [string, number, string, string | null, number, number, number, number]

const deliveryOf = ([id, token, body, key, priority, offeredAt, attempts, failures]: DeliveryRow): Delivery => ({
  id,
  token,
  body: JSON.parse(body) as Schema.Json,
  key: keyFrom(key),
  priority,
  offeredAt,
  attempts,
  failures
})

const stateOf = ([state, at, attempts, outcome]: PostgresRow, now: number): ItemState | undefined => {
  if (state === null || (state === "Done" && Number(at) <= now)) return undefined
  if (state !== "Done" && state !== "Dead") return { _tag: "Unfinished" }
  return { _tag: "Settled", attempts: Number(attempts), outcome: JSON.parse(outcome as string) as Outcome }
}

const deadItemOf = ([id, body, key, attempts, offered, died, death]: PostgresRow): DeadItem => ({
  id: id as string,
  body: JSON.parse(body as string) as Schema.Json,
  key: keyFrom(key),
  attempts: Number(attempts),
  offeredAt: Number(offered),
  diedAt: Number(died),
  death: JSON.parse(death as string) as Death
})

/** After a lost connection: not more often than this. */
const beforeListeningAgain = Duration.seconds(1)

/** Begins to listen when somebody wants to hear, for as long as the driver lives: that takes a connection. */
const listener = Effect.fnUntraced(function* (
  postgres: Postgres["Service"],
  channel: string,
  listeners: Listeners
): Effect.fn.Return<Effect.Effect<void>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  let isListening = false
  const heard = (payload: string | undefined): void => {
    if (payload === undefined) return listeners.tellAll()
    const [queue, ids] = JSON.parse(payload) as readonly [string, ReadonlyArray<string> | null]
    listeners.tell(queue, { ready: true, settled: ids ?? "unknown" })
  }
  const listen = postgres.listen(heard, channel).pipe(
    Effect.catch((error) => Effect.logWarning("Could not listen for changes of work queues", error)),
    Effect.andThen(Effect.sleep(beforeListeningAgain)),
    Effect.forever
  )
  return Effect.suspend(() => {
    if (isListening) return Effect.void
    isListening = true
    return Effect.asVoid(Effect.forkIn(listen, scope))
  })
})
