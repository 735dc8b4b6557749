/**
 * A limit on how many calls run at once, and on how many wait.
 *
 * What is slow or down then holds up the calls of one bulkhead, and not the memory and the connections of all.
 *
 * Invariants (checked by `test/policies/Bulkhead.test.ts` and `test/policies/Bulkhead.durable.test.ts`):
 *
 *   K1. At most `concurrency` calls run at once.
 *   K2. At most `queue` calls wait; the next one does not run, and fails with `BulkheadFull`.
 *   K3. Those who wait are let in in the order in which they came.
 *   K4. A place, in the bulkhead or in its queue, is given back once, however its call ends.
 *   K5. A keyed bulkhead keeps nothing for a key without calls.
 *   K6. In a run, admission is a recorded decision: a replay refuses what was refused, and waits for nobody. An engine that
 *       stops does not wait for those who wait to be let in.
 *
 * Source: Michael Nygard, "Release It!", 2nd ed. 2018, "Bulkheads".
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Run from "../core/Run.ts"
import * as Decision from "./Decision.ts"
import * as Policy from "./Policy.ts"

/**
 * All places of the bulkhead are taken, and all in its queue.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class BulkheadFull extends Schema.TaggedError<BulkheadFull>()("BulkheadFull", {
  name: Schema.String,
  limit: Schema.Int,
  queued: Schema.Int
}) {
  override get message(): string {
    return `Bulkhead "${this.name}" is full: ${this.limit} calls run and ${this.queued} wait.`
  }
}

/**
 * How large a bulkhead is.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Options {
  /** So many calls run at once. */
  readonly concurrency: number
  /** So many more wait. Default 0: whoever finds it full is refused. */
  readonly queue?: number
}

/**
 * A bulkhead at this moment.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface State {
  readonly running: number
  readonly queued: number
}

/**
 * A named bulkhead: give the same one to all calls that share it.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Bulkhead {
  readonly name: string
  readonly concurrency: number
  readonly queue: number
  readonly state: Effect.Effect<State>
}

/**
 * A bulkhead for each key.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Keyed {
  (key: string): Bulkhead
  /** Keys with calls. */
  readonly keys: Effect.Effect<ReadonlyArray<string>>
}

/** Where the calls are. */
interface Room {
  readonly semaphore: Semaphore.Semaphore
  /** Those who run and those who wait. */
  inside: number
}

/** The way to the room of a bulkhead, which is there as long as somebody is in it. */
interface Door {
  readonly find: () => Room | undefined
  readonly open: () => Room
  readonly close: () => void
}

const doors = new WeakMap<Bulkhead, Door>()

const build = (name: string, options: Options, door: Door): Bulkhead => {
  const { concurrency, queue = 0 } = options
  const state = Effect.sync(() => {
    const inside = door.find()?.inside ?? 0
    return { running: Math.min(inside, concurrency), queued: Math.max(0, inside - concurrency) }
  })
  const bulkhead: Bulkhead = { name, concurrency, queue, state }
  doors.set(bulkhead, door)
  return bulkhead
}

const check = ({ concurrency, queue = 0 }: Options): void => {
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`concurrency must be a positive integer, got ${concurrency}`)
  }
  if (!Number.isInteger(queue) || queue < 0) throw new RangeError(`queue must be a natural number, got ${queue}`)
}

const roomFor = ({ concurrency }: Options): Room => ({ semaphore: Semaphore.makeUnsafe(concurrency), inside: 0 })

/**
 * Makes an empty bulkhead. It lives as long as the value, in this process.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = (name: string, options: Options): Bulkhead => {
  check(options)
  const room = roomFor(options)
  return build(name, options, { find: () => room, open: () => room, close: () => {} })
}

/**
 * Makes a bulkhead for each key: for each tenant, or host. Two bulkheads of one key are the same.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const keyed = (name: string, options: Options): Keyed => {
  check(options)
  const rooms = new Map<string, Room>()
  const bulkheadOf = (key: string) =>
    build(`${name}/${key}`, options, {
      find: () => rooms.get(key),
      open: () => {
        const room = rooms.get(key) ?? roomFor(options)
        rooms.set(key, room)
        return room
      },
      close: () => void rooms.delete(key)
    })
  return Object.assign(bulkheadOf, { keys: Effect.sync(() => [...rooms.keys()]) })
}

/** A call at the bulkhead, so that it leaves once, and only if it was let in (K4). */
interface Visit {
  room: Room | undefined
}

/** Lets the call into the bulkhead or its queue. Otherwise: how many wait. */
const enter = (bulkhead: Bulkhead, visit: Visit): number | undefined => {
  const room = doors.get(bulkhead)!.open()
  if (room.inside >= bulkhead.concurrency + bulkhead.queue) return room.inside - bulkhead.concurrency
  room.inside++
  visit.room = room
  return undefined
}

const leave = (bulkhead: Bulkhead, { room }: Visit): undefined => {
  if (room !== undefined && --room.inside === 0) doors.get(bulkhead)!.close()
  return undefined
}

const refusals = Metric.counter("tutti_bulkhead_refusals_total", { incremental: true })

const refused = ({ name }: Bulkhead): Effect.Effect<void> =>
  Metric.update(Metric.withAttributes(refusals, { bulkhead: name }), 1)

const full = (bulkhead: Bulkhead, queued: number) =>
  Effect.fail(new BulkheadFull({ name: bulkhead.name, limit: bulkhead.concurrency, queued }))

/** Outside any run, and in a step. */
const direct = <A, E, R>(bulkhead: Bulkhead, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | BulkheadFull, R> =>
  Effect.suspend(() => {
    const visit: Visit = { room: undefined }
    const call = Effect.suspend((): Effect.Effect<A, E | BulkheadFull, R> => {
      const queued = enter(bulkhead, visit)
      return queued === undefined
        ? Semaphore.withPermit(visit.room!.semaphore, effect)
        : Effect.andThen(refused(bulkhead), full(bulkhead, queued))
    })
    return Effect.onExitPrimitive(call, () => leave(bulkhead, visit))
  })

/** `null`: let in. Otherwise how many were waiting. */
const admission = Decision.make("bulkhead", Schema.NullOr(Schema.Int), { waits: true })

/** In the program of a run: whoever crashes while he waits, waits again. */
const recorded = <A, E, R>(bulkhead: Bulkhead, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | BulkheadFull, R> =>
  Effect.suspend(() => {
    const visit: Visit = { room: undefined }
    const call = Effect.scopedWith((scope) => {
      const admit = Effect.suspend(() => {
        const queued = enter(bulkhead, visit)
        return queued === undefined
          ? Effect.as(Scope.provide(Semaphore.takeScoped(visit.room!.semaphore, 1), scope), null)
          : Effect.as(refused(bulkhead), queued)
      })
      return Effect.flatMap(admission(bulkhead.name, admit), (queued): Effect.Effect<A, E | BulkheadFull, R> =>
        queued === null ? effect : full(bulkhead, queued)
      )
    })
    return Effect.onExitPrimitive(call, () => leave(bulkhead, visit))
  })

/**
 * Runs the calls through the bulkhead.
 *
 * **Details**
 *
 * - Around an agent that performs a task it is part of the step: whoever waits, waits within his step, and a replay does not.
 * - Before `Retry.upTo` in a `pipe`, a call waits for its next attempt outside; after it, it keeps its place meanwhile.
 *
 * **Gotchas**
 *
 * - In a run, around a composed agent or an effect, a call whose admission was read from a journal runs without a place:
 *   after a restart, more than `concurrency` calls may run until those of the former process have ended.
 * - A call that goes through the same bulkhead again, from inside, may wait for itself.
 * - A fiber that a run leaves behind (`Effect.forkDetach`) does not go on once the run has ended, and keeps its place. So does
 *   what ends in a simulation only: make the bulkhead inside the trial of `CrashSweep.check`.
 *
 * **Errors** `BulkheadFull` — `concurrency` calls run and `queue` wait.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const protect =
  (bulkhead: Bulkhead) =>
  <T extends Policy.Target>(self: T): Policy.Adding<T, BulkheadFull> =>
    Policy.apply(self, {
      errors: BulkheadFull,
      around: (effect) => Run.withCurrent(() => recorded(bulkhead, effect), direct(bulkhead, effect))
    })
