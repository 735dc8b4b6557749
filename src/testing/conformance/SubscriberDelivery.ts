/** Checks of what is delivered: S1, S2, S3, S5, S11. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { StoredEvent } from "../../event-store/Envelope.ts"
import { EventStore } from "../../event-store/EventStore.ts"
import * as EventStream from "../../event-store/EventStream.ts"
import * as Subscriber from "../../events/Subscriber.ts"
import { Persistence, type Put } from "../../persistence/Persistence.ts"
import { type Case, make } from "./Conformance.ts"
import { eventually, makeRecorder, makeWorld, numbered, settled } from "./SubscriberFixtures.ts"

class Counted extends Schema.TaggedClass<Counted>()("Counted", { by: Schema.Int }) {}

/** Puts that count an event in a document, read and written by its version. */
const counting = (collection: string, id: string) =>
  Effect.gen(function* () {
    const found = yield* (yield* Persistence).get(collection, id)
    const count = ((found?.body["count"] as number | undefined) ?? 0) + 1
    return [{ collection, id, body: { count }, expected: found?.version ?? 0 }] satisfies ReadonlyArray<Put>
  })

const countOf = (collection: string, id: string) =>
  Effect.map(
    Persistence.use((persistence) => persistence.get(collection, id)),
    (found) => found?.body["count"]
  )

export const cases: ReadonlyArray<Case<EventStore | Persistence>> = [
  make("S1", "what came before, comes meanwhile and comes after a restart is handled once", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const { hear, of, until } = makeRecorder()
      const subscriber = Subscriber.make(name, { streamPrefix: `${name}/`, handler: hear, partitions: 4 })
      const streams = numbered("s", 9)
      const appendAll = (...types: ReadonlyArray<string>) => Effect.forEach(streams, (one) => append(one, ...types))
      yield* appendAll("A", "B")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Subscriber.start(subscriber)
          yield* appendAll("C")
          yield* until(27)
          yield* appendAll("D")
        })
      )
      yield* appendAll("E")
      yield* Subscriber.start(subscriber)
      yield* until(45)
      yield* settled(subscriber)
      for (const one of streams) yield* expect.equal(one, of(stream(one)), ["A", "B", "C", "D", "E"])
    }).pipe(Effect.scoped)
  ),

  make("S1", "it begins where it is told to, and hears what it asked for", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const store = yield* EventStore
      yield* append("a", "Before", "X")
      const after = yield* store.head
      yield* append("a", "Between", "X")
      const streamPrefix = `${name}/`
      const begin = (name: string, options: Partial<Subscriber.Options<StoredEvent, never, never>>) =>
        Effect.gen(function* () {
          const recorder = makeRecorder()
          yield* Subscriber.start(Subscriber.make(name, { streamPrefix, handler: recorder.hear, ...options }))
          return recorder
        })
      const all = yield* begin(`${name}/all`, {})
      const some = yield* begin(`${name}/some`, { start: after, types: ["Between", "After"] })
      const end = yield* begin(`${name}/end`, { start: "end", filter: ({ type }) => type !== "X" })
      yield* append("a", "X", "After")
      yield* all.until(6)
      yield* some.until(2)
      yield* end.until(1)
      const own = stream("a")
      yield* expect.equal("all", all.of(own), ["Before", "X", "Between", "X", "X", "After"])
      yield* expect.equal("types after a position", some.of(own), ["Between", "After"])
      yield* expect.equal("a filter from the end", end.of(own), ["After"])
    }).pipe(Effect.scoped)
  ),

  make("S1", "typed events are decoded; one that is not what it should be is a dead letter", (expect) =>
    Effect.gen(function* () {
      const { name } = yield* makeWorld
      const category = name.replaceAll("/", "-")
      const counts = EventStream.make(category, { events: Counted })
      const store = yield* EventStore
      const heard: Array<number> = []
      const subscriber = Subscriber.make(name, {
        events: counts,
        handler: ({ event }) => Effect.sync(() => void heard.push(event.by))
      })
      yield* counts.append("1", [new Counted({ by: 1 })], { expected: 0 })
      yield* store.append(counts.streamId("1"), [{ type: "Counted", data: { by: "much" } }], 1)
      yield* store.append(counts.streamId("1"), [{ type: "Other", data: {} }], 2)
      yield* counts.append("1", [new Counted({ by: 2 })], { expected: 3 })
      const membership = yield* Subscriber.start(subscriber)
      yield* settled(subscriber)
      yield* expect.equal("decoded", heard, [1, 2])
      yield* expect.equal("tried", (yield* membership.stats).failures, 1)
      const [letter] = yield* Subscriber.deadLetters(subscriber)
      yield* expect.equal("dead letter", letter && [letter.version, letter.attempts], [2, 1])
    }).pipe(Effect.scoped)
  ),

  make("S2", "events of a stream are handled one after the other, streams side by side", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const { hear, of } = makeRecorder()
      const inHand = new Map<string, number>()
      let overlaps = 0
      let most = 0
      const handler = (event: StoredEvent) =>
        Effect.gen(function* () {
          const before = inHand.get(event.stream) ?? 0
          if (before > 0) overlaps++
          inHand.set(event.stream, before + 1)
          most = Math.max(
            most,
            [...inHand.values()].reduce((sum, one) => sum + one, 0)
          )
          for (let turn = 0; turn < (event.version * 7) % 5; turn++) yield* Effect.yieldNow
          yield* hear(event)
          inHand.set(event.stream, before)
        })
      const subscriber = Subscriber.make(name, { streamPrefix: `${name}/`, handler, concurrency: 4 })
      const types = numbered("E", 20)
      for (const one of numbered("s", 10)) yield* append(one, ...types)
      yield* Subscriber.start(subscriber)
      yield* settled(subscriber)
      for (const one of numbered("s", 10)) yield* expect.equal(one, of(stream(one)), types)
      yield* expect.equal("overlaps in a stream", overlaps, 0)
      yield* expect.equal("side by side", most, 4)
    }).pipe(Effect.scoped)
  ),

  make("S2", "a batch keeps the order; one that fails is tried event by event", (expect) =>
    Effect.gen(function* () {
      const { append, name, stream } = yield* makeWorld
      const { heard, of } = makeRecorder()
      const sizes: Array<number> = []
      const subscriber = Subscriber.make(name, {
        streamPrefix: `${name}/`,
        partitions: 1,
        batchSize: 8,
        retry: Schedule.recurs(1),
        handler: {
          handleAll: (events) =>
            Effect.suspend(() => {
              sizes.push(events.length)
              if (events.some(({ type }) => type === "E9")) return Effect.fail("bad")
              for (const event of events) heard.push(`${event.stream} ${event.type}`)
              return Effect.void
            })
        }
      })
      yield* append("a", ...numbered("E", 20))
      yield* Subscriber.start(subscriber)
      yield* settled(subscriber)
      yield* expect.equal(
        "handled",
        of(stream("a")),
        numbered("E", 20).filter((type) => type !== "E9")
      )
      yield* expect.equal("sizes", sizes, [8, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4])
      yield* expect.equal("dead letters", yield* Subscriber.deadLetterCount(subscriber), 1)
    }).pipe(Effect.scoped)
  ),

  make("S3", "what was handled beyond the checkpoint is not handled again by a successor", (expect) =>
    Effect.gen(function* () {
      const { append, name, process, stream } = yield* makeWorld
      const { hear, heard, of, until } = makeRecorder()
      const member = (one: { readonly within: <A>(effect: Effect.Effect<A>) => Effect.Effect<A> }, stuck: boolean) =>
        Subscriber.make(name, {
          streamPrefix: `${name}/`,
          partitions: 1,
          handler: (event) => one.within(stuck && event.type === "Stuck" ? Effect.never : hear(event))
        })
      const first = yield* process
      yield* append("a", "Stuck")
      yield* append("b", "B0", "B1", "B2")
      const membership = yield* first.start(member(first, true))
      yield* until(3)
      const pending = Effect.map(Subscriber.lag(member(first, true)), ({ events }) => events)
      yield* eventually(
        "what is done is stored, beyond what is stuck",
        Effect.gen(function* () {
          yield* membership.nudge
          return (yield* pending) === 1
        })
      )
      yield* first.kill
      const second = yield* process
      yield* second.start(member(second, false))
      yield* until(4)
      yield* append("b", "B3")
      yield* until(5)
      yield* expect.equal("handled once", heard.length, 5)
      yield* expect.equal("the stuck one", of(stream("a")), ["Stuck"])
      yield* expect.equal("the others", of(stream("b")), numbered("B", 4))
    }).pipe(Effect.scoped)
  ),

  make("S5", "documents are written exactly once, whenever the process is killed", (expect) =>
    Effect.gen(function* () {
      const { append, name, process } = yield* makeWorld
      const collection = `${name}/counts`
      const streams = numbered("s", 3)
      const services = yield* Effect.context<Persistence>()
      const member = (one: { readonly within: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E> }) =>
        Subscriber.make(name, {
          streamPrefix: `${name}/`,
          partitions: 2,
          handler: { write: ({ stream }) => one.within(Effect.provideContext(counting(collection, stream), services)) }
        })
      for (const one of streams) yield* append(one, ...numbered("E", 4))
      // Each process dies at its n-th put, before it or after it, until one lives to the end.
      let crashes = 0
      for (let mutation = 1; mutation <= 8; mutation++) {
        for (const fate of ["crash before", "crash after"] as const) {
          const one = yield* process
          let puts = 0
          one.decide(() => (++puts === mutation ? fate : "done"))
          yield* Effect.ignore(one.start(member(one)))
          yield* eventually(
            "it crashes, or has nothing left to do",
            Effect.map(Subscriber.lag(member(one)), ({ events }) => puts >= mutation || events === 0)
          )
          if (puts >= mutation) crashes++
          yield* one.kill
        }
      }
      const last = yield* process
      yield* last.start(member(last))
      yield* settled(member(last))
      for (const one of streams) {
        yield* expect.equal(`events of ${one}`, yield* countOf(collection, `${name}/${one}`), 4)
      }
      yield* expect.equal("processes crashed", crashes > 4, true)
    }).pipe(Effect.scoped)
  ),

  make("S5", "documents that collide are written again by what is there then", (expect) =>
    Effect.gen(function* () {
      const { append, name } = yield* makeWorld
      const collection = `${name}/counts`
      const subscriber = Subscriber.make(name, {
        streamPrefix: `${name}/`,
        handler: { write: () => counting(collection, "total") }
      })
      for (const one of numbered("s", 8)) yield* append(one, ...numbered("E", 5))
      yield* Subscriber.start(subscriber)
      yield* settled(subscriber)
      yield* expect.equal("counted", yield* countOf(collection, "total"), 40)
      yield* expect.equal("given up", yield* Subscriber.deadLetterCount(subscriber), 0)
    }).pipe(Effect.scoped)
  ),

  make("S11", "the log is read no faster than events are handled", (expect) =>
    Effect.gen(function* () {
      const { append, name } = yield* makeWorld
      const gate = yield* Deferred.make<void>()
      const begun: Array<string> = []
      const done = makeRecorder()
      const subscriber = Subscriber.make(name, {
        streamPrefix: `${name}/`,
        buffer: 8,
        concurrency: 64,
        grace: 0,
        handler: (event) =>
          Effect.gen(function* () {
            begun.push(event.stream)
            yield* Deferred.await(gate)
            yield* done.hear(event)
          })
      })
      for (const one of numbered("s", 40)) yield* append(one, "E")
      yield* Subscriber.start(subscriber)
      yield* eventually(
        "the buffer is full",
        Effect.sync(() => begun.length >= 8)
      )
      for (let turn = 0; turn < 50; turn++) yield* Effect.yieldNow
      yield* expect.equal("in hand", begun.length, 8)
      yield* Deferred.succeed(gate, undefined)
      yield* done.until(40)
    }).pipe(Effect.scoped)
  )
]
