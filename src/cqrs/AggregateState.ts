/**
 * One stream, folded: the state of its decider, where the stream stands, and which commands were seen of late.
 *
 * Invariants (checked by `test/cqrs/CommandHandler.test.ts`):
 *
 *   C2. A command is remembered as long as its last event is among the last `remembered` events of the stream, whether
 *       the fold began at the first event or at a snapshot.
 */
import * as Effect from "effect/Effect"
import type { Position, StreamVersion } from "../event-store/Envelope.ts"
import { decodeAll, type TypedEvent } from "../event-store/EventCodec.ts"
import { EventStore } from "../event-store/EventStore.ts"
import { EventStoreError, StoreCorrupt } from "../event-store/EventStoreError.ts"
import type { EventStream } from "../event-store/EventStream.ts"

/** The events that one command led to: their first and their last version. */
export interface CommandRange {
  readonly first: StreamVersion
  readonly last: StreamVersion
}

/** A stream up to one version. */
export interface AggregateState<State> {
  readonly state: State
  readonly version: StreamVersion
  /** Position of the last event. 0: there is none. */
  readonly position: Position
  /** By command id. */
  readonly commands: ReadonlyMap<string, CommandRange>
}

/** What streams are folded with. */
export interface Folding<State, Event extends { readonly _tag: string }> {
  readonly stream: EventStream<Event>
  readonly initialState: State
  readonly evolve: (state: State, event: Event) => State
  readonly remembered: number
}

/** A stream that has no events yet. */
export const initial = <State>(state: State): AggregateState<State> => ({
  state,
  version: 0,
  position: 0,
  commands: new Map()
})

/** Reads what comes after a state, up to a version or to the end, and folds it. */
export const catchUp = <State, Event extends { readonly _tag: string }>(
  folding: Folding<State, Event>,
  id: string,
  options: { readonly from: AggregateState<State>; readonly to?: StreamVersion }
): Effect.Effect<AggregateState<State>, EventStoreError, EventStore> =>
  Effect.gen(function* () {
    const { from, to } = options
    const { stream } = folding
    const store = yield* EventStore
    let current = from
    while (true) {
      // Pages by hand: most streams are short, and this is on the path of every command.
      const page = yield* store.readArray(stream.streamId(id), {
        from: current.version + 1,
        ...(to !== undefined && { to }),
        max: pageSize
      })
      const events = yield* decodeAll(stream.codec, page)
      if (!isNonEmpty(events)) return current
      if (events[0].stored.version !== current.version + 1) return yield* truncated(stream.streamId(id))
      current = advance(folding, current, events)
      if (events.length < pageSize) return current
    }
  })

const pageSize = 500

type NonEmpty<A> = readonly [A, ...Array<A>]

const isNonEmpty = <A>(events: ReadonlyArray<A>): events is NonEmpty<A> => events.length > 0

const advance = <State, Event extends { readonly _tag: string }>(
  { evolve, remembered }: Folding<State, Event>,
  before: AggregateState<State>,
  page: NonEmpty<TypedEvent<Event>>
): AggregateState<State> => {
  let { state } = before
  const commands = new Map(before.commands)
  for (const { event, stored } of page) {
    state = evolve(state, event)
    if (stored.meta.causationId !== undefined) remember(commands, stored.meta.causationId, stored.version)
  }
  const { position, version } = page.at(-1)!.stored
  forget(commands, version - remembered)
  return { state, version, position, commands }
}

/** Notes an event of a command. One block of versions for each: the latest. */
export const remember = (commands: Map<string, CommandRange>, command: string, version: StreamVersion): void => {
  const known = commands.get(command)
  commands.set(command, { first: known?.last === version - 1 ? known.first : version, last: version })
}

/** C2 */
export const forget = (commands: Map<string, CommandRange>, upTo: StreamVersion): void => {
  for (const [command, { last }] of commands) if (last <= upTo) commands.delete(command)
}

const truncated = (stream: string): Effect.Effect<never, EventStoreError> =>
  Effect.fail(
    new EventStoreError({
      reason: new StoreCorrupt({
        operation: `fold stream "${stream}"`,
        detail: "its oldest events were truncated, so its state is not known"
      })
    })
  )
