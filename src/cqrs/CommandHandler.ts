/**
 * Carries out commands: folds the stream, decides, and appends what was decided.
 *
 * Invariants (checked by `test/cqrs/CommandHandler.test.ts`):
 *
 *   C5. What is appended was decided on the state it is appended to: of two commands at once, one is decided again.
 *   C6. A command whose id is remembered is not decided again. It is answered as the first time, and nothing is written.
 *   C7. A rejected command writes nothing and fails with the decider's own error.
 *
 * **Gotchas**
 *
 * A command that leads to no events leaves no trace, so it is decided again when it comes again.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { EventMeta, Position, StreamVersion } from "../event-store/Envelope.ts"
import { EventStore } from "../event-store/EventStore.ts"
import type { Appended } from "../event-store/EventStoreDriver.ts"
import { DocumentConflict, type EventStoreError, VersionConflict } from "../event-store/EventStoreError.ts"
import { Persistence } from "../persistence/Persistence.ts"
import * as AggregateState from "./AggregateState.ts"
import type { Decider } from "./Decider.ts"
import * as Snapshot from "./Snapshot.ts"

/**
 * What a command led to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handled<State, Event> {
  readonly events: ReadonlyArray<Event>
  /** Right after these events. */
  readonly state: State
  readonly version: StreamVersion
  /** To wait for with the `awaitPosition` of a projection. 0: the stream has no events. */
  readonly position: Position
  /** The command was carried out before: this is what it led to then. */
  readonly duplicate: boolean
}

/**
 * What belongs to one command besides its content.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommandOptions {
  /** Makes the command idempotent (C6). Becomes the `causationId` of its events. */
  readonly commandId?: string
  /** What its events carry, such as `correlationId`, `traceparent` or `user`. */
  readonly meta?: Partial<Omit<EventMeta, "causationId">>
}

/**
 * Carries out the commands of one decider.
 *
 * @category models
 * @since 0.1.0
 */
export interface CommandHandler<Command, State, Event, E, R> {
  /** Carries out a command about the stream with this id. */
  readonly handle: (
    id: string,
    command: Command,
    options?: CommandOptions
  ) => Effect.Effect<Handled<State, Event>, E, R>
  /** The state of a stream as it is now. */
  readonly state: (id: string) => Effect.Effect<State, EventStoreError>
}

/**
 * Appends the events of one stream, all of them or none.
 *
 * @category models
 * @since 0.1.0
 */
export type Append<Event, E> = (
  id: string,
  events: ReadonlyArray<Event>,
  options: { readonly expected: StreamVersion; readonly meta: Partial<EventMeta> }
) => Effect.Effect<Appended, VersionConflict | EventStoreError | E>

/**
 * How commands are carried out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<State, Event, E> {
  /**
   * When to decide again after another writer was faster. When it ends, the conflict is the command's failure. Default:
   * ten times, from 2 milliseconds on, growing, jittered.
   */
  readonly retry?: Schedule.Schedule<unknown>
  /** Left out: streams are folded from their first event. */
  readonly snapshots?: Snapshot.Options<State>
  /** A command id is remembered for so many events of its stream. Default 1000. */
  readonly remembered?: number
  /** How events are appended. `InlineProjection.make` gives one that puts documents in the same commit. */
  readonly append?: Append<Event, E>
}

const defaultRetry = Schedule.exponential("2 millis", 1.5).pipe(Schedule.jittered, Schedule.upTo({ times: 10 }))

const isConflict = (error: unknown): boolean => error instanceof VersionConflict || error instanceof DocumentConflict

/**
 * Makes the handler of a decider, on the stores in the context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <
  Command,
  State,
  Event extends { readonly _tag: string },
  E,
  R,
  AppendError = never
>(
  decider: Decider<Command, State, Event, E, R>,
  options: Options<State, Event, AppendError> = {}
): Effect.fn.Return<
  CommandHandler<Command, State, Event, E | AppendError | VersionConflict | EventStoreError, R>,
  never,
  EventStore | Persistence
> {
  const { stream } = decider
  const services = yield* Effect.context<EventStore | Persistence>()
  const folding = { ...decider, remembered: options.remembered ?? 1000 }
  const snapshots = options.snapshots && Snapshot.make(folding, options.snapshots)
  const append: Append<Event, AppendError> =
    options.append ?? ((id, events, where) => Effect.provideContext(stream.append(id, events, where), services))

  const initial = AggregateState.initial(decider.initialState)
  const catchUp = (id: string, from: AggregateState.AggregateState<State>, to?: StreamVersion) =>
    Effect.provideContext(AggregateState.catchUp(folding, id, { from, ...(to !== undefined && { to }) }), services)
  const start = (id: string) =>
    snapshots === undefined
      ? Effect.succeed(initial)
      : Effect.map(Effect.provideContext(snapshots.load(id), services), (found) => found ?? initial)

  /** C6. The state is folded up to there: the rare case may be slow. */
  const answerAgain = Effect.fnUntraced(function* (id: string, { first, last }: AggregateState.CommandRange) {
    const { position, state, version } = yield* catchUp(id, initial, last)
    const events = yield* Effect.provideContext(Stream.runCollect(stream.read(id, { from: first, to: last })), services)
    return { events: events.map(({ event }) => event), state, version, position, duplicate: true }
  })

  const handle = Effect.fnUntraced(function* (id: string, command: Command, given: CommandOptions = {}) {
    const { commandId } = given
    const meta = { ...given.meta, ...(commandId !== undefined && { causationId: commandId }) }
    let current = yield* start(id)
    const since = current.version
    const decided = Effect.gen(function* () {
      current = yield* catchUp(id, current)
      const known = commandId === undefined ? undefined : current.commands.get(commandId)
      if (known !== undefined) return yield* answerAgain(id, known)
      const events = yield* decider.decide(command, current.state)
      const { position, state, version } = current
      if (events.length === 0) return { events, state, version, position, duplicate: false }
      // C5: the version it was decided on.
      const appended = yield* append(id, events, { expected: version, meta })
      const after = events.reduce(decider.evolve, state)
      if (snapshots !== undefined) {
        const commands = new Map(current.commands)
        if (commandId !== undefined) commands.set(commandId, { first: version + 1, last: appended.version })
        AggregateState.forget(commands, appended.version - folding.remembered)
        const snapshot = { state: after, version: appended.version, position: appended.position, commands }
        yield* Effect.provideContext(snapshots.save(id, snapshot, since), services)
      }
      return { events, state: after, version: appended.version, position: appended.position, duplicate: false }
    })
    return yield* Effect.retry(decided, { while: isConflict, schedule: options.retry ?? defaultRetry })
  })

  return {
    handle,
    state: (id) =>
      Effect.map(
        Effect.flatMap(start(id), (from) => catchUp(id, from)),
        ({ state }) => state
      )
  }
})
