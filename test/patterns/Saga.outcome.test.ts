import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Logger, Schedule, Schema } from "effect"
import { Saga } from "../../src/index.ts"

class SoldOut extends Schema.TaggedError<SoldOut>()("SoldOut", { city: Schema.String }) {}

const soldOut = Effect.fail(new SoldOut({ city: "Oslo" }))
const once = { retry: Schedule.recurs(0) }
const stuck = Effect.void.pipe(Saga.undo(() => Effect.fail("stuck"), { name: "a" }))

describe("a compensation that fails", () => {
  it.effect("S4: is the one failure of the cause, also where a sibling was interrupted", () =>
    Effect.gen(function* () {
      const mixed = Cause.combine(Cause.fail(new SoldOut({ city: "Oslo" })), Cause.interrupt(1))
      const exit = yield* stuck.pipe(
        Effect.andThen(Effect.failCause(mixed)),
        Saga.transaction("book", once),
        Effect.exit
      )
      assert.isTrue(Exit.isFailure(exit))
      const reasons = Exit.isFailure(exit) ? exit.cause.reasons : []
      assert.strictEqual(reasons.length, 1)
      assert.isTrue(Cause.isFailReason(reasons[0]!) && reasons[0].error instanceof Saga.CompensationFailed)
    })
  )

  it.effect("S4: is reached by catchTag after a defect too, which is its cause", () =>
    Effect.gen(function* () {
      const bug = new Error("bug")
      const cause = yield* stuck.pipe(
        Effect.andThen(Effect.die(bug)),
        Saga.transaction("book", once),
        Effect.catchTag("CompensationFailed", (error) => Effect.succeed(error.cause))
      )
      assert.strictEqual(cause, bug)
    })
  )

  it.effect("S3: leaves a cancellation a cancellation, and is logged", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => void logged.push(message))
      const started = yield* Deferred.make<void>()
      const fiber = yield* stuck.pipe(
        Effect.andThen(Deferred.succeed(started, undefined)),
        Effect.andThen(Effect.never),
        Saga.transaction("book", once),
        Effect.provide(Logger.layer([logger])),
        Effect.forkChild
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.include(String(logged), `Transaction "book" failed`)
    })
  )

  it.effect("survives the way through JSON", () =>
    Effect.gen(function* () {
      const error = yield* stuck.pipe(Effect.andThen(soldOut), Saga.transaction("book", once), Effect.flip)
      const json = Schema.toCodecJson(Saga.CompensationFailed)
      const encoded = yield* Schema.encodeEffect(json)(error as Saga.CompensationFailed)
      const decoded = yield* Schema.decodeUnknownEffect(json)(JSON.parse(JSON.stringify(encoded)))
      assert.deepStrictEqual(
        decoded.notUndone.map(({ step }) => step),
        ["a"]
      )
      assert.include(decoded.cause, { name: "SoldOut", _tag: "SoldOut" })
      assert.strictEqual(decoded.message, (error as Saga.CompensationFailed).message)
    })
  )
})

describe("S6: nested transactions", () => {
  const log = () => {
    const lines: Array<string> = []
    const say = (text: string) => Effect.sync(() => void lines.push(text))
    const step = (name: string) => say(name).pipe(Saga.undo(() => say(`undo ${name}`), { name }))
    return { lines, say, step }
  }

  it.effect("an inner one that failed has undone itself, once", () =>
    Effect.gen(function* () {
      const { lines, step } = log()
      yield* step("a").pipe(
        Effect.andThen(step("b").pipe(Effect.andThen(soldOut), Saga.transaction("inner"), Effect.ignore)),
        Effect.andThen(soldOut),
        Saga.transaction("outer"),
        Effect.flip
      )
      assert.deepStrictEqual(lines, ["a", "b", "undo b", "undo a"])
    })
  )

  it.effect("what an inner one leaves behind, the outer one names", () =>
    Effect.gen(function* () {
      const { say, step } = log()
      const error = yield* stuck.pipe(
        Effect.andThen(step("b")),
        Effect.andThen(say("email").pipe(Saga.irreversible)),
        Saga.transaction("inner", once),
        Effect.andThen(step("c")),
        Effect.andThen(soldOut),
        Saga.transaction("outer"),
        Effect.catchTag("CompensationFailed", Effect.succeed)
      )
      assert.deepStrictEqual(error.undone, ["c", "inner/b"])
      assert.deepStrictEqual(error.notUndone, [{ step: "inner/a", error: "stuck" }])
      assert.deepStrictEqual(error.irreversible, ["inner/step"])
    })
  )
})

describe("S2: compensate", () => {
  /** Two compensations, each of which waits for the other to have begun. */
  const meeting = Effect.gen(function* () {
    const gates = [yield* Deferred.make<void>(), yield* Deferred.make<void>()] as const
    const meet = (mine: 0 | 1) =>
      Effect.andThen(Deferred.succeed(gates[mine], undefined), Deferred.await(gates[mine === 0 ? 1 : 0]))
    return Effect.void.pipe(
      Saga.undo(() => meet(0)),
      Effect.andThen(Effect.void.pipe(Saga.undo(() => meet(1)))),
      Effect.andThen(soldOut)
    )
  })

  it.effect("parallel: all at once", () =>
    Effect.gen(function* () {
      const error = yield* (yield* meeting).pipe(Saga.transaction("book", { compensate: "parallel" }), Effect.flip)
      assert.instanceOf(error, SoldOut)
    })
  )

  it.effect("sequential: one after the other", () =>
    Effect.gen(function* () {
      const fiber = yield* (yield* meeting).pipe(Saga.transaction("book"), Effect.exit, Effect.forkDetach)
      for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
      assert.isUndefined(fiber.pollUnsafe())
    })
  )
})
