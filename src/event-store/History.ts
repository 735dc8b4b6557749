/**
 * Looking back: what a stream was at any version or instant, and what the log says in pages.
 *
 * Invariants (checked by `test/event-store/History.test.ts`):
 *
 *   H1. The state at a version is the fold of exactly the events up to it.
 *   H2. The state at an instant is the fold of the events before the first one that is later.
 *   H3. A fold over events that were forgotten is an error, never a state that is not true.
 *   H4. Pages, one after the other, are the whole answer: nothing twice, nothing left out.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Position, StoredEvent, StreamId, StreamVersion } from "./Envelope.ts"
import { EventStore } from "./EventStore.ts"
import type { EventStoreError } from "./EventStoreError.ts"

/**
 * The beginning of the stream was truncated away, so that its state cannot be told from its events alone.
 *
 * @category errors
 * @since 0.1.0
 */
export class HistoryForgotten extends Schema.TaggedError<HistoryForgotten>()("HistoryForgotten", {
  stream: Schema.String,
  needed: Schema.Int,
  oldest: Schema.Int
}) {
  override get message(): string {
    return `Stream "${this.stream}" is kept from version ${this.oldest} on, but its state begins with version ${this.needed}: give the state before ${this.oldest}, or look into the archive.`
  }
}

/**
 * How the events of a stream become its state. A decider with the `decode` of its stream's codec is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fold<State, Event> {
  readonly decode: (stored: StoredEvent) => Result.Result<Event, EventStoreError>
  readonly initialState: State
  /** Of which version `initialState` is. Default 0; of a snapshot, the version it was taken at. */
  readonly initialVersion?: StreamVersion
  readonly evolve: (state: State, event: Event) => State
}

/**
 * The `decode` of a fold over events as they are stored.
 *
 * @category constructors
 * @since 0.1.0
 */
export const asStored = (stored: StoredEvent): Result.Result<StoredEvent, EventStoreError> => Result.succeed(stored)

/**
 * Up to where to look.
 *
 * @category models
 * @since 0.1.0
 */
export type Moment = { readonly version: StreamVersion } | { readonly instant: DateTime.DateTime }

/**
 * A state, and where in the stream it was so.
 *
 * @category models
 * @since 0.1.0
 */
export interface StateAt<State> {
  readonly state: State
  readonly version: StreamVersion
  /** The event that led to it. None: the initial state. */
  readonly event?: StoredEvent
}

/**
 * The state of a stream at a version or instant; of one that it has not reached yet, its newest state.
 *
 * **Gotchas** An instant is compared with the times that the writers' clocks have put on the events.
 *
 * @category running
 * @since 0.1.0
 */
export const at = <State, Event>(
  stream: StreamId,
  moment: Moment,
  fold: Fold<State, Event>
): Effect.Effect<StateAt<State>, HistoryForgotten | EventStoreError, EventStore> => {
  const all = states(stream, fold, "version" in moment ? { to: moment.version } : undefined)
  const kept = "version" in moment ? all : Stream.takeWhile(all, ({ event }) => !isLater(event, moment.instant))
  return Effect.map(
    Stream.runLast(kept),
    Option.getOrElse(() => initial(fold))
  )
}

/**
 * Every state that a stream went through, the initial one first.
 *
 * @category running
 * @since 0.1.0
 */
export const states = <State, Event>(
  stream: StreamId,
  fold: Fold<State, Event>,
  range: { readonly to?: StreamVersion } = {}
): Stream.Stream<StateAt<State>, HistoryForgotten | EventStoreError, EventStore> =>
  Stream.unwrap(
    EventStore.useSync((store) => {
      let last = initial(fold)
      const evolve = (stored: StoredEvent): Result.Result<StateAt<State>, HistoryForgotten | EventStoreError> => {
        const needed = last.version + 1
        if (stored.version !== needed) {
          return Result.fail(new HistoryForgotten({ stream, needed, oldest: stored.version }))
        }
        return Result.map(fold.decode(stored), (event) => {
          last = { state: fold.evolve(last.state, event), version: stored.version, event: stored }
          return last
        })
      }
      return Stream.make(last).pipe(
        Stream.concat(
          store
            .read(stream, { from: last.version + 1, ...range })
            .pipe(Stream.mapEffect((stored) => Effect.fromResult(evolve(stored))))
        )
      )
    })
  )

const initial = <State, Event>({ initialState, initialVersion }: Fold<State, Event>): StateAt<State> => ({
  state: initialState,
  version: initialVersion ?? 0
})

const isLater = (event: StoredEvent | undefined, instant: DateTime.DateTime): boolean =>
  event !== undefined && event.meta.timestamp > DateTime.toEpochMillis(instant)

/**
 * Which events of the log to keep: those that all of it is true for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Filter {
  readonly types?: ReadonlyArray<string>
  readonly streamPrefix?: string
  readonly correlationId?: string
  readonly runId?: string
  /** Written at this instant or later. */
  readonly since?: DateTime.DateTime
  /** Written before this instant. */
  readonly until?: DateTime.DateTime
}

/**
 * The events of the log up to now that a filter keeps, in the order of their positions.
 *
 * **Gotchas** Types and prefix are filtered by the store; for everything else, what they leave is read.
 *
 * @category running
 * @since 0.1.0
 */
export const search = (
  filter: Filter,
  range: { readonly after?: Position; readonly max?: number } = {}
): Stream.Stream<StoredEvent, EventStoreError, EventStore> =>
  Stream.unwrap(
    EventStore.useSync((store) => Stream.filter(store.readAll({ ...range, ...stored(filter) }), keeps(filter)))
  )

/**
 * A page of the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page {
  readonly events: ReadonlyArray<StoredEvent>
  /** Where the next page begins. None: this was the last one. */
  readonly next?: Position
}

/**
 * The next events that a filter keeps.
 *
 * **Details** A page may be short, even empty, and still have a next one: then so many events were looked at in vain.
 *
 * @category running
 * @since 0.1.0
 */
export const page = (
  filter: Filter,
  options: {
    readonly after?: Position
    /** At most so many events. Default 100. */
    readonly limit?: number
    /** At most so many events are looked at. Default 100,000. */
    readonly maxScanned?: number
  } = {}
): Effect.Effect<Page, EventStoreError, EventStore> =>
  EventStore.use((store) => {
    const { after = 0, limit = 100, maxScanned = 100_000 } = options
    const isKept = keeps(filter)
    const events: Array<StoredEvent> = []
    let last = after
    let scanned = 0
    const look = (event: StoredEvent): boolean => {
      // The event after the last of the page only tells that there is another page.
      if (events.length === limit) return false
      if (++scanned > maxScanned) return false
      last = event.position
      if (isKept(event)) events.push(event)
      return true
    }
    let isLast = true
    return store.readAll({ after, ...stored(filter) }).pipe(
      Stream.runForEachWhile((event) => Effect.sync(() => (isLast = look(event)))),
      Effect.map((): Page => (isLast ? { events } : { events, next: last }))
    )
  })

/** The part of a filter that every store knows. */
const stored = ({ streamPrefix, types }: Filter) => ({
  ...(types !== undefined && { types }),
  ...(streamPrefix !== undefined && { streamPrefix })
})

const keeps = ({ correlationId, runId, since, until }: Filter): ((event: StoredEvent) => boolean) => {
  const first = since === undefined ? -Infinity : DateTime.toEpochMillis(since)
  const end = until === undefined ? Infinity : DateTime.toEpochMillis(until)
  return ({ meta }) =>
    (correlationId === undefined || meta.correlationId === correlationId) &&
    (runId === undefined || meta.runId === runId) &&
    meta.timestamp >= first &&
    meta.timestamp < end
}
