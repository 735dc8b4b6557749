/** A small world for the checks of `SubscriberConformance`: streams of its own, processes that can be killed, a memory. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StoredEvent, StreamId } from "../../event-store/Envelope.ts"
import { EventStore } from "../../event-store/EventStore.ts"
import type { EventStoreError } from "../../event-store/EventStoreError.ts"
import * as Subscriber from "../../events/Subscriber.ts"
import * as Lease from "../../persistence/Lease.ts"
import { Persistence, PersistenceError, type Put } from "../../persistence/Persistence.ts"
import { ConformanceFailure, uniqueName } from "./Conformance.ts"

/** What a put becomes of: done, done and never answered, never done. The last two end the process. */
export type Fate = "done" | "crash after" | "crash before"

/** One simulated process. After its death it neither handles nor stores anything. */
export interface Process {
  /** Starts a member of the subscriber in it. */
  readonly start: <A, E>(
    subscriber: Subscriber.Subscriber<A, E, never>
  ) => Effect.Effect<Subscriber.Membership, PersistenceError | EventStoreError, Scope.Scope>
  readonly kill: Effect.Effect<void>
  /** Decides about each put from now on. */
  readonly decide: (fate: (puts: ReadonlyArray<Put>) => Fate) => void
  /** What is done in the process, as long as it lives. */
  readonly within: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

export interface World {
  /** A name nobody else uses, for the subscriber and as prefix of its streams. */
  readonly name: string
  readonly stream: (stream: string) => StreamId
  /** Appends events of these types. */
  readonly append: (stream: string, ...types: ReadonlyArray<string>) => Effect.Effect<void, unknown>
  readonly process: Effect.Effect<Process>
}

export const makeWorld: Effect.Effect<World, never, EventStore | Persistence> = Effect.gen(function* () {
  const name = yield* uniqueName("conformance/subscriber")
  const store = yield* EventStore
  const persistence = yield* Persistence
  const gone = new Set<number>()
  let processes = 0
  const stream = (stream: string) => `${name}/${stream}` as StreamId
  return {
    name,
    stream,
    append: (name, ...types) =>
      store.append(
        stream(name),
        types.map((type) => ({ type, data: {} })),
        "Any"
      ),
    process: Effect.sync(() => makeProcess({ store, persistence, gone, id: processes++ }))
  }
})

interface Place {
  readonly store: EventStore["Service"]
  readonly persistence: Persistence["Service"]
  readonly gone: Set<number>
  readonly id: number
}

const makeProcess = ({ gone, id, persistence, store }: Place): Process => {
  let fate: (puts: ReadonlyArray<Put>) => Fate = () => "done"
  const kill = Effect.sync(() => void gone.add(id))
  const living = <A>(effect: Effect.Effect<A, PersistenceError>): Effect.Effect<A, PersistenceError> =>
    Effect.suspend(() => (gone.has(id) ? dead : effect))
  const putAll = (puts: ReadonlyArray<Put>) => {
    const decided = fate(puts)
    if (decided === "done") return persistence.putAll(puts)
    const die = Effect.andThen(kill, dead)
    return decided === "crash before" ? die : Effect.andThen(persistence.putAll(puts), die)
  }
  const mortal: Persistence["Service"] = {
    get: (collection, id) => living(persistence.get(collection, id)),
    query: (collection, query) => living(persistence.query(collection, query)),
    delete: (collection, id) => living(persistence.delete(collection, id)),
    putAll: (puts) => living(Effect.suspend(() => putAll(puts)))
  }
  const liveness: Lease.Liveness = { instance: { id }, isGone: ({ id }) => gone.has(id as number) }
  const services = Context.make(EventStore, store).pipe(
    Context.add(Persistence, mortal),
    Context.add(Lease.CurrentLiveness, liveness)
  )
  const unlessDead = <A>(value: A) => (gone.has(id) ? Effect.never : Effect.succeed(value))
  return {
    // A dead process does not finish what it has in hand.
    start: ({ options, ...subscriber }) =>
      Effect.provideContext(Subscriber.start({ ...subscriber, options: { ...options, grace: 0 } }), services),
    kill,
    decide: (by) => (fate = by),
    within: (effect) => Effect.flatMap(Effect.andThen(unlessDead(undefined), effect), unlessDead)
  }
}

const dead = Effect.fail(
  new PersistenceError({ operation: "be reached", retryable: false, cause: "the process was killed" })
)

/** Remembers what was handled, and wakes who waits for it. */
export const makeRecorder = () => {
  const heard: Array<string> = []
  const waiting: Array<{ readonly count: number; readonly done: Deferred.Deferred<void> }> = []
  return {
    heard,
    /** What was heard of one stream, without its name. */
    of: (stream: StreamId) =>
      heard.filter((one) => one.startsWith(`${stream} `)).map((one) => one.slice(stream.length + 1)),
    hear: (event: StoredEvent): Effect.Effect<void> =>
      Effect.sync(() => {
        heard.push(`${event.stream} ${event.type}`)
        for (const { count, done } of waiting) if (heard.length >= count) Deferred.doneUnsafe(done, Effect.void)
      }),
    until: (count: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (heard.length >= count) return Effect.void
        const done = Deferred.makeUnsafe<void>()
        waiting.push({ count, done })
        return Deferred.await(done)
      })
  }
}

/** Looks until it is so. Counts looks at the store, not time: the clock may stand still. */
export const eventually = <E, R>(
  what: string,
  check: Effect.Effect<boolean, E, R>
): Effect.Effect<void, E | ConformanceFailure | PersistenceError, R | Persistence> =>
  Effect.gen(function* () {
    const persistence = yield* Persistence
    for (let look = 0; look < 5000; look++) {
      if (yield* check) return
      yield* persistence.get("conformance/subscriber", "nothing")
      yield* Effect.yieldNow
    }
    return yield* new ConformanceFailure({ invariant: "S", what, expected: "it happens", actual: "it did not" })
  })

/** Waits until nothing is left to handle, as far as is stored. */
export const settled = (subscriber: Parameters<typeof Subscriber.lag>[0]) =>
  eventually(
    "everything is handled and stored",
    Effect.map(Subscriber.lag(subscriber), ({ events }) => events === 0)
  )

export const numbered = (prefix: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)
