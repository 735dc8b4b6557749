import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Random, Schedule, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Run from "../../src/core/Run.ts"
import * as StepPath from "../../src/core/StepPath.ts"
import { Agent, Saga, Task } from "../../src/index.ts"

class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", {}) {}

const turns = (count: number) => Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true })

/** A run that keeps the promise of `Run.step` and nothing else: the record takes turns and cannot be interrupted. */
const fakeRun = () => {
  const state = {
    recorded: [] as Array<string>,
    notes: [] as Array<Run.Note>,
    sleeps: [] as Array<string>,
    abandoned: false
  }
  const opening = (restore: Run.Reopen) => Effect.map(Run.InterruptibleBody, (reopen) => reopen ?? restore)
  const run: Run.Run = {
    runId: "fake",
    step: (scope, spec) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const path = StepPath.next(scope, spec.segment)
          const open = yield* opening(restore)
          const value = yield* open(Run.detached(spec.attempt({ attempt: 1, idempotencyKey: path })))
          yield* turns(3)
          state.recorded.push(path)
          yield* turns(3)
          return value
        })
      ),
    sleep: (scope, segment, duration) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          state.sleeps.push(StepPath.next(scope, segment))
          yield* (yield* opening(restore))(Effect.sleep(duration))
        })
      ),
    receive: () => Effect.never,
    note: (_, note) => Effect.sync(() => void state.notes.push(note)),
    patched: () => Effect.succeed(true),
    whileOwned: (effect) => effect,
    isAbandoned: () => state.abandoned,
    time: { now: Effect.succeed(0), clock: Effect.succeed(0) }
  }
  const inRun = Effect.provideService(Run.CurrentRun, { run, scope: StepPath.makeScope("") })
  return { inRun, run, state }
}

const Word = Schema.Struct({ word: Schema.String })
const Note = Task.make("Note", { input: Word, output: Word, error: SoldOut })
const agent = (name: string, body: Effect.Effect<unknown, SoldOut> = turns(2)) =>
  Agent.make(name, { task: Note, run: (input) => Effect.as(body, input) })

const word = { word: "x" }
const names = ["a", "b", "c"]

/** Three steps, one of them in a nested transaction. */
const threeSteps = (
  undo: (name: string) => Effect.Effect<unknown, unknown>,
  step: (name: string) => Effect.Effect<unknown, any>
) =>
  Effect.gen(function* () {
    yield* step("a").pipe(Saga.undo(() => undo("a"), { name: "a" }))
    yield* step("b").pipe(
      Saga.undo(() => undo("b"), { name: "b" }),
      Saga.transaction("inner")
    )
    yield* step("c").pipe(Saga.undo(() => undo("c"), { name: "c" }))
    yield* Effect.never
  }).pipe(Saga.transaction("book"))

/** Starts the effect, lets it take so many turns, and interrupts it. */
const interruptedAfter = (count: number, effect: Effect.Effect<unknown, any>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* turns(count)
    yield* Fiber.interrupt(fiber)
    return yield* Fiber.await(fiber)
  })

describe("S5: wherever an interruption strikes, every completed step is undone", () => {
  it.effect("in a run, where completed means recorded", () =>
    Effect.gen(function* () {
      const seen = new Set<number>()
      for (let count = 0; count < 60; count++) {
        const { inRun, state } = fakeRun()
        const exit = yield* interruptedAfter(
          count,
          inRun(
            threeSteps(
              (name) => agent(`un${name}`).run(word),
              (name) => Effect.tap(agent(name).run(word), turns(2))
            )
          )
        )
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        const done = names.filter((name) => state.recorded.some((path) => path.endsWith(`/${name}`)))
        const undone = state.recorded.map((path) => path.split("/").at(-1)!).filter((name) => name.startsWith("un"))
        assert.deepStrictEqual(
          undone,
          done.toReversed().map((name) => `un${name}`),
          `after ${count} turns`
        )
        seen.add(done.length)
      }
      assert.deepStrictEqual([...seen].toSorted(), [0, 1, 2, 3], "the sweep reached every stage")
    })
  )

  it.effect("outside a run", () =>
    Effect.gen(function* () {
      const seen = new Set<number>()
      for (let count = 0; count < 40; count++) {
        const log: Array<string> = []
        const say = (text: string) => Effect.sync(() => void log.push(text))
        yield* interruptedAfter(
          count,
          threeSteps(
            (name) => Effect.andThen(turns(2), say(`un${name}`)),
            (name) => Effect.andThen(turns(3), say(name))
          )
        )
        const done = log.filter((text) => names.includes(text))
        const undone = log.filter((text) => text.startsWith("un"))
        assert.deepStrictEqual(
          undone,
          done.toReversed().map((name) => `un${name}`),
          `after ${count} turns`
        )
        seen.add(done.length)
      }
      assert.deepStrictEqual([...seen].toSorted(), [0, 1, 2, 3], "the sweep reached every stage")
    })
  )

  it.effect("among parallel branches, by a seed", () =>
    Effect.gen(function* () {
      for (let round = 0; round < 100; round++) {
        const { inRun, state } = fakeRun()
        const lengths = yield* Effect.forEach(names, () => Random.nextIntBetween(0, 12))
        const branch = (name: string, index: number) =>
          agent(name, turns(lengths[index]!))
            .run(word)
            .pipe(Saga.undo(() => agent(`un${name}`).run(word)))
        const program = Effect.andThen(Effect.forEach(names, branch, { concurrency: "unbounded" }), Effect.never)
        yield* interruptedAfter(yield* Random.nextIntBetween(0, 30), inRun(program.pipe(Saga.transaction("book"))))
        const last = state.recorded.map((path) => path.split("/").at(-1)!)
        const done = last.filter((name) => !name.startsWith("un"))
        assert.deepStrictEqual(
          last.filter((name) => name.startsWith("un")),
          done.toReversed().map((name) => `un${name}`)
        )
      }
    }).pipe(Random.withSeed("saga"))
  )

  it.effect("the body of a step is interrupted, not waited for", () =>
    Effect.gen(function* () {
      const { inRun, state } = fakeRun()
      const exit = yield* interruptedAfter(
        5,
        inRun(
          agent("a", Effect.never)
            .run(word)
            .pipe(
              Saga.undo(() => Effect.void),
              Saga.transaction("book")
            )
        )
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(state.recorded, [])
    })
  )

  it.effect("what was uninterruptible stays so under undo", () =>
    Effect.gen(function* () {
      const { inRun, state } = fakeRun()
      const step = agent("a", turns(10))
        .run(word)
        .pipe(
          Saga.undo(() => Effect.void),
          Effect.uninterruptible
        )
      yield* interruptedAfter(5, inRun(step.pipe(Saga.transaction("book"))))
      assert.deepStrictEqual(state.recorded, ["book/a"])
    })
  )

  it.effect("a compensation is not interrupted by a further interruption", () =>
    Effect.gen(function* () {
      const { inRun, state } = fakeRun()
      const fiber = yield* Effect.forkChild(
        inRun(
          agent("a")
            .run(word)
            .pipe(
              Saga.undo(() => agent("una", turns(20)).run(word)),
              Effect.andThen(Effect.fail(new SoldOut())),
              Saga.transaction("book")
            )
        )
      )
      yield* turns(20)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(state.recorded, ["book/a", "book/undo a/una"])
    })
  )
})

describe("S3: a run whose owner is gone", () => {
  const step = (name: string, undo: Effect.Effect<unknown, unknown>) =>
    agent(name)
      .run(word)
      .pipe(Saga.undo(() => undo))

  it.effect("compensates nothing, and its exit stays as it was", () =>
    Effect.gen(function* () {
      const { inRun, state } = fakeRun()
      let undone = 0
      const exit = yield* step(
        "a",
        Effect.sync(() => undone++)
      ).pipe(
        Effect.andThen(Effect.sync(() => (state.abandoned = true))),
        Effect.andThen(Effect.fail(new SoldOut())),
        Saga.transaction("book"),
        inRun,
        Effect.exit
      )
      assert.deepStrictEqual(exit, Exit.fail(new SoldOut()))
      assert.strictEqual(undone, 0)
      assert.deepStrictEqual(state.notes, [])
    })
  )

  it.effect("stops between two compensations", () =>
    Effect.gen(function* () {
      const { inRun, state } = fakeRun()
      const undone: Array<string> = []
      const exit = yield* step(
        "a",
        Effect.sync(() => undone.push("a"))
      ).pipe(
        Effect.andThen(
          step(
            "b",
            Effect.sync(() => {
              undone.push("b")
              state.abandoned = true
            })
          )
        ),
        Effect.andThen(Effect.fail(new SoldOut())),
        Saga.transaction("book"),
        inRun,
        Effect.exit
      )
      assert.deepStrictEqual(exit, Exit.fail(new SoldOut()))
      assert.deepStrictEqual(undone, ["b"])
      assert.deepStrictEqual(
        state.notes.map(({ type }) => type),
        ["CompensationStarted"]
      )
    })
  )
})

describe("what a run records", () => {
  it.effect("notes before and after, and waits of the retry as timers of the compensation", () =>
    Effect.gen(function* () {
      const { inRun, state } = fakeRun()
      let tries = 0
      const flaky = Effect.suspend(() => (++tries < 3 ? Effect.fail("not yet") : Effect.void))
      const fiber = yield* agent("a")
        .run(word)
        .pipe(
          Saga.undo(() => flaky, { retry: Schedule.spaced("1 hour") }),
          Effect.andThen(agent("b").run(word).pipe(Saga.irreversible)),
          Effect.andThen(Effect.fail(new SoldOut())),
          Saga.transaction("book"),
          inRun,
          Effect.flip,
          Effect.forkChild
        )
      yield* turns(40)
      yield* TestClock.adjust("119 minutes")
      assert.strictEqual(tries, 2)
      yield* TestClock.adjust("1 minutes")
      assert.instanceOf(yield* Fiber.join(fiber), Saga.CompensationFailed)
      assert.deepStrictEqual(state.sleeps, ["book/undo a/backoff", "book/undo a/backoff#2"])
      assert.deepStrictEqual(state.notes, [
        { type: "CompensationStarted", data: { transaction: "book", steps: ["b", "a"] } },
        { type: "CompensationCompleted", data: { transaction: "book", undone: ["a"], notUndone: ["b"] } }
      ])
    })
  )

  it.effect("each compensation at a place given away when its step succeeded", () =>
    Effect.gen(function* () {
      const { inRun, state } = fakeRun()
      const seat = agent("seat")
        .run(word)
        .pipe(Saga.undo(() => agent("release").run(word)))
      yield* seat.pipe(
        Effect.andThen(seat),
        Effect.andThen(seat.pipe(Saga.transaction("inner"))),
        Effect.andThen(Effect.fail(new SoldOut())),
        Saga.transaction("book"),
        inRun,
        Effect.flip
      )
      assert.deepStrictEqual(state.recorded.slice(3), [
        "book/inner/undo seat/release",
        "book/undo seat#2/release",
        "book/undo seat/release"
      ])
      assert.deepStrictEqual(state.notes[0]?.data.steps, ["inner/seat", "seat#2", "seat"])
    })
  )
})

describe("S7: a step that succeeds after its transaction has ended", () => {
  const lateStep = Effect.gen(function* () {
    const log: Array<string> = []
    const gate = yield* Deferred.make<void>()
    const fiber = yield* Deferred.await(gate).pipe(
      Saga.undo(() => Effect.sync(() => log.push("undone"))),
      Effect.forkDetach({ startImmediately: true }),
      Saga.transaction("book")
    )
    yield* Deferred.succeed(gate, undefined)
    return { exit: yield* Fiber.await(fiber), log }
  })

  it.effect("is undone at once, and its fiber dies", () =>
    Effect.gen(function* () {
      const { exit, log } = yield* lateStep
      assert.deepStrictEqual(log, ["undone"])
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), `after transaction "book" had ended`)
    })
  )

  it.effect("so an undo of a compensation shows, and is not lost", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const say = (text: string) => Effect.sync(() => void log.push(text))
      const error = yield* say("a").pipe(
        Saga.undo(() => say("undo a").pipe(Saga.undo(() => say("undo undo a"))), {
          name: "a",
          retry: Schedule.recurs(0)
        }),
        Effect.andThen(Effect.fail(new SoldOut())),
        Saga.transaction("book"),
        Effect.flip
      )
      assert.deepStrictEqual(log, ["a", "undo a", "undo undo a"])
      assert.instanceOf(error, Saga.CompensationFailed)
    })
  )
})

describe("S8: the body of a step", () => {
  it.effect("keeps a transaction in it to itself", () =>
    Effect.gen(function* () {
      const { inRun } = fakeRun()
      const log: Array<string> = []
      const say = (text: string) => Effect.sync(() => void log.push(text))
      const inner = say("x").pipe(
        Saga.undo(() => say("undo x")),
        Saga.transaction("inner"),
        Effect.orDie
      )
      yield* agent("body", inner)
        .run(word)
        .pipe(
          Saga.undo(() => say("undo body")),
          Effect.andThen(Effect.fail(new SoldOut())),
          Saga.transaction("outer"),
          inRun,
          Effect.flip
        )
      assert.deepStrictEqual(log, ["x", "undo body"])
    })
  )

  it.effect("cannot register with a transaction around it", () =>
    Effect.gen(function* () {
      const { inRun } = fakeRun()
      let ran = false
      const body = Agent.make("body", {
        task: Note,
        run: (input) => Effect.as(Effect.sync(() => (ran = true)).pipe(Saga.undo(() => Effect.void)), input)
      })
      const exit = yield* body.run(word).pipe(Saga.transaction("outer"), inRun, Effect.exit)
      assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), "put it around the call of the agent")
      assert.isFalse(ran)
    })
  )
})
