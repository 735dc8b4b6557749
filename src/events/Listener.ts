/**
 * One listener of the `EventBus`: what it wants, how it is run, and what became of it.
 *
 * The invariants B1 to B5 are stated in `EventBus.ts`.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Position, StoredEvent } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import { logFilter } from "./LogFilter.ts"
import { patience } from "./Patience.ts"

/** An event on the bus. Numbers are gapless, so a listener sees what slid out of the buffer. */
export interface Heard {
  readonly number: number
  readonly event: StoredEvent
}

/**
 * Which events a listener hears.
 *
 * @category models
 * @since 0.1.0
 */
export interface Filter {
  /** Only these event types. */
  readonly types?: ReadonlyArray<string>
  /** Only streams whose name starts so. */
  readonly streamPrefix?: string
  /** Only events that pass. Must not throw. */
  readonly filter?: (event: StoredEvent) => boolean
}

/**
 * What a listener hears and does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, E, R> extends Filter {
  /** Appears in logs. */
  readonly name: string
  /** Start after this position instead of with what comes. */
  readonly after?: Position
  /** What happens to one event; or to all that wait, at most 256, with `handleAll`. */
  readonly handler: ((event: A) => Effect.Effect<unknown, E, R>) | HandleAll<A, E, R>
  /**
   * When the listener is behind by more than the bus keeps. `"catch-up"`
   * (default) reads what it missed from the log; `"drop-oldest"` counts it.
   */
  readonly onOverflow?: "catch-up" | "drop-oldest"
  /** When a handler that failed is tried again. Default: 3 times, from 100 milliseconds on, doubling. */
  readonly restart?: Schedule.Schedule<unknown>
}

/**
 * Handles events in batches.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandleAll<A, E, R> {
  readonly handleAll: (events: ReadonlyArray<A>) => Effect.Effect<unknown, E, R>
}

/**
 * What became of the events of a listener.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Handled with success. */
  readonly delivered: number
  /** Slid out of the buffer; read from the log instead, or counted as dropped. */
  readonly missed: number
  /** Never heard, because of `"drop-oldest"`. */
  readonly dropped: number
  /** Times the handler, or the decoding of an event, failed. */
  readonly failures: number
  /** Given up after the last try. */
  readonly skipped: number
}

const batchSize = 256

const defaultRestart = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 3 }))

type Counters = { -readonly [K in keyof Stats]: Stats[K] }

/** Makes counters that start at nothing. */
export const makeStats = (): Counters => ({ delivered: 0, missed: 0, dropped: 0, failures: 0, skipped: 0 })

/** Where a listener hears events from, and what it counts them with. */
export interface Source<A> {
  readonly store: EventStore["Service"]
  readonly subscription: PubSub.Subscription<Heard>
  readonly decode: (event: StoredEvent) => Result.Result<A, EventStoreError>
  readonly stats: Counters
  /** Events up to here are of no interest. */
  readonly start: Position
  /** The number of the first event that the subscription will see. */
  readonly firstNumber: number
}

/** Runs a listener for ever. */
export const run = <A, E, R>(options: Options<A, E, R>, source: Source<A>): Effect.Effect<never, never, R> => {
  const { stats, store, subscription } = source
  const { name, onOverflow = "catch-up" } = options
  const report = reporter(name, stats)
  const matches = matcher(options)
  const handleAll = handling(options, stats)
  let position = source.start
  let nextNumber = source.firstNumber

  const decodeAll = Effect.fnUntraced(function* (events: ReadonlyArray<StoredEvent>) {
    const decoded: Array<A> = []
    for (const event of events) {
      if (event.position <= position) continue
      position = event.position
      if (!matches(event)) continue
      const result = source.decode(event)
      if (Result.isSuccess(result)) decoded.push(result.success)
      else {
        stats.skipped++
        yield* report(result.failure)
      }
    }
    return decoded
  })

  const deliver = (events: ReadonlyArray<StoredEvent>) =>
    Effect.flatMap(decodeAll(events), (decoded) => (decoded.length === 0 ? Effect.void : handleAll(decoded)))

  /** Reads from the log what lies before `until`. Goes on where it stopped, if the log fails meanwhile. */
  const catchUp = (until: Position) =>
    Effect.suspend(() =>
      store.readAll({ after: position, ...logFilter(options) }).pipe(
        Stream.takeWhile((event) => event.position < until),
        Stream.runForEachArray(deliver)
      )
    ).pipe(Effect.tapError(report), Effect.retry(patience), Effect.orDie)

  const overflow = (missed: number, until: Position) => {
    stats.missed += missed
    if (onOverflow === "catch-up") return catchUp(until)
    stats.dropped += missed
    return Effect.logWarning(`Listener "${name}" fell behind and lost ${missed} event(s)`)
  }

  return Effect.gen(function* () {
    if (options.after !== undefined) yield* catchUp(Infinity)
    while (true) {
      const heard = yield* nextBatch(subscription)
      const missed = heard[0]!.number - nextNumber
      if (missed > 0) yield* overflow(missed, heard[0]!.event.position)
      nextNumber = heard.at(-1)!.number + 1
      yield* deliver(heard.map(({ event }) => event))
    }
  })
}

/** Whoever waits is woken by the first of several events; the others are there by then. */
const nextBatch = (subscription: PubSub.Subscription<Heard>): Effect.Effect<ReadonlyArray<Heard>> =>
  Effect.flatMap(PubSub.takeBetween(subscription, 1, batchSize), (first) =>
    first.length > 1
      ? Effect.succeed(first)
      : Effect.map(PubSub.takeUpTo(subscription, batchSize - 1), (rest) => [...first, ...rest])
  )

const reporter =
  (name: string, stats: Counters) =>
  (cause: unknown): Effect.Effect<void> => {
    stats.failures++
    return Effect.logError(`Listener "${name}" failed`, cause)
  }

/** Handles all events; what fails is tried again by the schedule, then given up (B5). */
const handling = <A, E, R>({ handler, name, restart = defaultRestart }: Options<A, E, R>, stats: Counters) => {
  const report = reporter(name, stats)
  return Effect.fnUntraced(function* (events: ReadonlyArray<A>) {
    let done = 0
    const size = typeof handler === "function" ? 1 : events.length
    const succeeded = Effect.sync(() => {
      done += size
      stats.delivered += size
    })
    const step = () =>
      Effect.andThen(typeof handler === "function" ? handler(events[done]!) : handler.handleAll(events), succeeded)
    const all = Effect.whileLoop({ while: () => done < events.length, body: step, step: () => {} })
    while (done < events.length) {
      const exit = yield* Effect.exit(all)
      if (Exit.isSuccess(exit)) return
      const retried = yield* replay(exit, step).pipe(
        Effect.sandbox,
        Effect.tapError(report),
        Effect.retry(restart),
        Effect.exit
      )
      if (Exit.isSuccess(retried)) continue
      done += size
      stats.skipped += size
      yield* Effect.logError(`Listener "${name}" gave up ${size} event(s)`)
    }
  })
}

/** An effect whose first run has happened already, so that a schedule sees all tries. */
const replay = <A, E, R>(first: Exit.Exit<A, E>, next: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  let seen = false
  return Effect.suspend(() => {
    if (seen) return next()
    seen = true
    return first
  })
}

const matcher = ({ filter, streamPrefix, types }: Filter): ((event: StoredEvent) => boolean) => {
  const wanted = types && new Set(types)
  return (event) =>
    (wanted === undefined || wanted.has(event.type)) &&
    (streamPrefix === undefined || event.stream.startsWith(streamPrefix)) &&
    (filter === undefined || filter(event))
}
