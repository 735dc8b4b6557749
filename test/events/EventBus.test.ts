import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import type { StreamId } from "../../src/event-store/Envelope.ts"
import * as EventStore from "../../src/event-store/EventStore.ts"
import * as EventStream from "../../src/event-store/EventStream.ts"
import * as MemoryEventStore from "../../src/event-store/MemoryEventStore.ts"
import * as EventBus from "../../src/events/EventBus.ts"

const layerWith = (capacity: number) =>
  EventBus.layerWith({ capacity }).pipe(
    Layer.provideMerge(EventStore.layerWith({}).pipe(Layer.provide(Layer.fresh(MemoryEventStore.layerDriver))))
  )

const stream = "s" as StreamId
const append = (...types: ReadonlyArray<string>) =>
  EventStore.EventStore.use((store) =>
    store.append(
      stream,
      types.map((type) => ({ type, data: {} })),
      "Any"
    )
  )

/** A handler that remembers, and an effect that waits until it has heard so many. */
const recorder = () => {
  const heard: Array<string> = []
  let waiting: { readonly count: number; readonly done: Deferred.Deferred<void> } | undefined
  return {
    heard,
    handler: (event: { readonly type: string }) =>
      Effect.suspend(() => {
        heard.push(event.type)
        return waiting !== undefined && heard.length >= waiting.count
          ? Deferred.succeed(waiting.done, undefined)
          : Effect.void
      }),
    until: (count: number) =>
      Effect.suspend(() => {
        if (heard.length >= count) return Effect.void
        waiting = { count, done: Deferred.makeUnsafe<void>() }
        return Deferred.await(waiting.done)
      })
  }
}

describe("EventBus", () => {
  it.effect("B1: events are heard in order, from the subscription on, filtered by type", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* append("Before")
      const all = recorder()
      const some = recorder()
      yield* bus.subscribe({ name: "all", handler: all.handler })
      yield* bus.subscribe({ name: "some", types: ["B"], handler: some.handler })
      assert.strictEqual(yield* bus.listenerCount, 2)
      yield* append("A", "B")
      yield* append("C", "B")
      yield* all.until(4)
      yield* some.until(2)
      assert.deepStrictEqual(all.heard, ["A", "B", "C", "B"])
      assert.deepStrictEqual(some.heard, ["B", "B"])
    }).pipe(Effect.provide(layerWith(16)))
  )

  it.effect("a subscriber may start in the past", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      yield* append("A", "B")
      const { handler, heard, until } = recorder()
      yield* bus.subscribe({ name: "late", after: 1, handler })
      yield* append("C")
      yield* until(2)
      assert.deepStrictEqual(heard, ["B", "C"])
    }).pipe(Effect.provide(layerWith(16)))
  )

  for (const onOverflow of ["catch-up", "drop-oldest"] as const) {
    it.effect(`B2, B3, B4: a subscriber that is slow holds nobody up (${onOverflow})`, () =>
      Effect.gen(function* () {
        const bus = yield* EventBus.EventBus
        const gate = yield* Deferred.make<void>()
        const stuck = yield* Deferred.make<void>()
        const { handler, heard, until } = recorder()
        const slow = yield* bus.subscribe({
          name: "slow",
          onOverflow,
          handler: (event) =>
            Deferred.succeed(stuck, undefined).pipe(
              Effect.andThen(Deferred.await(gate)),
              Effect.andThen(handler(event))
            )
        })
        const fast = recorder()
        yield* bus.subscribe({ name: "fast", handler: fast.handler })
        yield* append("E0")
        yield* Deferred.await(stuck)
        const expected = Array.from({ length: 50 }, (_, index) => `E${index}`)
        for (let index = 1; index < 50; index++) {
          yield* append(`E${index}`)
          yield* fast.until(index + 1)
        }
        yield* Deferred.succeed(gate, undefined)
        yield* until(onOverflow === "catch-up" ? 50 : 9)
        assert.deepStrictEqual(heard, onOverflow === "catch-up" ? expected : ["E0", ...expected.slice(-8)])
        const { dropped, missed } = yield* slow.stats
        assert.deepStrictEqual({ dropped, missed }, { missed: 41, dropped: onOverflow === "catch-up" ? 0 : 41 })
        assert.deepStrictEqual(fast.heard, expected)
      }).pipe(Effect.provide(layerWith(8)))
    )
  }

  it.effect("B5: a failing handler is tried again, counted and at last skipped", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const { handler, heard, until } = recorder()
      let failuresOfA = 0
      const subscription = yield* bus.subscribe({
        name: "failing",
        restart: Schedule.recurs(2),
        handler: (event) => {
          if (event.type === "A" && failuresOfA++ < 2) return Effect.fail("twice")
          if (event.type === "B") return Effect.die("always")
          return handler(event)
        }
      })
      yield* append("A", "B", "C")
      yield* until(2)
      assert.deepStrictEqual(heard, ["A", "C"])
      yield* Effect.yieldNow
      const { delivered, failures, skipped } = yield* subscription.stats
      assert.deepStrictEqual({ delivered, failures, skipped }, { delivered: 2, failures: 5, skipped: 1 })
    }).pipe(Effect.provide(layerWith(16)))
  )

  it.effect("batches are handled at once", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const sizes: Array<number> = []
      const done = yield* Deferred.make<void>()
      yield* bus.subscribe({
        name: "batches",
        handler: {
          handleAll: (events) => {
            sizes.push(events.length)
            return events.at(-1)!.type === "Z" ? Deferred.succeed(done, undefined) : Effect.void
          }
        }
      })
      yield* append("A", "B", "Z")
      yield* Deferred.await(done)
      assert.deepStrictEqual(sizes, [3])
    }).pipe(Effect.provide(layerWith(16)))
  )

  it.effect("once, unsubscribe, scopes and removeAll end subscriptions", () =>
    Effect.gen(function* () {
      const bus = yield* EventBus.EventBus
      const first = yield* Effect.forkChild(bus.once({ types: ["B"] }), { startImmediately: true })
      while ((yield* bus.listenerCount) === 0) yield* Effect.yieldNow
      yield* append("A", "B", "B")
      assert.strictEqual((yield* Fiber.join(first)).version, 2)
      assert.strictEqual(yield* bus.listenerCount, 0)

      const scope = yield* Scope.make()
      const ignore = { name: "ignore", handler: () => Effect.void }
      yield* bus.subscribe(ignore).pipe(Scope.provide(scope))
      const { unsubscribe } = yield* bus.subscribe(ignore)
      yield* bus.subscribe(ignore)
      assert.strictEqual(yield* bus.listenerCount, 3)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* bus.listenerCount, 2)
      yield* unsubscribe
      assert.strictEqual(yield* bus.listenerCount, 1)
      yield* bus.removeAll
      assert.strictEqual(yield* bus.listenerCount, 0)
    }).pipe(Effect.provide(layerWith(16)))
  )

  it.effect("a typed view decodes, and reports what does not decode", () =>
    Effect.gen(function* () {
      class Placed extends Schema.TaggedClass<Placed>()("OrderPlaced", { total: Schema.Number }) {}
      const bus = yield* EventBus.EventBus
      const { handler, heard, until } = recorder()
      const subscription = yield* bus.typed(Placed).subscribe({
        name: "typed",
        handler: ({ event }) => handler({ type: `${event._tag} ${event.total}` })
      })
      const orders = EventStream.make("order", { events: Placed })
      yield* append("Other", "OrderPlaced")
      yield* orders.append("1", [new Placed({ total: 12 })], { expected: 0 })
      yield* until(1)
      assert.deepStrictEqual(heard, ["OrderPlaced 12"])
      const { failures, skipped } = yield* subscription.stats
      assert.deepStrictEqual({ failures, skipped }, { failures: 1, skipped: 1 })
    }).pipe(Effect.provide(layerWith(16)))
  )
})
