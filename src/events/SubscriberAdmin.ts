/** Looking at subscribers, and telling them what to do, from any process that reaches the stores. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Position, StoredEvent } from "../event-store/Envelope.ts"
import { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import { Persistence, type PersistenceError } from "../persistence/Persistence.ts"
import * as ConsumerGroup from "./ConsumerGroup.ts"
import * as DeadLetter from "./DeadLetter.ts"
import { logFilter } from "./LogFilter.ts"
import type { Wanted } from "./Reader.ts"

interface Named {
  readonly name: string
}

/**
 * How far a subscriber is behind the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lag {
  /** Events it wants that are neither handled nor dead letters; counted up to a limit. */
  readonly events: number
  /** There are more than were counted. */
  readonly isMore: boolean
  /** When the oldest of them was written, in milliseconds since the Unix epoch. */
  readonly since: number | undefined
  /** The lowest checkpoint of its partitions. */
  readonly checkpoint: Position
}

/**
 * How far a subscriber is behind, by its stored checkpoints.
 *
 * **Gotchas** Reads the events that it counts: at most `limit`, by default 10,000.
 *
 * @category getters
 * @since 0.1.0
 */
export const lag = Effect.fnUntraced(function* (
  subscriber: Named & { readonly wanted: Wanted },
  { limit = 10_000 }: { readonly limit?: number } = {}
): Effect.fn.Return<Lag, PersistenceError | EventStoreError, EventStore | Persistence> {
  const store = yield* EventStore
  const persistence = yield* Persistence
  const agreed = yield* ConsumerGroup.agreement(persistence, subscriber.name)
  const { partitions, start } = agreed?.value ?? { partitions: 1, start: 0 }
  const found = yield* ConsumerGroup.checkpoints(persistence, subscriber.name)
  const positions = Array.from({ length: partitions }, (_, index) => found.get(index)?.value.position ?? start)
  const done = new Set([...found.values()].flatMap(({ value }) => value.done.map(([id]) => id)))
  const checkpoint = Math.min(...positions)
  const { filter } = subscriber.wanted
  const isPending = (event: StoredEvent): boolean =>
    event.position > positions[ConsumerGroup.partitionOf(event.stream, partitions)]! &&
    !done.has(event.id) &&
    (filter === undefined || filter(event))
  const pending = yield* store.readAll({ after: checkpoint, ...logFilter(subscriber.wanted) }).pipe(
    Stream.filter(isPending),
    Stream.take(limit + 1),
    Stream.runFold(
      () => ({ count: 0, since: undefined as number | undefined }),
      ({ count, since }, { meta }) => ({ count: count + 1, since: since ?? meta.timestamp })
    )
  )
  return {
    events: Math.min(pending.count, limit),
    isMore: pending.count > limit,
    since: pending.since,
    checkpoint
  }
})

const setStatus = (status: ConsumerGroup.Agreement["status"]) =>
  Effect.fnUntraced(function* ({ name }: Named): Effect.fn.Return<void, PersistenceError, Persistence> {
    const persistence = yield* Persistence
    while (true) {
      const found = yield* ConsumerGroup.agreement(persistence, name)
      if (found === undefined || found.value.status === status) return
      if (yield* ConsumerGroup.agree(persistence, name, { ...found, value: { ...found.value, status } })) return
    }
  })

/**
 * Pauses the subscriber in all processes, each at its next heartbeat. What is in hand is finished.
 *
 * @category running
 * @since 0.1.0
 */
export const pause: (subscriber: Named) => Effect.Effect<void, PersistenceError, Persistence> = setStatus("paused")

/**
 * Lets a paused subscriber go on, in each process at its next heartbeat.
 *
 * @category running
 * @since 0.1.0
 */
export const resume: (subscriber: Named) => Effect.Effect<void, PersistenceError, Persistence> = setStatus("running")

/**
 * A page of dead letters, in the order of the log.
 *
 * @category getters
 * @since 0.1.0
 */
export const deadLetters = Effect.fnUntraced(function* (
  { name }: Named,
  page: {
    /** Only those of this stream. */
    readonly stream?: string
    /** Default 100. */
    readonly limit?: number
    readonly offset?: number
  } = {}
): Effect.fn.Return<ReadonlyArray<DeadLetter.DeadLetter & { readonly id: string }>, PersistenceError, Persistence> {
  const { stream, ...range } = page
  const where = stream === undefined ? {} : { stream }
  const found = yield* DeadLetter.query(yield* Persistence, name, { where, ...range })
  return found.map(({ id, value }) => ({ id, ...value }))
})

/**
 * How many dead letters there are, parked ones included. Costs one read of the checkpoints.
 *
 * @category getters
 * @since 0.1.0
 */
export const deadLetterCount = Effect.fnUntraced(function* ({
  name
}: Named): Effect.fn.Return<number, PersistenceError, Persistence> {
  const checkpoints = yield* ConsumerGroup.checkpoints(yield* Persistence, name)
  return [...checkpoints.values()].reduce((sum, { value }) => sum + value.deadLetters, 0)
})

const pageSize = 256

/** Marks a dead letter, unless it was settled meanwhile. */
const mark = Effect.fnUntraced(function* (
  persistence: Persistence["Service"],
  subscriber: string,
  { id, status }: { readonly id: string; readonly status: "redriving" | "discarding" }
): Effect.fn.Return<boolean, PersistenceError> {
  while (true) {
    const found = yield* DeadLetter.find(persistence, subscriber, id)
    if (found === undefined) return false
    if (found.value.status === status) return true
    if (yield* persistence.putAll([DeadLetter.change(subscriber, found, { status })])) return true
  }
})

const markAll = (
  persistence: Persistence["Service"],
  subscriber: string,
  { ids, status }: { readonly ids: ReadonlySet<string>; readonly status: "redriving" | "discarding" }
): Effect.Effect<number, PersistenceError> =>
  Effect.map(
    Effect.forEach(ids, (id) => mark(persistence, subscriber, { id, status })),
    (marked) => marked.filter((one) => one).length
  )

/** Ids of all dead letters, without those that only wait. */
const allDead = Effect.fnUntraced(function* (
  persistence: Persistence["Service"],
  subscriber: string
): Effect.fn.Return<ReadonlySet<string>, PersistenceError> {
  const dead = new Set<string>()
  for (let offset = 0; ; offset += pageSize) {
    const page = yield* DeadLetter.query(persistence, subscriber, {
      where: { status: "dead" },
      limit: pageSize,
      offset
    })
    for (const { id } of page) dead.add(id)
    if (page.length < pageSize) return dead
  }
})

/** Instead of each parked dead letter, the one that it waits for. */
const headsOf = Effect.fnUntraced(function* (
  persistence: Persistence["Service"],
  subscriber: string,
  ids: ReadonlyArray<string>
): Effect.fn.Return<ReadonlySet<string>, PersistenceError> {
  const heads = new Set<string>()
  for (const id of ids) {
    const letter = yield* DeadLetter.find(persistence, subscriber, id)
    if (letter === undefined) continue
    if (letter.value.status !== "parked") heads.add(id)
    else {
      const { stream } = letter.value
      const [head] = yield* DeadLetter.query(persistence, subscriber, { where: { stream }, limit: 1 })
      if (head !== undefined) heads.add(head.id)
    }
  }
  return heads
})

/**
 * Asks for dead letters to be tried again, in order per stream, by the members that own them, each at its next heartbeat.
 * Answers how many were marked.
 *
 * **Details** A dead letter that is handled is gone; one that fails again is dead again, with its new cause. Behind one
 * that is settled, the parked events of its stream follow. To redrive a parked one is to redrive the one it waits for.
 *
 * @category running
 * @since 0.1.0
 */
export const redrive = (
  subscriber: Named,
  ids: ReadonlyArray<string> | "all"
): Effect.Effect<number, PersistenceError, Persistence> =>
  Persistence.use((persistence) =>
    Effect.flatMap(
      ids === "all" ? allDead(persistence, subscriber.name) : headsOf(persistence, subscriber.name, ids),
      (chosen) => markAll(persistence, subscriber.name, { ids: chosen, status: "redriving" })
    )
  )

/**
 * Asks for dead letters to be dropped without another try; with `"all"`, those that failed. What is parked behind them is
 * then handled. Answers how many were marked.
 *
 * @category running
 * @since 0.1.0
 */
export const discard = (
  subscriber: Named,
  ids: ReadonlyArray<string> | "all"
): Effect.Effect<number, PersistenceError, Persistence> =>
  Persistence.use((persistence) =>
    Effect.flatMap(ids === "all" ? allDead(persistence, subscriber.name) : Effect.succeed(new Set(ids)), (chosen) =>
      markAll(persistence, subscriber.name, { ids: chosen, status: "discarding" })
    )
  )
