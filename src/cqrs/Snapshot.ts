/**
 * Folded states, kept so that long streams need not be folded from their first event. An optimisation, and nothing else.
 *
 * One document of `Persistence` for each stream, in the collection `snapshots/<category>`. Delete them when you like.
 *
 * Invariants (checked by `test/cqrs/Snapshot.test.ts`):
 *
 *   C3. A snapshot changes no answer: one that is missing, of other rules, damaged, or of a stream that has gone
 *       another way is as if there were none.
 *   C4. A document store that fails costs time, never a command.
 *
 * **Gotchas**
 *
 * A snapshot is of other rules when `version`, the schema of the state, the shapes of the events or the text of `evolve`
 * differ. What `evolve` calls is not looked at: raise `version` when that changes.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Digest from "../core/Digest.ts"
import type { StreamId, StreamVersion } from "../event-store/Envelope.ts"
import { EventStore } from "../event-store/EventStore.ts"
import { Persistence } from "../persistence/Persistence.ts"
import type { AggregateState, CommandRange, Folding } from "./AggregateState.ts"

/**
 * Which states are kept, and how.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<State> {
  // `any`: the encoded form is never looked at, and its variance would reject every concrete schema.
  readonly state: Schema.ConstraintCodec<State, any, never, never>
  /** Take a snapshot when so many events have come since the last. Default 100. */
  readonly every?: number
  /** Raise it when `evolve` means something else while its text stays the same. Default 1. */
  readonly version?: number
}

/** Loads and saves the snapshots of one decider. */
export interface Snapshots<State> {
  readonly load: (id: string) => Effect.Effect<AggregateState<State> | undefined, never, Persistence | EventStore>
  /** Saves a snapshot, and says so, if it is time for one: the last was taken at version `since`. */
  readonly save: (
    id: string,
    state: AggregateState<State>,
    since: StreamVersion
  ) => Effect.Effect<boolean, never, Persistence | EventStore>
}

const Stored = Schema.Struct({
  digest: Schema.String,
  version: Schema.Int,
  position: Schema.Int,
  /** Of the event it was taken at. */
  eventId: Schema.String,
  state: Schema.Json,
  commands: Schema.Array(Schema.Tuple([Schema.String, Schema.Int, Schema.Int]))
})

const decodeStored = Schema.decodeUnknownResult(Stored)

/** Makes the snapshots of a decider's states. */
export const make = <State, Event extends { readonly _tag: string }>(
  { evolve, initialState, stream }: Folding<State, Event>,
  options: Options<State>
): Snapshots<State> => {
  const collection = `snapshots/${stream.category}`
  const codec = Schema.toCodecJson(options.state)
  const encode = Schema.encodeSync(codec)
  const decode = Schema.decodeUnknownResult(codec)
  const every = options.every ?? 100
  const digest = Digest.ofJson([
    options.version ?? 1,
    Schema.toJsonSchemaDocument(options.state),
    stream.codec.types.map((type) => [type, stream.codec.versionOf(type)]),
    encode(initialState),
    evolve.toString()
  ])

  const restore = (body: unknown) => {
    const stored = decodeStored(body)
    if (Result.isFailure(stored) || stored.success.digest !== digest) return undefined
    const { commands, eventId, position, version } = stored.success
    const state = decode(stored.success.state)
    if (Result.isFailure(state)) return undefined
    const ranges = commands.map(([command, first, last]): [string, CommandRange] => [command, { first, last }])
    return { eventId, snapshot: { state: state.success, version, position, commands: new Map(ranges) } }
  }

  const load = Effect.fnUntraced(function* (id: string) {
    const document = yield* Persistence.use((persistence) => persistence.get(collection, id))
    const restored = document && restore(document.body)
    if (restored === undefined) return undefined
    // C3: if another event lies there, it is the snapshot of another history.
    const found = yield* eventIdAt(stream.streamId(id), restored.snapshot.version)
    return found === restored.eventId ? restored.snapshot : undefined
  })

  const save = Effect.fnUntraced(function* (id: string, { commands, position, state, version }: AggregateState<State>) {
    const eventId = yield* eventIdAt(stream.streamId(id), version)
    if (eventId === undefined) return
    const ranges = Array.from(commands, ([command, { first, last }]) => [command, first, last] as const)
    const body = { digest, version, position, eventId, state: encode(state), commands: ranges }
    yield* Persistence.use((persistence) => persistence.putAll([{ collection, id, body }]))
  })

  return {
    load: (id) => load(id).pipe(ignoring(`read the snapshot of "${stream.streamId(id)}"`)),
    save: (id, state, since) =>
      state.version - since < every
        ? Effect.succeed(false)
        : Effect.as(save(id, state).pipe(ignoring(`keep a snapshot of "${stream.streamId(id)}"`)), true)
  }
}

const eventIdAt = (stream: StreamId, version: StreamVersion) =>
  Effect.map(
    EventStore.use((store) => store.readArray(stream, { from: version, to: version })),
    ([event]) => event?.id
  )

/** C4 */
const ignoring =
  (operation: string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A | undefined, never, R> =>
    Effect.catchCause(self, (cause) => Effect.as(Effect.logWarning(`Could not ${operation}`, cause), undefined))
