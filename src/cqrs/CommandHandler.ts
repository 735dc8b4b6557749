/**
 * Carries out commands: folds the stream, decides, and appends what was decided.
 *
 * Invariants (checked by `test/cqrs/CommandHandler.test.ts`):
 *
 *   C5. What is appended was decided on the state it is appended to: of two commands at once, one is decided again.
 *   C6. A command whose id is remembered is not decided again. It is answered as the first time, and nothing is written.
 *   C7. A rejected command writes nothing and fails with the decider's own error.
 *   C8. A state kept in memory changes no answer: what is appended to it was decided on it (C5), and a rejection, or a
 *       decision for nothing, is made anew on what the stream holds now.
 *
 * **Gotchas**
 *
 * A command that leads to no events leaves no trace, so it is decided again when it comes again.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { EventMeta, Position, StreamVersion } from "../event-store/Envelope.ts"
import type { EventStore } from "../event-store/EventStore.ts"
import type { Appended } from "../event-store/EventStoreDriver.ts"
import { DocumentConflict, EventStoreError, VersionConflict } from "../event-store/EventStoreError.ts"
import type { Persistence } from "../persistence/Persistence.ts"
import * as AggregateState from "./AggregateState.ts"
import type { Decider } from "./Decider.ts"
import { type KeptState, KeptStates } from "./KeptStates.ts"
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
  /**
   * The states of so many streams are kept in memory, those used of late. A command on one of them reads nothing: its
   * append says whether the state was the latest. Default 0. What is erased from a stream stays in a state that is kept,
   * until the process ends or other streams take its place.
   */
  readonly kept?: number
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
  private readonly kept: KeptStates<State>

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
    this.kept = new KeptStates(options.kept ?? 0)
  }

  state(id: string): Effect.Effect<State, EventStoreError> {
    return Effect.map(
      Effect.flatMap(this.start(id), ({ current }) => this.catchUp(id, current)),
      ({ state }) => state
    )
  }

  handle(id: string, command: Command, given: CommandOptions) {
    return Effect.gen({ self: this }, function* () {
      const kept = this.kept.find(id)
      if (kept !== undefined) {
        const handled = yield* this.handleOn(id, kept, { command, given })
        if (handled !== undefined) return handled
      }
      let { current, since } = kept ?? (yield* this.start(id))
      const decided = Effect.gen({ self: this }, function* () {
        // What was read before a conflict is not read again.
        current = yield* this.catchUp(id, current)
        this.kept.keep(id, { current, since })
        const known = this.knownOf(current, given)
        if (known !== undefined) return yield* this.answerAgain(id, known)
        const events = yield* this.decider.decide(command, current.state)
        return yield* this.carryOut(id, { current, since }, { events, given })
      })
      return yield* Effect.retry(decided, { while: isConflict, schedule: this.retry })
    }).pipe(
      // Of a stream that was deleted, nothing shall stay.
      Effect.tapError((error) => Effect.sync(() => error instanceof EventStoreError && this.kept.forget(id)))
    )
  }

  /** C8: on a state that may be old. `undefined`: only the stream can tell. */
  private handleOn(id: string, from: KeptState<State>, { command, given }: Commanded<Command>) {
    return Effect.gen({ self: this }, function* () {
      if (this.knownOf(from.current, given) !== undefined) return undefined
      const decided = yield* Effect.exit(this.decider.decide(command, from.current.state))
      if (Exit.isFailure(decided)) return Cause.hasInterrupts(decided.cause) ? yield* Effect.interrupt : undefined
      if (decided.value.length === 0) return undefined
      return yield* Effect.catchIf(this.carryOut(id, from, { events: decided.value, given }), isConflict, () =>
        Effect.succeed(undefined)
      )
    })
  }

  private knownOf({ commands }: AggregateState.AggregateState<State>, { commandId }: CommandOptions) {
    return commandId === undefined ? undefined : commands.get(commandId)
  }

  private carryOut(id: string, { current, since }: KeptState<State>, { events, given }: Decided<Event>) {
    return Effect.gen({ self: this }, function* () {
      if (events.length === 0) return answer(events, current)
      const after = yield* this.commit(id, current, { events, given })
      const isSaved = this.snapshots !== undefined && (yield* this.provide(this.snapshots.save(id, after, since)))
      this.kept.keep(id, { current: after, since: isSaved ? after.version : since })
      return answer(events, after)
    })
  }

  /** C5: appends to the version that was decided on. */
  private commit(id: string, current: AggregateState.AggregateState<State>, { events, given }: Decided<Event>) {
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

  private start(id: string): Effect.Effect<KeptState<State>> {
    const initial = AggregateState.initial(this.decider.initialState)
    if (this.snapshots === undefined) return Effect.succeed({ current: initial, since: 0 })
    return Effect.map(this.provide(this.snapshots.load(id)), (found) => ({
      current: found ?? initial,
      since: found?.version ?? 0
    }))
  }

  private catchUp(id: string, from: AggregateState.AggregateState<State>, to?: StreamVersion) {
    return this.provide(AggregateState.catchUp(this.folding, id, { from, ...(to !== undefined && { to }) }))
  }

  private provide<A, E>(effect: Effect.Effect<A, E, EventStore | Persistence>): Effect.Effect<A, E> {
    return Effect.provideContext(effect, this.services)
  }
}

interface Commanded<Command> {
  readonly command: Command
  readonly given: CommandOptions
}

interface Decided<Event> {
  readonly events: ReadonlyArray<Event>
  readonly given: CommandOptions
}

const answer = <State, Event>(
  events: ReadonlyArray<Event>,
  { position, state, version }: AggregateState.AggregateState<State>
): Handled<State, Event> => ({ events, state, version, position, duplicate: false })
