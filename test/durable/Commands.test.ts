/**
 * Commands that are read from a run's inbox and heard from the log at the same time, while somebody takes the run over.
 *
 *   D1. The last request to pause or to resume counts, whichever way it comes.
 */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import { EventStore, JournalEngine, Orchestration, Signal } from "../../src/index.ts"
import { LogAudit } from "../../src/testing/index.ts"

const Approval = Signal.make("approval", { by: Schema.String })

const Wait = Orchestration.make("Wait", {
  input: {},
  output: Schema.String,
  key: () => "1",
  run: () => Effect.map(Signal.await(Approval), ({ by }) => by)
})
const id = Wait.runId("1")

/** An engine on the state. What it reads of inboxes is what they held when it asked, but it hears of it when `held` ends. */
const engineOn = (state: Memory.MemoryState, held: Effect.Effect<unknown> = Effect.void) => {
  const drivers = Layer.effect(
    EventStoreDriver,
    Effect.map(EventStoreDriver, (driver) => ({
      ...driver,
      read: (stream, options) =>
        Effect.tap(driver.read(stream, options), stream.startsWith("inbox/") ? held : Effect.void)
    }))
  )
  const stores = EventStore.layer.pipe(
    Layer.provideMerge(drivers),
    Layer.provideMerge(Layer.fresh(Memory.storesOf(state)))
  )
  return Layer.fresh(JournalEngine.layer({ lease: "15 seconds" }).pipe(Layer.provideMerge(stores)))
}

const typesOf = (state: Memory.MemoryState) =>
  LogAudit.readAll.pipe(
    Effect.map((log) => log.filter(({ stream }) => stream === `run/${id}`).map(({ type }) => type)),
    Effect.provide(Memory.storesOf(state))
  )

/** Gives everybody the time to do what they can do at once. */
const meanwhile = TestClock.adjust("1 millis")

it.effect("D1: a resume that is heard before an older pause is read", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    yield* Effect.gen(function* () {
      const handle = yield* Wait.start({})
      yield* handle.pause
      yield* meanwhile
    }).pipe(Effect.provide(Wait.layer.pipe(Layer.provideMerge(engineOn(state)))))

    const read = yield* Deferred.make<void>()
    const engine = engineOn(state, Deferred.await(read))
    yield* Effect.gen(function* () {
      const handle = yield* Wait.handle(id)
      const taking = yield* Effect.forkChild(Layer.build(Wait.layer))
      yield* meanwhile
      yield* handle.resume
      yield* meanwhile
      yield* Deferred.succeed(read, undefined)
      yield* Fiber.join(taking)
      yield* meanwhile
      assert.strictEqual((yield* handle.status).status, "running")
      yield* handle.signal(Approval, { by: "ann" })
      assert.strictEqual(yield* handle.await, "ann")
      assert.deepStrictEqual((yield* typesOf(state)).slice(-3), ["RunResumed", "SignalReceived", "RunCompleted"])
    }).pipe(Effect.scoped, Effect.provide(engine))
  })
)
