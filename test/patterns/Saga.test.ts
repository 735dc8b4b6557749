import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, Engine, Orchestration, RunCancelled, Saga, Signal, Task } from "../../src/index.ts"

class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", {}) {}
class Stuck extends Schema.TaggedError<Stuck>()("Stuck", { step: Schema.String }) {}

/** A step that writes down what it does, and its undo that does too. */
const world = () => {
  const log: Array<string> = []
  const say = (text: string) => Effect.sync(() => void log.push(text))
  const step = (name: string) => Effect.as(say(name), name).pipe(Saga.undo(() => say(`undo ${name}`), { name }))
  return { log, say, step }
}

const once = { retry: Schedule.recurs(0) }

describe("S1, S2: what succeeded is undone, in reverse order", () => {
  it.effect("on failure, which stays as it was", () =>
    Effect.gen(function* () {
      const { log, step } = world()
      const exit = yield* Effect.exit(
        Effect.gen(function* () {
          yield* step("a")
          yield* step("b")
          yield* Effect.fail(new SoldOut()).pipe(Saga.undo(() => Effect.sync(() => void log.push("undo c"))))
        }).pipe(Saga.transaction("book"))
      )
      assert.deepStrictEqual(exit, Exit.fail(new SoldOut()))
      assert.deepStrictEqual(log, ["a", "b", "undo b", "undo a"])
    })
  )

  it.effect("nothing on success", () =>
    Effect.gen(function* () {
      const { log, step } = world()
      assert.strictEqual(yield* step("a").pipe(Saga.transaction("book")), "a")
      assert.deepStrictEqual(log, ["a"])
    })
  )

  it.effect("steps of parallel branches in reverse order of their success", () =>
    Effect.gen(function* () {
      const { log, say, step } = world()
      const gate = yield* Deferred.make<void>()
      const slow = Effect.andThen(Deferred.await(gate), step("slow"))
      const fast = Effect.andThen(step("fast"), Deferred.succeed(gate, undefined))
      yield* Effect.andThen(
        Effect.all([slow, fast], { concurrency: 2 }),
        Effect.andThen(say("fails"), Effect.fail(new SoldOut()))
      ).pipe(Saga.transaction("book"), Effect.flip)
      assert.deepStrictEqual(log, ["fast", "slow", "fails", "undo slow", "undo fast"])
    })
  )
})

describe("S3: however the program ends without success", () => {
  it.effect("by a defect", () =>
    Effect.gen(function* () {
      const { log, step } = world()
      const exit = yield* Effect.exit(Effect.andThen(step("a"), Effect.die("bug")).pipe(Saga.transaction("book")))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.deepStrictEqual(log, ["a", "undo a"])
    })
  )

  it.effect("by interruption", () =>
    Effect.gen(function* () {
      const { log, step } = world()
      const fiber = yield* Effect.forkChild(Effect.andThen(step("a"), Effect.never).pipe(Saga.transaction("book")))
      while (log.length === 0) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(log, ["a", "undo a"])
    })
  )
})

describe("S4: a compensation that fails does not stop the others", () => {
  const stuck = Effect.gen(function* () {
    const { log, say, step } = world()
    const error = yield* Effect.gen(function* () {
      yield* step("a")
      yield* say("b").pipe(Saga.undo(() => Effect.fail(new Stuck({ step: "b" })), { name: "b" }))
      yield* step("c")
      yield* Effect.fail(new SoldOut())
    }).pipe(
      Saga.transaction("book", once),
      Effect.catchTag("CompensationFailed", (error) => Effect.succeed(error))
    )
    return { error: error!, log }
  })

  it.effect("and the error says what was and was not undone, and why it all began", () =>
    Effect.gen(function* () {
      const { error, log } = yield* stuck
      assert.deepStrictEqual(log, ["a", "b", "c", "undo c", "undo a"])
      assert.deepStrictEqual(error.undone, ["c", "a"])
      assert.strictEqual(error.notUndone[0]?.step, "b")
      assert.instanceOf(error.notUndone[0]?.error, Stuck)
      assert.instanceOf(error.cause, SoldOut)
      assert.include(error.message, `"b"`)
    })
  )

  it.effect("a step that cannot be undone is named", () =>
    Effect.gen(function* () {
      const { log, say, step } = world()
      const error = yield* Effect.gen(function* () {
        yield* step("a")
        yield* say("email").pipe(Saga.irreversible)
        yield* Effect.fail(new SoldOut())
      }).pipe(Saga.transaction("book"), Effect.flip)
      assert.deepStrictEqual(log, ["a", "email", "undo a"])
      assert.instanceOf(error, Saga.CompensationFailed)
      assert.strictEqual((error as Saga.CompensationFailed).irreversible.length, 1)
    })
  )

  it.effect("a compensation is tried by the schedule", () =>
    Effect.gen(function* () {
      let tries = 0
      const fiber = yield* Effect.void.pipe(
        Saga.undo(() => Effect.suspend(() => (++tries < 3 ? Effect.fail("not yet") : Effect.void))),
        Effect.andThen(Effect.fail(new SoldOut())),
        Saga.transaction("book"),
        Effect.flip,
        Effect.forkChild
      )
      yield* TestClock.adjust("10 seconds")
      assert.instanceOf(yield* Fiber.join(fiber), SoldOut)
      assert.strictEqual(tries, 3)
    })
  )
})

it.effect("S6: a transaction inside another one is undone with it", () =>
  Effect.gen(function* () {
    const { log, step } = world()
    yield* Effect.gen(function* () {
      yield* step("a")
      yield* Effect.andThen(step("b"), step("c")).pipe(Saga.transaction("inner"))
      yield* Effect.fail(new SoldOut())
    }).pipe(Saga.transaction("outer"), Effect.flip)
    assert.deepStrictEqual(log, ["a", "b", "c", "undo c", "undo b", "undo a"])
  })
)

describe("in a run", () => {
  const Word = Schema.Struct({ word: Schema.String })
  const Note = Task.make("Note", { input: Word, output: Word, error: SoldOut })
  const Go = Signal.make("go", {})

  const agents = (log: Array<string>) => {
    const agent = (name: string) =>
      Agent.make(name, {
        task: Note,
        run: (input) =>
          Effect.sync(() => {
            log.push(`${name} ${input.word}`)
            return input
          })
      })
    const failing = Agent.make("pay", { task: Note, run: () => Effect.fail(new SoldOut()) })
    return { seat: agent("seat"), release: agent("release"), room: agent("room"), leave: agent("leave"), failing }
  }

  const Trip = (log: Array<string>, wait: boolean) => {
    const { failing, leave, release, room, seat } = agents(log)
    return Orchestration.make("Trip", {
      input: {},
      output: Word,
      error: Schema.Union([SoldOut, Saga.CompensationFailed]),
      key: () => "one",
      run: () =>
        Effect.gen(function* () {
          yield* seat.run({ word: "12A" }).pipe(Saga.undo((value) => release.run(value)))
          yield* room.run({ word: "7" }).pipe(Saga.undo((value) => leave.run(value)))
          if (wait) yield* Signal.await(Go)
          return yield* failing.run({ word: "now" })
        }).pipe(Saga.transaction("book"), Effect.catchTag("ContractViolation", Effect.die))
    })
  }

  it.effect("compensations are recorded steps, named by the step they undo", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const trip = Trip(log, false)
      const events = yield* Effect.gen(function* () {
        const handle = yield* trip.start({})
        assert.instanceOf(yield* Effect.flip(handle.await), SoldOut)
        return yield* Stream.runCollect((yield* Engine).events(handle.id))
      }).pipe(Effect.provide(trip.layer.pipe(Layer.provideMerge(Memory.layer))))
      assert.deepStrictEqual(log, ["seat 12A", "room 7", "leave 7", "release 12A"])
      assert.deepStrictEqual(
        events.filter(({ type }) => type === "StepCompleted").map(({ meta }) => meta.path),
        ["book/seat", "book/room", "book/undo room/leave", "book/undo seat/release"]
      )
    })
  )

  it.effect("S3: cancelling a run undoes it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const trip = Trip(log, true)
      yield* Effect.gen(function* () {
        const handle = yield* trip.start({})
        while (!log.includes("room 7")) yield* Effect.yieldNow
        yield* handle.cancel()
        assert.instanceOf(yield* Effect.flip(handle.await), RunCancelled)
      }).pipe(Effect.provide(trip.layer.pipe(Layer.provideMerge(Memory.layer))))
      assert.deepStrictEqual(log, ["seat 12A", "room 7", "leave 7", "release 12A"])
    })
  )

  it.effect("S3: stopping the engine undoes nothing, and the next one can still cancel", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const trip = Trip(log, true)
      const state = Memory.makeState()
      const inRuntime = <A, E>(effect: Effect.Effect<A, E, Engine | Orchestration.Registered<"Trip">>) =>
        Effect.provide(effect, Layer.fresh(trip.layer.pipe(Layer.provideMerge(Memory.layerOf(state)))), { local: true })
      yield* inRuntime(
        Effect.gen(function* () {
          yield* trip.start({})
          while (!log.includes("room 7")) yield* Effect.yieldNow
        })
      )
      assert.deepStrictEqual(log, ["seat 12A", "room 7"])
      yield* inRuntime(
        Effect.gen(function* () {
          const handle = yield* trip.start({})
          yield* handle.cancel()
          assert.instanceOf(yield* Effect.flip(handle.await), RunCancelled)
        })
      )
      assert.deepStrictEqual(log, ["seat 12A", "room 7", "leave 7", "release 12A"])
    })
  )
})

it.effect("S3: an engine that stops does not wait for a compensation that waits", () =>
  Effect.gen(function* () {
    let tries = 0
    const stuck = Agent.make("stuck", {
      task: Task.make("Stuck", { input: {}, output: Schema.Struct({}), error: SoldOut }),
      run: () => Effect.suspend(() => (tries++, Effect.fail(new SoldOut())))
    })
    const Trip = Orchestration.make("Trip", {
      input: {},
      output: Schema.String,
      error: Schema.Union([SoldOut, Saga.CompensationFailed]),
      run: () =>
        Effect.void.pipe(
          Saga.undo(() => stuck.run({})),
          Effect.andThen(Effect.fail(new SoldOut())),
          Saga.transaction("book", { retry: Schedule.spaced("1 hour") })
        )
    })
    yield* Effect.gen(function* () {
      yield* Trip.start({})
      while (tries === 0) yield* Effect.yieldNow
    }).pipe(Effect.provide(Trip.layer.pipe(Layer.provideMerge(Memory.layer))))
    assert.strictEqual(tries, 1)
  })
)
