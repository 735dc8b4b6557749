/** A run of ours is taken up again after the store failed, and the store fails once more. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  EventStore,
  EventStoreError,
  JournalEngine,
  Orchestration,
  Persistence,
  PersistenceError,
  StoreUnavailable,
  Timer
} from "../../src/index.ts"
import { FaultStore } from "../../src/testing/index.ts"

const Nap = Orchestration.make("Nap", {
  input: { n: Schema.Int },
  output: Schema.String,
  key: ({ n }) => String(n),
  run: () => Effect.as(Timer.sleep("1 hour"), "up")
})

const down = new EventStoreError({
  reason: new StoreUnavailable({ operation: "append events", retryable: true, cause: new Error("down") })
})

it.effect("M6: a run that its owner could not claim, because of an append of its own, is claimed later", () =>
  Effect.gen(function* () {
    let late: Effect.Effect<unknown, unknown> | undefined
    let arrived = false
    const fault: FaultStore.Fault = (name) => (mutation) =>
      Effect.suspend(() => {
        if (name.includes("TimerFired") && late === undefined) {
          late = mutation
          return Effect.fail(down as any)
        }
        if (!name.includes("RunRecovered") || arrived) return mutation
        arrived = true
        return Effect.andThen(Effect.orDie(late!), mutation)
      })
    const stores = EventStore.layer.pipe(
      Layer.provideMerge(FaultStore.layer(fault)),
      Layer.provide(Memory.storesOf(Memory.makeState()))
    )
    const engine = JournalEngine.layer({ lease: "15 seconds" }).pipe(Layer.provideMerge(stores))
    yield* Effect.gen(function* () {
      const handle = yield* Nap.start({ n: 1 })
      const lost = yield* Effect.forkChild(Effect.flip(handle.await))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* Fiber.join(lost))._tag, "EngineError")
      yield* TestClock.adjust("20 seconds")
      assert.isTrue(arrived)
      assert.strictEqual((yield* handle.status).status, "completed")
    }).pipe(Effect.provide(Nap.layer.pipe(Layer.provideMerge(engine))))
  })
)

it.effect("M6: a look-up that fails loses none of the runs that were looked up before it", () =>
  Effect.gen(function* () {
    let refusals = 2
    let failed = false
    const fault: FaultStore.Fault = (name) => (mutation) =>
      Effect.suspend(() => (name.includes("TimerFired") && refusals-- > 0 ? Effect.fail(down as any) : mutation))
    const lookedUp = Layer.effect(
      Persistence,
      Effect.map(Persistence, (persistence) => ({
        ...persistence,
        get: (collection, id) =>
          Effect.suspend(() => {
            if (id !== "Nap/2" || failed) return persistence.get(collection, id)
            failed = true
            return Effect.fail(new PersistenceError({ operation: "get a document", retryable: true, cause: "down" }))
          })
      }))
    )
    const stores = EventStore.layer.pipe(
      Layer.provideMerge(lookedUp),
      Layer.provideMerge(FaultStore.layer(fault)),
      Layer.provide(Memory.storesOf(Memory.makeState()))
    )
    const engine = JournalEngine.layer({ lease: "15 seconds" }).pipe(Layer.provideMerge(stores))
    yield* Effect.gen(function* () {
      const one = yield* Nap.start({ n: 1 })
      const two = yield* Nap.start({ n: 2 })
      yield* TestClock.adjust("1 hour")
      yield* TestClock.adjust("20 seconds")
      assert.isTrue(failed)
      assert.deepStrictEqual([(yield* one.status).status, (yield* two.status).status], ["completed", "completed"])
    }).pipe(Effect.provide(Nap.layer.pipe(Layer.provideMerge(engine))))
  })
)
