/** The invariants of `Replay`, on their own: a program is any fiber that asks at paths. */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Ref } from "effect"
import { TestClock } from "effect/testing"
import type * as Run from "../../src/core/Run.ts"
import * as Replay from "../../src/durable/Replay.ts"
import { Rest } from "../../src/durable/Rest.ts"
import type { Entry } from "../../src/durable/RunHistory.ts"
import { Seeds } from "../../src/testing/index.ts"

const entry = (path: string, type = "StepCompleted"): Entry => ({ path, type, timestamp: 0, data: {} }) as never

const make = (paths: ReadonlyArray<string | Entry>, patience: Duration.Input = "2 seconds") => {
  const mismatches: Array<Replay.Mismatch> = []
  const cancelled: Array<Entry> = []
  const rest = new Rest()
  const replay = new Replay.Replay({
    rest,
    entries: paths.map((path) => (typeof path === "string" ? entry(path) : path)),
    patience: Duration.fromInputUnsafe(patience),
    onCancelRequested: (request) => Effect.sync(() => void cancelled.push(request)),
    onMismatch: (mismatch) => Effect.sync(() => void mismatches.push(mismatch))
  })
  const heard: Array<string> = []
  /** Asks as a durable primitive does, and says what it heard. */
  const ask = (path: string) =>
    Effect.suspend(() => {
      const index = replay.find(path)
      const answer =
        index === undefined ? replay.atFrontier(path) : Effect.asVoid(Effect.uninterruptible(replay.take(index)))
      return Effect.map(answer, () => void heard.push(path))
    })
  /** Forks the program, or several fibers of it. */
  const begin = (...fibers: ReadonlyArray<Effect.Effect<unknown>>) =>
    rest.of(
      Effect.forEach(fibers, (fiber) => Effect.forkChild(fiber)),
      {} as Run.Current
    )
  return { replay, mismatches, cancelled, heard, ask, begin }
}

/** Until every fiber waits for the clock, or for another. */
const settled = Effect.forEach(Array(50), () => Effect.yieldNow, { discard: true })

const allAtOnce = { concurrency: "unbounded", discard: true } as const

it.effect("R1: answers come in journal order, whatever the order of the questions", () =>
  Seeds.forEach(10, () =>
    Effect.gen(function* () {
      const paths = ["a", "b", "c", "d", "e"]
      const { ask, begin, heard, replay } = make(paths)
      const program = yield* begin(Effect.forEach(["d", "b", "e", "a", "c"], ask, allAtOnce))
      yield* replay.pump
      yield* Fiber.joinAll(program)
      assert.deepStrictEqual(heard, paths)
    })
  )
)

it.effect("R1: an answer waits for those before it, also if they are asked for much later", () =>
  Effect.gen(function* () {
    const { ask, begin, heard, replay } = make(["a", "b"])
    const program = yield* begin(Effect.all([ask("b"), Effect.andThen(settled, ask("a"))], allAtOnce))
    yield* replay.pump
    yield* Fiber.joinAll(program)
    assert.deepStrictEqual(heard, ["a", "b"])
  })
)

it.effect("R2: before each delivery, every fiber has run until it waits", () =>
  Seeds.forEach(20, () =>
    Effect.gen(function* () {
      const { ask, begin, replay } = make(["a", "b"])
      const busy = yield* Ref.make(0)
      const seen: Array<number> = []
      // After the first answer it has much to do, in many turns, before it asks again.
      const slow = Effect.gen(function* () {
        yield* ask("a")
        for (let turn = 0; turn < 20; turn++) {
          yield* Ref.update(busy, (turns) => turns + 1)
          yield* Effect.yieldNow
        }
        yield* ask("frontier")
      })
      const other = Effect.andThen(
        ask("b"),
        Effect.map(Ref.get(busy), (turns) => seen.push(turns))
      )
      const program = yield* begin(Effect.all([slow, other], allAtOnce))
      yield* replay.pump
      yield* Fiber.joinAll(program)
      assert.deepStrictEqual(seen, [20])
    })
  )
)

it.effect("R3: a question without an answer waits until all are delivered", () =>
  Seeds.forEach(10, () =>
    Effect.gen(function* () {
      const { ask, begin, heard, replay } = make(["a", "b"])
      const program = yield* begin(
        Effect.all([ask("new"), Effect.andThen(ask("a"), ask("b")), replay.atFrontier()], allAtOnce)
      )
      yield* replay.pump
      yield* Fiber.joinAll(program)
      assert.deepStrictEqual(heard, ["a", "b", "new"])
    })
  )
)

it.effect("R4: a question that has an answer is not interrupted; one without is", () =>
  Effect.gen(function* () {
    const { ask, begin, heard, replay } = make(["first", "a"])
    const later = Effect.andThen(Effect.sleep("1 second"), ask("first"))
    const [recorded, unrecorded] = yield* begin(Effect.uninterruptible(ask("a")), ask("new"), later)
    yield* Effect.yieldNow
    const interrupting = yield* Effect.forkChild(Fiber.interrupt(recorded!))
    yield* Fiber.interrupt(unrecorded!)
    yield* Effect.yieldNow
    assert.isTrue(Exit.hasInterrupts(unrecorded!.pollUnsafe()!))
    assert.strictEqual(recorded!.pollUnsafe(), undefined)
    yield* TestClock.adjust("1 second")
    yield* replay.pump
    yield* Fiber.join(interrupting)
    assert.include(heard, "a")
  })
)

it.effect("R5: an answer that nobody asks for, while others wait, is a mismatch that names both", () =>
  Effect.gen(function* () {
    const { ask, begin, mismatches, replay } = make(["old", "a"], "2 seconds")
    yield* begin(ask("renamed"))
    const pump = yield* Effect.forkChild(replay.pump)
    yield* settled
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(mismatches, [])
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(pump)
    assert.deepStrictEqual(mismatches, [{ path: "old", expected: `StepCompleted at "old"`, found: `"renamed"` }])
  })
)

it.effect("R5: a program that asks for nothing yet is waited for, however long it takes", () =>
  Effect.gen(function* () {
    const { ask, begin, heard, mismatches, replay } = make(["a"], "2 seconds")
    const pump = yield* Effect.forkChild(replay.pump)
    yield* begin(Effect.andThen(Effect.sleep("2 hours"), ask("a")))
    yield* TestClock.adjust("1 hour")
    yield* settled
    assert.deepStrictEqual(mismatches, [])
    yield* TestClock.adjust("1 hour")
    yield* Fiber.join(pump)
    assert.deepStrictEqual(heard, ["a"])
  })
)

it.effect("R5: a question that comes late, but within the patience, is no mismatch", () =>
  Effect.gen(function* () {
    const { ask, begin, heard, mismatches, replay } = make(["a"], "2 seconds")
    yield* begin(ask("new"), Effect.delay(ask("a"), "1 second"))
    const pump = yield* Effect.forkChild(replay.pump)
    yield* TestClock.adjust("1 second")
    yield* Fiber.join(pump)
    yield* Effect.yieldNow
    assert.deepStrictEqual([heard, mismatches], [["a", "new"], []])
  })
)

it.effect("a cancel request is met at its place in the journal", () =>
  Effect.gen(function* () {
    const { ask, begin, cancelled, heard, replay } = make(["a", entry("~cancel", "RunCancelRequested"), "b"])
    const program = yield* begin(Effect.forEach(["a", "b"], ask, { discard: true }))
    yield* replay.pump
    yield* Fiber.joinAll(program)
    assert.deepStrictEqual(heard, ["a", "b"])
    assert.strictEqual(cancelled.length, 1)
  })
)
