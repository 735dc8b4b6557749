/**
 * The log in the memory of one process: for tests, scripts and simulations.
 *
 * A backend like the others, not a mock: it passes the same conformance suite.
 * The state is a value of its own, so that a runtime can be dropped and another
 * be built over what it left behind.
 *
 * **Gotchas**
 *
 * Nothing survives the process. Events are kept as they are given, not copied:
 * do not change `data` or `meta` after an append.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryPersistence from "../persistence/MemoryPersistence.ts"
import type { Put } from "../persistence/Persistence.ts"
import type { ExpectedVersion, StoredEvent, StreamId, StreamVersion } from "./Envelope.ts"
import {
  type Appended,
  type AppendOutcome,
  type AppendRequest,
  EventStoreDriver,
  exactVersion,
  holds,
  type ReadAllOptions,
  type ReadOptions
} from "./EventStoreDriver.ts"
import { DocumentConflict, EventStoreError, StreamDeleted, VersionConflict } from "./EventStoreError.ts"

interface MemoryStream {
  version: StreamVersion
  deleted: boolean
  /** The events kept, oldest first. */
  events: Array<StoredEvent>
  /** Versions by id, of events appended without an exact expectation. */
  byId: Map<string, StreamVersion> | undefined
}

/**
 * What a memory store remembers.
 *
 * @category models
 * @since 0.1.0
 */
export class MemoryState {
  /** @internal */
  readonly streams = new Map<string, MemoryStream>()
  /** @internal All events, with those forgotten since the last compaction. */
  log: Array<StoredEvent> = []
  /** @internal */
  forgotten = 0
  /** @internal */
  position = 0
  /** @internal Who is to be woken, by the driver that listens. */
  readonly listeners = new Map<() => void, object>()
}

/**
 * Makes an empty state.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeState = (): MemoryState => new MemoryState()

/**
 * Makes a driver over a state. Several drivers over one state behave as
 * processes that share a database. With documents, appends may carry some.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeDriver = (
  state: MemoryState,
  documents?: MemoryPersistence.MemoryDocuments
): EventStoreDriver["Service"] => {
  const self = {}
  const notify = () => {
    for (const [wake, owner] of state.listeners) if (owner !== self) wake()
  }
  return EventStoreDriver.of({
    documents: documents !== undefined,
    append: (requests) =>
      Effect.withFiber(({ context }) => {
        const now = () => Context.get(context, Clock.Clock).currentTimeMillisUnsafe()
        const put: PutDocuments = (puts) => documents && MemoryPersistence.put(documents, puts, now())
        const outcomes: Array<AppendOutcome> = []
        for (const request of requests) outcomes.push(append(state, request, put))
        if (state.listeners.size > 0) notify()
        return Effect.succeed(outcomes)
      }),
    read: (stream, options) =>
      readable(state, stream, (found) => (found === undefined ? [] : slice(found.events, options))),
    readAll: (options) => Effect.sync(() => readAll(state, options)),
    version: (stream) => readable(state, stream, (found) => found?.version ?? 0),
    head: Effect.sync(() => state.position),
    truncateBefore: (stream, version) =>
      readable(state, stream, (found) => {
        if (found !== undefined) truncate(state, found, version)
      }),
    delete: (stream, expected) =>
      Effect.suspend(() => {
        const conflict = remove(state, stream, expected)
        if (conflict !== undefined) return Effect.fail(conflict)
        notify()
        return Effect.void
      }),
    onForeignAppend: (wake) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const listener = () => wake()
          state.listeners.set(listener, self)
          return listener
        }),
        (listener) => Effect.sync(() => state.listeners.delete(listener))
      )
  })
}

/**
 * A driver over the given state.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDriverOf = (
  state: MemoryState,
  documents?: MemoryPersistence.MemoryDocuments
): Layer.Layer<EventStoreDriver> => Layer.sync(EventStoreDriver, () => makeDriver(state, documents))

/**
 * A driver over a fresh state for each build.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDriver: Layer.Layer<EventStoreDriver> = Layer.sync(EventStoreDriver, () => makeDriver(makeState()))

const readable = <A>(
  state: MemoryState,
  stream: StreamId,
  f: (found: MemoryStream | undefined) => A
): Effect.Effect<A, EventStoreError> =>
  Effect.suspend(() => {
    const found = state.streams.get(stream)
    return found?.deleted
      ? Effect.fail(new EventStoreError({ reason: new StreamDeleted({ stream }) }))
      : Effect.succeed(f(found))
  })

/** Puts all documents, or none and answers the first whose expectation does not hold. */
type PutDocuments = (puts: ReadonlyArray<Put>) => Put | undefined

const append = (state: MemoryState, request: AppendRequest, put: PutDocuments): AppendOutcome => {
  const { documents, expected, stream } = request
  const found = state.streams.get(stream)
  if (found?.deleted) return new StreamDeleted({ stream })
  const known = found && recognise(found, request)
  if (known !== undefined) return known
  const version = found?.version ?? 0
  if (!holds(expected, version)) return conflict(request, version)
  const unmet = documents && put(documents)
  return unmet === undefined
    ? add(state, request)
    : new DocumentConflict({ collection: unmet.collection, id: unmet.id })
}

/** Adds the request's events to their stream. */
const add = (state: MemoryState, { events, expected, stream }: AppendRequest): Appended => {
  let target = state.streams.get(stream)
  if (target === undefined) {
    target = { version: 0, deleted: false, events: [], byId: undefined }
    state.streams.set(stream, target)
  }
  const isExact = exactVersion(expected) !== undefined
  for (const event of events) {
    const stored: StoredEvent = {
      id: event.id,
      stream,
      version: ++target.version,
      position: ++state.position,
      type: event.type,
      schemaVersion: event.schemaVersion,
      data: event.data,
      meta: event.meta
    }
    target.events.push(stored)
    state.log.push(stored)
    if (!isExact) (target.byId ??= new Map()).set(event.id, stored.version)
  }
  return { version: target.version, position: state.position, duplicate: false }
}

/** The answer to a request some of whose events, or of whose versions, the stream has already. */
const recognise = (found: MemoryStream, request: AppendRequest): AppendOutcome | undefined => {
  const exact = exactVersion(request.expected)
  const after = exact === undefined ? firstKnown(found, request) : exact < found.version ? exact : undefined
  return after === undefined ? undefined : (duplicate(found, request, after) ?? conflict(request, found.version))
}

const conflict = ({ expected, stream }: AppendRequest, actual: StreamVersion) =>
  new VersionConflict({ stream, expected, actual })

/** The version before the first of the request's events that the stream has already. */
const firstKnown = (found: MemoryStream, request: AppendRequest): StreamVersion | undefined => {
  if (found.byId === undefined) return undefined
  for (let index = 0; index < request.events.length; index++) {
    const version = found.byId.get(request.events[index]!.id)
    if (version !== undefined) return version - index - 1
  }
  return undefined
}

/** The outcome of the first append, if exactly the request's events lie after that version. */
const duplicate = (found: MemoryStream, request: AppendRequest, after: StreamVersion): Appended | undefined => {
  const offset = after - (found.version - found.events.length)
  if (offset < 0) return undefined
  for (let index = 0; index < request.events.length; index++) {
    if (found.events[offset + index]?.id !== request.events[index]!.id) return undefined
  }
  const last = found.events[offset + request.events.length - 1]!
  return { version: last.version, position: last.position, duplicate: true }
}

const slice = (events: ReadonlyArray<StoredEvent>, options: ReadOptions): ReadonlyArray<StoredEvent> => {
  const first = events[0]?.version ?? 1
  const start = Math.max(0, (options.from ?? first) - first)
  const end = Math.max(start, Math.min(events.length, (options.to ?? Infinity) - first + 1))
  const max = options.max ?? Infinity
  return options.direction === "backwards"
    ? events.slice(Math.max(start, end - max), end).toReversed()
    : events.slice(start, Math.min(end, start + max))
}

const readAll = (state: MemoryState, options: ReadAllOptions): ReadonlyArray<StoredEvent> => {
  const types = options.types && new Set(options.types)
  const { streamPrefix } = options
  const page: Array<StoredEvent> = []
  for (let index = indexAfter(state.log, options.after ?? 0); index < state.log.length; index++) {
    if (page.length >= options.max) break
    const event = state.log[index]!
    if (types !== undefined && !types.has(event.type)) continue
    if (streamPrefix !== undefined && !event.stream.startsWith(streamPrefix)) continue
    if (state.forgotten === 0 || isKept(state, event)) page.push(event)
  }
  return page
}

const indexAfter = (log: ReadonlyArray<StoredEvent>, position: number): number => {
  let low = 0
  let high = log.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (log[middle]!.position <= position) low = middle + 1
    else high = middle
  }
  return low
}

const isKept = (state: MemoryState, event: StoredEvent): boolean => {
  const oldest = state.streams.get(event.stream)?.events[0]
  return oldest !== undefined && event.version >= oldest.version
}

/** Counts what the log still holds in vain, and drops it once that is the greater part. */
const forget = (state: MemoryState, count: number): void => {
  state.forgotten += count
  if (state.forgotten * 2 <= state.log.length) return
  state.log = state.log.filter((event) => isKept(state, event))
  state.forgotten = 0
}

const truncate = (state: MemoryState, found: MemoryStream, version: StreamVersion): void => {
  const oldest = found.version - found.events.length + 1
  const count = Math.min(version, found.version) - oldest
  if (count <= 0) return
  for (const { id, version } of found.events.splice(0, count)) {
    // A later event may bear the same id.
    if (found.byId?.get(id) === version) found.byId.delete(id)
  }
  forget(state, count)
}

const remove = (state: MemoryState, stream: StreamId, expected: ExpectedVersion): VersionConflict | undefined => {
  const found = state.streams.get(stream)
  if (found?.deleted) return undefined
  const version = found?.version ?? 0
  if (!holds(expected, version)) return new VersionConflict({ stream, expected, actual: version })
  state.streams.set(stream, { version: version + 1, deleted: true, events: [], byId: undefined })
  state.position++
  if (found !== undefined) forget(state, found.events.length)
  return undefined
}
