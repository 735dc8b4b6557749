/** Checks of several members: S4, S8, S9, S10, S12. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { StoredEvent } from "../../event-store/Envelope.ts"
import type { EventStore } from "../../event-store/EventStore.ts"
import * as ConsumerGroup from "../../events/ConsumerGroup.ts"
import * as Subscriber from "../../events/Subscriber.ts"
import { Persistence } from "../../persistence/Persistence.ts"
import { type Case, make } from "./Conformance.ts"
import { eventually, makeRecorder, makeWorld, numbered, settled } from "./SubscriberFixtures.ts"

/** Nudges until the members own so many partitions, whoever has more. */
const owned = (members: ReadonlyArray<Subscriber.Membership>, counts: ReadonlyArray<number>) => {
  let looks = 0
  return eventually(
    `partitions are dealt ${counts.join(", ")}`,
    Effect.gen(function* () {
      if (looks++ % 20 === 0) for (const { nudge } of members) yield* nudge
      const found = yield* Effect.forEach(members, ({ partitions }) => partitions)
      const lengths = found.map(({ length }) => length).toSorted((left, right) => right - left)
      return lengths.every((length, index) => length === counts[index])
    })
  )
}

/** Names of streams that lie in this partition of two. */
const streamsIn = (stream: (name: string) => string, partition: number): ReadonlyArray<string> =>
  numbered("s", 100).filter((name) => ConsumerGroup.partitionOf(stream(name), 2) === partition)

/** Waits until the member has seen what is in the stores now. */
const beaten = (name: string, { id, nudge }: Subscriber.Membership) =>
  Effect.gen(function* () {
    const persistence = yield* Persistence
    const beats = Effect.map(persistence.get(`subscriber/${name}/members`, id), (found) => found?.version ?? 0)
    const before = yield* beats
    yield* eventually(
      "two heartbeats have begun",
      Effect.andThen(
        nudge,
        Effect.map(beats, (now) => now > before + 2)
      )
    )
  })

export const cases: ReadonlyArray<Case<EventStore | Persistence>> = [
  make("S4", "a member that was replaced stores neither its checkpoint nor its documents", (expect) =>
    Effect.gen(function* () {
      const { append, name, process } = yield* makeWorld
      const persistence = yield* Persistence
      const collection = `${name}/written`
      const gate = yield* Deferred.make<void>()
      const inHand = yield* Deferred.make<void>()
      const written: Array<string> = []
      const member = (by: string, wait: Effect.Effect<unknown>) =>
        Subscriber.make(name, {
          streamPrefix: `${name}/`,
          partitions: 1,
          handler: {
            write: ({ type }) =>
              Effect.map(wait, () => {
                written.push(by)
                return [{ collection, id: `${by} ${type}`, body: {} }]
              })
          }
        })
      yield* append("a", "E0")
      const store = yield* Effect.context<EventStore | Persistence>()
      // Not killed: it is alive, and only thought dead.
      const zombie = yield* Subscriber.start(
        member("zombie", Effect.andThen(Deferred.succeed(inHand, undefined), Deferred.await(gate)))
      ).pipe(Effect.provideContext(store))
      yield* Deferred.await(inHand)
      yield* persistence.delete(`subscriber/${name}/members`, zombie.id)
      const successor = yield* process
      yield* successor.start(member("successor", Effect.void))
      yield* settled(member("", Effect.void))
      yield* Deferred.succeed(gate, undefined)
      yield* eventually(
        "the zombie has lost the partition",
        Effect.map(zombie.partitions, ({ length }) => length === 0)
      )
      yield* expect.equal("both handled it", written, ["successor", "zombie"])
      const found = yield* persistence.query(collection)
      yield* expect.equal(
        "documents",
        found.map(({ id }) => id),
        ["successor E0"]
      )
      yield* append("a", "E1")
      yield* settled(member("", Effect.void))
      yield* expect.equal("handled by the successor", written.slice(2), ["successor"])
    }).pipe(Effect.scoped)
  ),

  make("S8", "the share of a member that is gone is taken over, from its checkpoint on", (expect) =>
    Effect.gen(function* () {
      const { append, name, process, stream } = yield* makeWorld
      const { hear, of } = makeRecorder()
      const [first, second] = [yield* process, yield* process]
      const member = (one: typeof first) =>
        Subscriber.make(name, {
          streamPrefix: `${name}/`,
          partitions: 6,
          handler: (event) => one.within(hear(event))
        })
      const streams = numbered("s", 12)
      const members = [yield* first.start(member(first)), yield* second.start(member(second))]
      yield* owned(members, [3, 3])
      for (const one of streams) yield* append(one, "E0", "E1")
      yield* settled(member(first))
      yield* first.kill
      for (const one of streams) yield* append(one, "E2")
      yield* owned(members.slice(1), [6])
      yield* settled(member(second))
      for (const one of streams) yield* expect.equal(one, of(stream(one)), ["E0", "E1", "E2"])
    }).pipe(Effect.scoped)
  ),

  make("S9", "partitions change hands under load: no gap, nothing twice, never two at a stream", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const { hear, of, until } = makeRecorder()
      const inHand = new Set<string>()
      let overlaps = 0
      const handler = (event: StoredEvent) =>
        Effect.gen(function* () {
          if (inHand.has(event.stream)) overlaps++
          inHand.add(event.stream)
          for (let turn = 0; turn < event.version % 4; turn++) yield* Effect.yieldNow
          yield* hear(event)
          inHand.delete(event.stream)
        })
      const subscriber = Subscriber.make(name, { streamPrefix: `${name}/`, partitions: 5, handler, buffer: 16 })
      const streams = numbered("s", 15)
      const types = numbered("E", 12)
      const writing = yield* Effect.forkChild(
        Effect.forEach(types, (type) => Effect.forEach(streams, (one) => append(one, type)))
      )
      const first = yield* Subscriber.start(subscriber)
      yield* until(20)
      const scope = yield* Scope.make()
      const second = yield* Scope.provide(Subscriber.start(subscriber), scope)
      yield* owned([first, second], [3, 2])
      const third = yield* Subscriber.start(subscriber)
      yield* owned([first, second, third], [2, 2, 1])
      yield* Scope.close(scope, Exit.void)
      yield* owned([first, third], [3, 2])
      yield* Fiber.join(writing)
      yield* settled(subscriber)
      for (const one of streams) yield* expect.equal(one, of(stream(one)), types)
      yield* expect.equal("two at a stream", overlaps, 0)
    }).pipe(Effect.scoped)
  ),

  make(
    "S9",
    "a partition is given back when nothing of it is in hand, and nothing that came by meanwhile is lost",
    (expect) =>
      Effect.gen(function* () {
        const { append, name, stream } = yield* makeWorld
        const { hear, of, until } = makeRecorder()
        const [[kept], [given, quick]] = [streamsIn(stream, 0), streamsIn(stream, 1)] as [[string], [string, string]]
        const gates = new Map<string, Deferred.Deferred<void>>()
        for (const one of [kept, given, quick]) gates.set(stream(one), yield* Deferred.make<void>())
        const open = (one: string) => Deferred.succeed(gates.get(stream(one))!, undefined)
        const inHand = new Set<string>()
        const subscriber = Subscriber.make(name, {
          streamPrefix: `${name}/`,
          partitions: 2,
          buffer: 3,
          handler: (event) =>
            Effect.suspend(() => {
              inHand.add(event.stream)
              return Effect.andThen(Deferred.await(gates.get(event.stream)!), hear(event))
            })
        })
        for (const one of [given, kept, quick, given, kept]) yield* append(one, "E")
        const first = yield* Subscriber.start(subscriber)
        yield* eventually(
          "the buffer is full",
          Effect.sync(() => inHand.size === 3)
        )
        const second = yield* Subscriber.start(subscriber)
        yield* beaten(name, first)
        yield* open(quick)
        const persistence = yield* Persistence
        yield* eventually(
          "what was finished meanwhile is stored",
          Effect.map(persistence.get(`subscriber/${name}/checkpoints`, "00001"), (found) => {
            const done = found?.body["done"]
            return Array.isArray(done) && done.length === 1
          })
        )
        yield* beaten(name, second)
        yield* expect.equal("not given back yet", yield* second.partitions, [])
        yield* open(kept)
        yield* until(3)
        yield* open(given)
        yield* owned([first, second], [1, 1])
        yield* until(5)
        yield* settled(subscriber)
        yield* expect.equal("kept", of(stream(kept)), ["E", "E"])
        yield* expect.equal("given back", of(stream(given)), ["E", "E"])
        yield* expect.equal("finished meanwhile", of(stream(quick)), ["E"])
      }).pipe(Effect.scoped)
  ),

  make("S10", "closing finishes what is in hand, and the next member goes on behind it", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const persistence = yield* Persistence
      const { hear, heard, of, until } = makeRecorder()
      const gate = yield* Deferred.make<void>()
      const inHand = yield* Deferred.make<void>()
      const subscriber = Subscriber.make(name, {
        streamPrefix: `${name}/`,
        partitions: 3,
        handler: (event) =>
          Effect.andThen(Deferred.succeed(inHand, undefined), Effect.andThen(Deferred.await(gate), hear(event)))
      })
      yield* append("a", "E0", "E1")
      const scope = yield* Scope.make()
      yield* Scope.provide(Subscriber.start(subscriber), scope)
      yield* Deferred.await(inHand)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* expect.equal("waits for the handler", closing.pollUnsafe(), undefined)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      yield* expect.equal("finished", heard.length, 1)
      const checkpoints = yield* persistence.query(`subscriber/${name}/checkpoints`)
      yield* expect.equal(
        "owners",
        checkpoints.map(({ body }) => body["owner"]),
        [null, null, null]
      )
      yield* expect.equal("members", yield* persistence.query(`subscriber/${name}/members`), [])
      yield* Subscriber.start(subscriber)
      yield* until(2)
      yield* settled(subscriber)
      yield* expect.equal("each once", of(stream("a")), ["E0", "E1"])
    }).pipe(Effect.scoped)
  ),

  make("S12", "a paused subscriber begins nothing, and goes on where it stopped", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const { hear, of, until } = makeRecorder()
      const subscriber = Subscriber.make(name, { streamPrefix: `${name}/`, partitions: 2, handler: hear })
      const membership = yield* Subscriber.start(subscriber)
      yield* append("a", "E0")
      yield* until(1)
      yield* Subscriber.pause(subscriber)
      yield* membership.nudge
      yield* eventually(
        "it stops",
        Effect.map(membership.status, (status) => status === "paused")
      )
      yield* append("a", "E1", "E2")
      yield* eventually(
        "it is behind",
        Effect.map(Subscriber.lag(subscriber), ({ events }) => events >= 2)
      )
      for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
      yield* expect.equal("while it is paused", of(stream("a")), ["E0"])
      yield* Subscriber.resume(subscriber)
      yield* membership.nudge
      yield* until(3)
      yield* settled(subscriber)
      yield* expect.equal("in the end", of(stream("a")), ["E0", "E1", "E2"])
    }).pipe(Effect.scoped)
  )
]
