/** Registrations of orchestrations that come and go while their engine lives on. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Engine,
  EngineStopped,
  EventStore,
  JournalEngine,
  Orchestration,
  type RunHandle,
  Signal
} from "../../src/index.ts"
import { FaultStore } from "../../src/testing/index.ts"
import { holding, noFault } from "./faults.ts"

const Approval = Signal.make("approval", { by: Schema.String })

const versioned = (version: number, compatibleWith: ReadonlyArray<number> = [], onBegin: () => void = () => {}) =>
  Orchestration.make("Versioned", {
    version,
    compatibleWith,
    input: {},
    output: Schema.String,
    startMarkers: true,
    run: () =>
      Effect.suspend(() => {
        onBegin()
        return Effect.map(Signal.await(Approval), ({ by }) => `${version}: ${by}`)
      })
  })

const engineOf = (fault = noFault) =>
  Layer.build(
    Layer.fresh(
      JournalEngine.layer({ lease: "1 hour", replayPatience: 0, grace: 0 }).pipe(
        Layer.provideMerge(EventStore.layer),
        Layer.provide(FaultStore.layer(fault)),
        Layer.provide(Memory.storesOf(Memory.makeState()))
      )
    )
  )

/** Registers with an engine until it is told to leave. */
const registered = Effect.fnUntraced(function* <R>(
  engine: Context.Context<Engine | EventStore.EventStore>,
  layer: Layer.Layer<R, unknown, Engine>
) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const services = yield* Layer.build(Layer.fresh(layer)).pipe(
    Effect.provideContext(Context.add(engine, Scope.Scope, scope)),
    Effect.orDie
  )
  return { services: Context.merge(engine, services), leave: Scope.close(scope, Exit.void) }
})

const lostBy = (run: RunHandle<unknown, unknown>) => Effect.flip(run.await)

it.effect("a version that leaves stops its own runs; those of another version of the name go on", () =>
  Effect.gen(function* () {
    const engine = yield* engineOf()
    const [one, two] = [versioned(1), versioned(2)]
    const first = yield* registered(engine, one.layer)
    const second = yield* registered(engine, two.layer)
    const stopped = yield* Effect.provide(one.start({}), first.services)
    const going = yield* Effect.provide(two.start({}), second.services)
    const lost = yield* Effect.forkChild(lostBy(stopped), { startImmediately: true })
    yield* first.leave
    assert.instanceOf(yield* Fiber.join(lost), EngineStopped)
    yield* going.signal(Approval, { by: "ann" })
    assert.strictEqual(yield* going.await, "2: ann")
    yield* stopped.signal(Approval, { by: "bob" })
    assert.strictEqual((yield* stopped.status).status, "running")
    yield* registered(engine, one.layer)
    assert.strictEqual(yield* stopped.await, "1: bob")
  }).pipe(Effect.scoped)
)

it.effect("of two registrations of one version, the one that leaves stops only what it carries out", () =>
  Effect.gen(function* () {
    const engine = yield* engineOf()
    const program = versioned(1)
    const older = yield* registered(engine, program.layer)
    const before = yield* Effect.provide(program.start({}), older.services)
    const newer = yield* registered(engine, program.layer)
    const after = yield* Effect.provide(program.start({}), newer.services)
    const lost = yield* Effect.forkChild(lostBy(after), { startImmediately: true })
    yield* newer.leave
    assert.instanceOf(yield* Fiber.join(lost), EngineStopped)
    yield* before.signal(Approval, { by: "ann" })
    assert.strictEqual(yield* before.await, "1: ann")
    yield* after.signal(Approval, { by: "bob" })
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(yield* after.await, "1: bob", "the older one takes it over")
  }).pipe(Effect.scoped)
)

it.effect("runs of a version that leaves go on with a compatible one that stays", () =>
  Effect.gen(function* () {
    const engine = yield* engineOf()
    const [one, two] = [versioned(1), versioned(2, [1])]
    yield* registered(engine, two.layer)
    const first = yield* registered(engine, one.layer)
    const run = yield* Effect.provide(one.start({}), first.services)
    yield* first.leave
    yield* run.signal(Approval, { by: "ann" })
    yield* TestClock.adjust("1 hour")
    assert.strictEqual(yield* run.await, "2: ann")
  }).pipe(Effect.scoped)
)

it.effect("a parent hears of a child whose registration left and came back", () =>
  Effect.gen(function* () {
    const engine = yield* engineOf()
    const Child = versioned(1)
    const Parent = Orchestration.make("Parent", {
      input: {},
      output: Schema.String,
      run: () => Effect.orDie(Child.run({}))
    })
    const first = yield* registered(engine, Child.layer)
    const { services } = yield* registered(
      engine,
      Parent.layer.pipe(Layer.provide(Layer.succeedContext(first.services)))
    )
    const parent = yield* Effect.provide(Parent.start({}), services)
    const child = Child.handle(`${parent.id}/Versioned`).pipe(Effect.provide(engine))
    const { events } = yield* child
    yield* events.pipe(Stream.take(1), Stream.runDrain)
    yield* first.leave
    yield* registered(engine, Child.layer)
    yield* (yield* child).signal(Approval, { by: "ann" })
    assert.strictEqual(yield* parent.await, "1: ann")
  }).pipe(Effect.scoped)
)

it.effect("a registration that leaves while a run is accepted leaves the run to the next one", () =>
  Effect.gen(function* () {
    const { fault, reached, release } = yield* holding("append RunStarted")
    const engine = yield* engineOf(fault)
    let begun = 0
    const program = versioned(1, [], () => begun++)
    const first = yield* registered(engine, program.layer)
    const starting = yield* Effect.forkChild(Effect.provide(program.start({}), first.services))
    yield* reached
    yield* first.leave
    yield* release
    const run = yield* Fiber.join(starting)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(begun, 0)
    yield* registered(engine, program.layer)
    yield* run.signal(Approval, { by: "ann" })
    assert.strictEqual(yield* run.await, "1: ann")
  }).pipe(Effect.scoped)
)

it.effect("a registration that leaves while it takes a run over does not carry it out", () =>
  Effect.gen(function* () {
    const { fault, reached, release } = yield* holding("append RunRecovered")
    const engine = yield* engineOf(fault)
    const program = versioned(1)
    const first = yield* registered(engine, program.layer)
    const second = yield* registered(engine, program.layer)
    const run = yield* Effect.provide(program.start({}), second.services)
    yield* second.leave
    yield* TestClock.adjust("1 hour")
    yield* reached
    yield* first.leave
    yield* release
    yield* run.signal(Approval, { by: "ann" })
    yield* TestClock.adjust("1 hour")
    assert.strictEqual((yield* run.status).status, "running")
    yield* registered(engine, program.layer)
    assert.strictEqual(yield* run.await, "1: ann")
  }).pipe(Effect.scoped)
)
