/** What needs a clock of its own: leases that run out, delays, stores that fail for a while. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Metric, Schedule, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import * as ConsumerGroup from "../../src/events/ConsumerGroup.ts"
import { Reader } from "../../src/events/Reader.ts"
import { Share } from "../../src/events/Share.ts"
import { Window } from "../../src/events/Window.ts"
import { EventStore, Persistence, PersistenceError, StreamId, Subscriber } from "../../src/index.ts"
import { eventually } from "../../src/testing/conformance/SubscriberFixtures.ts"

const append = (stream: string, ...types: ReadonlyArray<string>) =>
  EventStore.EventStore.use((store) =>
    store.append(
      StreamId.make(stream),
      types.map((type) => ({ type, data: {} })),
      "Any"
    )
  )

const layer = Layer.suspend(() => Memory.storesOf(Memory.makeState()))

/** Lets everything happen that needs no time. */
const happen = Effect.forEach(Array.from({ length: 20 }), () => TestClock.adjust(0), { discard: true })

/** Lets the seconds pass one by one. */
const pass = (seconds: number) =>
  Effect.forEach(Array.from({ length: seconds }), () => TestClock.adjust("1 second"), { discard: true })

const failure = new PersistenceError({ operation: "be reached", retryable: true, cause: "cut off" })

/** A document store that can be cut off from one member, as a network does it. */
const cuttable = Effect.map(Persistence, (persistence) => {
  const link = { isCut: false, lostAnswers: 0 }
  const through = <A>(effect: Effect.Effect<A, PersistenceError>) =>
    Effect.suspend(() => (link.isCut ? Effect.fail(failure) : effect))
  const answer = <A>(effect: Effect.Effect<A, PersistenceError>) =>
    Effect.tap(effect, () => (link.lostAnswers-- > 0 ? Effect.fail(failure) : Effect.void))
  return {
    link,
    persistence: Persistence.of({
      ...persistence,
      get: (collection, id) => through(persistence.get(collection, id)),
      query: (collection, query) => through(persistence.query(collection, query)),
      delete: (collection, id) => through(persistence.delete(collection, id)),
      putAll: (puts) => through(answer(persistence.putAll(puts)))
    })
  }
})

describe("Subscriber", () => {
  it.effect("S8: a member that cannot renew its lease begins nothing new, and its share is taken over", () =>
    Effect.gen(function* () {
      const handled: Array<string> = []
      const member = (by: string) =>
        Subscriber.make("mail", {
          partitions: 2,
          lease: "15 seconds",
          handler: ({ type }) => Effect.sync(() => void handled.push(`${by} ${type}`))
        })
      const { link, persistence } = yield* cuttable
      const first = yield* Subscriber.start(member("first")).pipe(Effect.provideService(Persistence, persistence))
      yield* append("a", "A")
      yield* pass(1)
      assert.deepStrictEqual(handled, ["first A"])
      link.isCut = true
      yield* pass(13)
      yield* append("a", "B")
      yield* happen
      assert.deepStrictEqual(handled, ["first A", "first B"])
      yield* TestClock.adjust("1 second")
      yield* append("a", "C")
      yield* happen
      assert.deepStrictEqual(handled, ["first A", "first B"])
      assert.strictEqual(yield* first.status, "waiting")

      const second = yield* Subscriber.start(member("second"))
      yield* happen
      // B was handled and never stored: at-least-once.
      assert.deepStrictEqual(handled.slice(2), ["second B", "second C"])
      assert.lengthOf(yield* second.partitions, 2)
      link.isCut = false
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* first.status, "working")
      yield* append("a", "D")
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(handled.slice(4).length, 1)
      const owned = [...(yield* first.partitions), ...(yield* second.partitions)]
      assert.deepStrictEqual(owned.toSorted(), [0, 1])
    }).pipe(Effect.provide(layer))
  )

  it.effect("S4: a member that slept through its lease loses its share; epochs grow", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const tokens: Array<number> = []
      const subscriber = (wait: Effect.Effect<void>) =>
        Subscriber.make("mail", {
          partitions: 1,
          handler: {
            write: (_, { fencingToken }) =>
              Effect.map(wait, () => {
                tokens.push(fencingToken)
                return [{ collection: "written", id: String(fencingToken), body: {} }]
              })
          }
        })
      const { link, persistence } = yield* cuttable
      yield* append("a", "A")
      const sleeper = yield* Subscriber.start(subscriber(Deferred.await(gate))).pipe(
        Effect.provideService(Persistence, persistence)
      )
      yield* happen
      link.isCut = true
      yield* TestClock.adjust("16 seconds")
      const other = yield* Subscriber.start(subscriber(Effect.void))
      yield* happen
      assert.deepStrictEqual(tokens, [2])
      link.isCut = false
      yield* Deferred.succeed(gate, undefined)
      yield* happen
      assert.deepStrictEqual(tokens, [2, 1])
      const written = yield* Persistence.use((persistence) => persistence.query("written"))
      assert.deepStrictEqual(
        written.map(({ id }) => id),
        ["2"]
      )
      assert.deepStrictEqual(yield* sleeper.partitions, [])
      assert.deepStrictEqual(yield* other.partitions, [0])
    }).pipe(Effect.provide(layer))
  )

  it.effect("S1: a partition that is added while a page is dealt does not begin in the middle of it", () =>
    Effect.gen(function* () {
      const streams = [0, 1].map((partition) => {
        const names = Array.from({ length: 100 }, (_, index) => `s${index}`)
        return names.find((name) => ConsumerGroup.partitionOf(name, 2) === partition)!
      })
      const share = (partition: number) => {
        const value = { position: 0, done: [], owner: "me", epoch: 1, commit: 0, deadLetters: 0 }
        return new Share(partition, { id: "", version: 1, value }, new Map())
      }
      const [first, added] = [share(0), share(1)]
      const shares = new Map([[0, first]])
      const window = new Window(1)
      const reader = new Reader({
        subscriber: "mail",
        store: yield* EventStore.EventStore,
        partitions: 2,
        lane: "stream",
        wanted: {},
        shares,
        window,
        rouse: () => {}
      })
      for (const type of ["A", "B"]) for (const stream of streams.toReversed()) yield* append(stream, type)
      yield* Effect.forkScoped(reader.run)
      yield* happen
      assert.strictEqual(first.read, 2)
      shares.set(1, added)
      window.free(1)
      yield* happen
      assert.strictEqual(first.read, 4)
      assert.strictEqual(added.read, 0)
      window.free(1)
      reader.restart()
      yield* happen
      assert.strictEqual(added.read, 1)
      window.free(1)
      yield* happen
      assert.deepStrictEqual(
        added.entries.map(({ event }) => event.type),
        ["A", "B"]
      )
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("S5: an answer of the store that is lost is found again, and nothing is written twice", () =>
    Effect.gen(function* () {
      const { link, persistence } = yield* cuttable
      let runs = 0
      const subscriber = Subscriber.make("count", {
        partitions: 1,
        handler: {
          write: () =>
            Effect.map(Effect.orDie(persistence.get("counts", "all")), (found) => {
              runs++
              return [{ collection: "counts", id: "all", body: { count: Number(found?.body["count"] ?? 0) + 1 } }]
            })
        }
      })
      yield* Subscriber.start(subscriber).pipe(Effect.provideService(Persistence, persistence))
      link.lostAnswers = 1
      yield* append("a", "A", "B")
      yield* TestClock.adjust("1 second")
      const found = yield* persistence.get("counts", "all")
      assert.deepStrictEqual([found?.version, found?.body], [2, { count: 2 }])
      assert.strictEqual(runs, 2)
    }).pipe(Effect.provide(layer))
  )

  it.effect("S6: tries keep the delays of the schedule, and parallel streams do not wait", () =>
    Effect.gen(function* () {
      const tries: Array<string> = []
      const subscriber = Subscriber.make("mail", {
        concurrency: 1,
        retry: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 2 })),
        handler: ({ type }, { attempt }) =>
          Effect.clockWith((clock) => {
            tries.push(`${type} ${attempt} at ${clock.currentTimeMillisUnsafe()}`)
            return type === "Bad" ? Effect.fail("bad") : Effect.void
          })
      })
      const { stats } = yield* Subscriber.start(subscriber)
      yield* append("bad", "Bad", "Behind")
      yield* append("good", "Good")
      yield* happen
      yield* pass(4)
      assert.deepStrictEqual(tries, ["Bad 1 at 0", "Good 1 at 0", "Bad 2 at 1000", "Bad 3 at 3000", "Behind 1 at 3000"])
      assert.deepStrictEqual(yield* stats, { handled: 2, failures: 3, deadLettered: 1 })
    }).pipe(Effect.provide(layer))
  )

  it.effect("S6: documents that never fit are a failure of the handler", () =>
    Effect.gen(function* () {
      const subscriber = Subscriber.make("mail", {
        retry: Schedule.recurs(1),
        handler: { write: () => Effect.succeed([{ collection: "c", id: "d", body: {}, expected: 7 }]) }
      })
      yield* append("a", "A")
      yield* Subscriber.start(subscriber)
      yield* eventually(
        "it is given up",
        Effect.map(Subscriber.deadLetterCount(subscriber), (count) => count === 1)
      )
      const [letter] = yield* Subscriber.deadLetters(subscriber)
      assert.strictEqual(letter?.reason, `Subscriber "mail" could not put c/d: an expected version did not hold.`)
      assert.strictEqual(letter?.attempts, 2)
    }).pipe(Effect.provide(layer))
  )

  it.effect("S6: documents that the store does not take are a failure of the handler, and hold up nobody", () =>
    Effect.gen(function* () {
      const honest = yield* Persistence
      const unstorable = new PersistenceError({ operation: "write documents", retryable: false, cause: "too large" })
      const picky = Persistence.of({
        ...honest,
        putAll: (puts) => (puts.some(({ id }) => id === "Large") ? Effect.fail(unstorable) : honest.putAll(puts))
      })
      const subscriber = Subscriber.make("mail", {
        retry: Schedule.recurs(1),
        handler: { write: ({ type }) => Effect.succeed([{ collection: "c", id: type, body: {} }]) }
      })
      yield* append("a", "Large", "A1")
      yield* append("b", "B0", "B1")
      yield* Subscriber.start(subscriber).pipe(Effect.provideService(Persistence, picky))
      yield* happen
      const [letter] = yield* Subscriber.deadLetters(subscriber)
      assert.strictEqual(letter?.reason, `Subscriber "mail" could not put c/Large: the store does not take them.`)
      const written = yield* honest.query("c")
      assert.deepStrictEqual(
        written.map(({ id }) => id),
        ["A1", "B0", "B1"]
      )
    }).pipe(Effect.provide(layer))
  )

  it.effect("S6: nor does a document that the store cannot encode", () =>
    Effect.gen(function* () {
      const honest = yield* Persistence
      const encoding = Persistence.of({
        ...honest,
        putAll: (puts) =>
          Effect.andThen(
            Effect.sync(() => JSON.stringify(puts)),
            honest.putAll(puts)
          )
      })
      const body = (type: string) => (type === "Big" ? { big: 1n as never } : {})
      const subscriber = Subscriber.make("mail", {
        retry: Schedule.recurs(1),
        handler: { write: ({ type }) => Effect.succeed([{ collection: "c", id: type, body: body(type) }]) }
      })
      yield* append("a", "Big", "A1")
      yield* append("b", "B0")
      yield* Subscriber.start(subscriber).pipe(Effect.provideService(Persistence, encoding))
      yield* happen
      const [letter] = yield* Subscriber.deadLetters(subscriber)
      assert.strictEqual(letter?.reason, `Subscriber "mail" could not put c/Big: the store does not take them.`)
      const written = yield* honest.query("c")
      assert.deepStrictEqual(
        written.map(({ id }) => id),
        ["A1", "B0"]
      )
    }).pipe(Effect.provide(layer))
  )

  it.effect("S7: a dead letter whose event is no longer in the log says so", () =>
    Effect.gen(function* () {
      const subscriber = Subscriber.make("mail", { retry: Schedule.recurs(0), handler: () => Effect.fail("bad") })
      yield* append("a", "A")
      const { nudge } = yield* Subscriber.start(subscriber)
      yield* happen
      yield* EventStore.EventStore.use((store) => store.delete(StreamId.make("a")))
      assert.strictEqual(yield* Subscriber.redrive(subscriber, "all"), 1)
      yield* nudge
      yield* happen
      const [letter] = yield* Subscriber.deadLetters(subscriber)
      assert.deepStrictEqual([letter?.status, letter?.reason], ["dead", "its event is no longer in the log"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("S10: closing waits for what is in hand, but not for ever", () =>
    Effect.gen(function* () {
      let interrupted = false
      const subscriber = Subscriber.make("mail", {
        grace: "10 seconds",
        partitions: 1,
        handler: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      })
      const scope = yield* Scope.make()
      yield* Scope.provide(Subscriber.start(subscriber), scope)
      yield* append("a", "A")
      yield* happen
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(closing.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
      assert.isTrue(interrupted)
      const [checkpoint] = yield* Persistence.use((persistence) => persistence.query("subscriber/mail/checkpoints"))
      assert.deepStrictEqual([checkpoint?.body["owner"], checkpoint?.body["position"]], [null, 0])
    }).pipe(Effect.provide(layer))
  )

  it.effect("lag is a query and a metric, and other events do not count", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const subscriber = Subscriber.make("lagging", { types: ["A"], handler: () => Deferred.await(gate) })
      const lag = Effect.map(Subscriber.lag(subscriber), ({ events }) => events)
      const metric = Effect.map(Metric.snapshot, (all) => {
        const state = all.find(
          ({ attributes, id }) => id === "tutti_subscriber_lag" && attributes?.["subscriber"] === "lagging"
        )?.state
        return state !== undefined && "value" in state ? Number(state.value) : undefined
      })
      yield* append("a", "A", "B", "A", "B")
      assert.strictEqual(yield* lag, 2)
      yield* Subscriber.start(subscriber)
      yield* append("b", "B")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([yield* lag, yield* metric], [2, 5])
      const capped = yield* Subscriber.lag(subscriber, { limit: 1 })
      assert.deepStrictEqual(capped, { events: 1, isMore: true, since: 0, checkpoint: 0 })
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([yield* lag, yield* metric], [0, 0])
      yield* append("b", "B", "B", "B")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([yield* lag, yield* metric], [0, 0])
    }).pipe(Effect.provide(layer))
  )

  it.effect("S10: closing does not wait for a store that does not answer", () =>
    Effect.gen(function* () {
      const honest = yield* Persistence
      const silent = Persistence.of({ ...honest, delete: () => Effect.never })
      const scope = yield* Scope.make()
      yield* Subscriber.start(Subscriber.make("mail", { handler: () => Effect.void })).pipe(
        Effect.provideService(Persistence, silent),
        Effect.provideService(Scope.Scope, scope)
      )
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* pass(30)
      assert.isDefined(closing.pollUnsafe())
    }).pipe(Effect.provide(layer))
  )

  it.effect("joining fails with the failure of the stores", () =>
    Effect.gen(function* () {
      const { link, persistence } = yield* cuttable
      link.isCut = true
      const exit = yield* Subscriber.start(Subscriber.make("mail", { handler: () => Effect.void })).pipe(
        Effect.provideService(Persistence, persistence),
        Effect.exit
      )
      assert.deepStrictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause), failure)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it("streams keep their partitions for ever", () => {
    const partitions = ["", "order/1", "order/2", "run/Booking/日本", "x".repeat(1000)].map((stream) =>
      ConsumerGroup.partitionOf(stream, 10_000)
    )
    assert.deepStrictEqual(partitions, [8923, 3461, 3575, 167, 9346])
    const counts = Array.from({ length: 16 }, () => 0)
    for (let index = 0; index < 16_000; index++) counts[ConsumerGroup.partitionOf(`order/${index}`, 16)]!++
    assert.isAbove(Math.min(...counts), 800)
  })
})
