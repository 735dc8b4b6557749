import { assert, describe, it } from "@effect/vitest"
import { Clock, DateTime, Duration, Effect, Exit, Fiber, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Agent from "../../src/core/Agent.ts"
import * as Interceptor from "../../src/core/Interceptor.ts"
import * as Task from "../../src/core/Task.ts"
import * as Saga from "../../src/patterns/saga/Saga.ts"
import * as Deadline from "../../src/policies/Deadline.ts"
import * as Timeout from "../../src/policies/Timeout.ts"

const Work = Task.make("Work", { input: {}, output: Schema.String })
const millis = Effect.map(Deadline.remaining, Duration.toMillis)

/** Moves the clock without letting anyone hear of it, as a computation does that blocks the process. */
const block = (duration: Duration.Input) =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const later = clock.currentTimeMillisUnsafe() + Duration.toMillis(duration)
    return Effect.succeed(<A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provideService(effect, Clock.Clock, {
        ...clock,
        currentTimeMillisUnsafe: () => later,
        currentTimeMillis: Effect.succeed(later),
        sleep: (duration) => clock.sleep(duration)
      })
    )
  })

describe("Deadline", () => {
  it.effect("D1: what still runs is interrupted, and the boundary says which deadline it was", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const never = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
      const agent = Agent.compose("agent", { run: (_: {}) => Effect.all([never, never], { concurrency: 2 }) })
      const leaf = Agent.make("leaf", { task: Work, run: () => never })
      const within = Deadline.within("1 second")
      const calls: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        never.pipe(within),
        agent.pipe(within).run({}),
        leaf.pipe(within).run({})
      ]
      for (const call of calls) {
        const began = yield* Clock.currentTimeMillis
        const fiber = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
        yield* TestClock.adjust("999 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        const error = yield* Fiber.join(fiber)
        assert.instanceOf(error, Deadline.DeadlineExceeded)
        assert.strictEqual(DateTime.toEpochMillis(error.deadline), began + 1000)
      }
      assert.strictEqual(interrupted, 4)
    })
  )

  it.effect("D2: the earlier one holds, is what children see, and only its own boundary fails", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const program = Effect.gen(function* () {
        assert.strictEqual(yield* millis, 1000)
        const shorter = Effect.gen(function* () {
          seen.push(`inner ${yield* millis}`)
          return yield* Effect.never
        }).pipe(Deadline.within("300 millis"))
        seen.push((yield* Effect.flip(shorter))._tag)
        const longer = Effect.gen(function* () {
          seen.push(`longer ${yield* millis}`)
          return yield* Effect.never
        }).pipe(Deadline.within("1 hour"))
        return yield* Effect.catch(longer, () => Effect.sync(() => void seen.push("never")))
      }).pipe(Deadline.within("1 second"))
      const fiber = yield* Effect.forkChild(Effect.flip(program), { startImmediately: true })
      yield* TestClock.adjust("300 millis")
      yield* TestClock.adjust("700 millis")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(DateTime.toEpochMillis(error.deadline), 1000)
      assert.deepStrictEqual(seen, ["inner 300", "DeadlineExceeded", "longer 700"])
    })
  )

  it.effect("D2: a timeout that would end later does not outlast it", () =>
    Effect.gen(function* () {
      const call = Effect.never.pipe(Timeout.after("5 seconds"), Deadline.within("1 second"))
      const fiber = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "DeadlineExceeded")
    })
  )

  it.effect("D3: a deadline that has passed lets nothing begin", () =>
    Effect.gen(function* () {
      let ran = 0
      const call = Effect.sync(() => void ran++).pipe(Deadline.at(DateTime.makeUnsafe(0)))
      assert.strictEqual((yield* Effect.flip(call))._tag, "DeadlineExceeded")
      assert.strictEqual(ran, 0)
    })
  )

  it.effect("D3: an agent that is called too late does not begin", () =>
    Effect.gen(function* () {
      let ran = 0
      const agent = Agent.make("agent", { task: Work, run: () => Effect.succeed(`${++ran}`) })
      const call = Effect.gen(function* () {
        const blocked = yield* block("2 seconds")
        return yield* blocked(Effect.all([agent.run({}), agent.run({})], { concurrency: 2 }))
      }).pipe(Deadline.within("1 second"))
      const fiber = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "DeadlineExceeded")
      assert.strictEqual(ran, 0)
    })
  )

  it.effect("D3: calls in time go on to the interceptor that was there before", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const agent = Agent.make("agent", { task: Work, run: () => Effect.succeed("done") })
      const intercept: Interceptor.Intercept = (call, proceed) =>
        Effect.andThen(
          Effect.sync(() => void seen.push(call.agent)),
          proceed(call.input)
        )
      const call = Effect.suspend(() => agent.run({})).pipe(Deadline.within("1 second"), Deadline.within("1 minute"))
      assert.strictEqual(yield* Effect.provideService(call, Interceptor.Interceptor, intercept), "done")
      assert.deepStrictEqual(seen, ["agent"])
    })
  )

  it.effect("D4: what the deadline interrupts is undone without being bound by it", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const undo = Agent.make("undo", {
        task: Work,
        run: () => Effect.map(Effect.delay(millis, "1 second"), (left) => `${seen.push(`undone, ${left} left`)}`)
      })
      const call = Effect.gen(function* () {
        yield* Effect.succeed("seat").pipe(Saga.undo(() => Effect.orDie(undo.pipe(Timeout.after("5 seconds")).run({}))))
        return yield* Effect.never
      }).pipe(Saga.transaction("book"), Deadline.within("1 second"), Deadline.within("1 minute"))
      const fiber = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "DeadlineExceeded")
      // The inner deadline is over; the outer one still holds.
      assert.deepStrictEqual(seen, ["undone, 58000 left"])
    })
  )

  it.effect("D4: an undo that is called too late waits for the deadline, and goes on", () =>
    Effect.gen(function* () {
      let undone = 0
      const undo = Agent.make("undo", { task: Work, run: () => Effect.succeed(`${++undone}`) })
      const call = Effect.flatMap(block("2 seconds"), (blocked) => Effect.uninterruptible(blocked(undo.run({})))).pipe(
        Deadline.within("1 second")
      )
      const fiber = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      assert.strictEqual(undone, 1)
    })
  )

  it.effect("D4: what undoes for one deadline is still bound by the one around it", () =>
    Effect.gen(function* () {
      let undone = 0
      const undo = Agent.make("undo", { task: Work, run: () => Effect.succeed(`${++undone}`) })
      const lateUndo = Effect.flatMap(block("10 seconds"), (blocked) => Effect.orDie(blocked(undo.run({}))))
      const call = Effect.onInterrupt(Effect.never, () => lateUndo).pipe(
        Deadline.within("1 second"),
        Deadline.within("2 seconds")
      )
      const fiber = yield* Effect.forkChild(Effect.exit(call), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(undone, 0)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      assert.strictEqual(undone, 1)
    })
  )

  it.effect("exempt: no deadline is in force, and no call of an agent is too late", () =>
    Effect.gen(function* () {
      const agent = Agent.make("agent", { task: Work, run: () => Effect.map(millis, String) })
      const call = Effect.flatMap(block("2 seconds"), (blocked) => blocked(agent.pipe(Deadline.exempt).run({}))).pipe(
        Deadline.within("1 second")
      )
      assert.strictEqual(yield* call, "Infinity")
    })
  )

  it.effect("outside of any, there is none; inside, children can pass it on", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* millis, Infinity)
      assert.isTrue(Option.isNone(yield* Deadline.current))
      const inside = yield* Deadline.current.pipe(Deadline.at(DateTime.makeUnsafe(5000)))
      assert.strictEqual(DateTime.toEpochMillis(Option.getOrThrow(inside)), 5000)
    })
  )

  it.effect("its error has a schema, whatever fraction of a millisecond it was given", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(Effect.never.pipe(Deadline.within(1.5))), {
        startImmediately: true
      })
      yield* TestClock.adjust(2)
      const codec = Schema.toCodecJson(Deadline.DeadlineExceeded)
      const error = yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(codec)(yield* Schema.encodeEffect(codec)(error)), error)
    })
  )

  it("a deadline that cannot hold is refused when it is written", () => {
    assert.throws(() => Deadline.within(0), "deadline must be positive and finite, got 0")
  })
})
