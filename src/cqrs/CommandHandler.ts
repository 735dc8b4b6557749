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
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { EventMeta, Position, StreamVersion } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { Appended } from "../event-store/EventStoreDriver.ts"
import { DocumentConflict, type EventStoreError, VersionConflict } from "../event-store/EventStoreError.ts"
import type { Persistence } from "../persistence/Persistence.ts"
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
  const services = yield* Effect.context<EventStore | Persistence>()
  const handler = new Handler(decider, options, services)
  return {
    handle: (id, command, given) => handler.handle(id, command, given ?? {}),
    state: (id) => handler.state(id)
  }
})

class Handler<Command, State, Event extends { readonly _tag: string }, E, R, AppendError> {
  private readonly decider: Decider<Command, State, Event, E, R>
  private readonly services: Context.Context<EventStore | Persistence>
  private readonly folding: AggregateState.Folding<State, Event>
  private readonly snapshots: Snapshot.Snapshots<State> | undefined
  private readonly append: Append<Event, AppendError>
  private readonly retry: Schedule.Schedule<unknown>

  constructor(
    decider: Decider<Command, State, Event, E, R>,
    options: Options<State, Event, AppendError>,
    services: Context.Context<EventStore | Persistence>
  ) {
    this.decider = decider
    this.services = services
    this.folding = { ...decider, remembered: options.remembered ?? 1000 }
    this.snapshots = options.snapshots && Snapshot.make(this.folding, options.snapshots)
    this.append = options.append ?? ((id, events, where) => this.provide(decider.stream.append(id, events, where)))
    this.retry = options.retry ?? defaultRetry
  }

  state(id: string): Effect.Effect<State, EventStoreError> {
    return Effect.map(
      Effect.flatMap(this.start(id), (from) => this.catchUp(id, from)),
      ({ state }) => state
    )
  }

  handle(id: string, command: Command, given: CommandOptions) {
    const { commandId } = given
    return Effect.gen({ self: this }, function* () {
      const start = yield* this.start(id)
      let current = start
      const decided = Effect.gen({ self: this }, function* () {
        // What was read before a conflict is not read again.
        current = yield* this.catchUp(id, current)
        const known = commandId === undefined ? undefined : current.commands.get(commandId)
        if (known !== undefined) return yield* this.answerAgain(id, known)
        const events = yield* this.decider.decide(command, current.state)
        if (events.length === 0) return answer(events, current)
        const after = yield* this.commit(id, { current, events, given })
        if (this.snapshots !== undefined) yield* this.provide(this.snapshots.save(id, after, start.version))
        return answer(events, after)
      })
      return yield* Effect.retry(decided, { while: isConflict, schedule: this.retry })
    })
  }

  /** C5: appends to the version that was decided on. */
  private commit(id: string, { current, events, given }: Decided<State, Event>) {
    const { commandId, meta } = given
    const appended = this.append(id, events, {
      expected: current.version,
      meta: { ...meta, ...(commandId !== undefined && { causationId: commandId }) }
    })
    return Effect.map(appended, ({ position, version }): AggregateState.AggregateState<State> => {
      const commands = new Map(current.commands)
      if (commandId !== undefined) commands.set(commandId, { first: current.version + 1, last: version })
      AggregateState.forget(commands, version - this.folding.remembered)
      return { state: events.reduce(this.decider.evolve, current.state), version, position, commands }
    })
  }

  /** C6. Folded from the first event up to there: the rare case may be slow. */
  private answerAgain(id: string, { first, last }: AggregateState.CommandRange) {
    const { initialState, stream } = this.decider
    return Effect.gen({ self: this }, function* () {
      const then = yield* this.catchUp(id, AggregateState.initial(initialState), last)
      const events = yield* this.provide(Stream.runCollect(stream.read(id, { from: first, to: last })))
      return {
        ...answer(
          events.map(({ event }) => event),
          then
        ),
        duplicate: true
      }
    })
  }

  private start(id: string): Effect.Effect<AggregateState.AggregateState<State>> {
    const initial = AggregateState.initial(this.decider.initialState)
    if (this.snapshots === undefined) return Effect.succeed(initial)
    return Effect.map(this.provide(this.snapshots.load(id)), (found) => found ?? initial)
  }

  private catchUp(id: string, from: AggregateState.AggregateState<State>, to?: StreamVersion) {
    return this.provide(AggregateState.catchUp(this.folding, id, { from, ...(to !== undefined && { to }) }))
  }

  private provide<A, E>(effect: Effect.Effect<A, E, EventStore | Persistence>): Effect.Effect<A, E> {
    return Effect.provideContext(effect, this.services)
  }
}

interface Decided<State, Event> {
  readonly current: AggregateState.AggregateState<State>
  readonly events: ReadonlyArray<Event>
  readonly given: CommandOptions
}

const answer = <State, Event>(
  events: ReadonlyArray<Event>,
  { position, state, version }: AggregateState.AggregateState<State>
): Handled<State, Event> => ({ events, state, version, position, duplicate: false })
