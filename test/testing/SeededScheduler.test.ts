import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import * as TestClock from "effect/testing/TestClock"
import * as SeededScheduler from "../../src/testing/SeededScheduler.ts"
import * as Seeds from "../../src/testing/Seeds.ts"

const seeds = Array.from({ length: 100 }, (_, index) => index + 1)

const audit = Effect.sync(() => {})

/** A check and a write with a gap between them: two withdrawals may both see the money. */
const withdrawTwice = Effect.gen(function* () {
  const steps: Array<string> = []
  let balance = 10
  const withdraw = Effect.fnUntraced(function* (who: string) {
    const seen = balance
    steps.push(`${who} looks`)
    yield* audit
    yield* audit
    if (seen < 10) return false
    balance = seen - 10
    steps.push(`${who} takes`)
    return true
  })
  const paid = yield* Effect.all([withdraw("a"), withdraw("b")], { concurrency: 2 })
  return { steps: steps.join(", "), overdrawn: paid.every(Boolean) }
})

/** The same with the gap closed. */
const withdrawSafely = Effect.gen(function* () {
  const lock = yield* Semaphore.make(1)
  const balance = yield* Ref.make(10)
  const withdraw = Effect.gen(function* () {
    if ((yield* Ref.get(balance)) < 10) return false
    yield* Ref.update(balance, (money) => money - 10)
    return true
  }).pipe(lock.withPermits(1))
  return yield* Effect.all([withdraw, withdraw], { concurrency: 2 })
})

/** Three fibers, a queue, random numbers and a clock, written down as they go. */
const busy = Effect.gen(function* () {
  const steps: Array<string> = []
  const queue = yield* Queue.unbounded<number>()
  const producer = (name: string) =>
    Effect.gen(function* () {
      for (let i = 0; i < 3; i++) {
        const number = yield* Random.nextIntBetween(0, 100)
        steps.push(`${name} offers ${number}`)
        yield* Queue.offer(queue, number)
        yield* Effect.sleep("1 second")
      }
    })
  const consumer = Effect.gen(function* () {
    for (let i = 0; i < 6; i++) steps.push(`took ${yield* Queue.take(queue)}`)
  })
  const all = yield* Effect.forkChild(Effect.all([producer("a"), producer("b"), consumer], { concurrency: 3 }))
  for (let i = 0; i < 3; i++) yield* TestClock.adjust("1 second")
  yield* Fiber.join(all)
  return steps.join(", ")
})

const traces = <A>(program: Effect.Effect<A, unknown>, order: ReadonlyArray<number> = seeds) =>
  Effect.forEach(order, (seed) => Seeds.one(seed, () => program))

describe("SeededScheduler", () => {
  it.effect("C1: the same seed gives the same steps in the same order", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* traces(withdrawTwice), yield* traces(withdrawTwice))
      assert.deepStrictEqual(yield* traces(busy), yield* traces(busy))
    })
  )

  it.effect("C1: a seed does not depend on the seeds before it", () =>
    Effect.gen(function* () {
      const all = yield* traces(busy)
      const backwards = yield* traces(busy, seeds.toReversed())
      assert.deepStrictEqual(backwards.toReversed(), all)
    })
  )

  it.effect("different seeds give different interleavings", () =>
    Effect.gen(function* () {
      const distinct = new Set((yield* traces(withdrawTwice)).map(({ steps }) => steps))
      assert.includeMembers(
        [...distinct],
        [
          "a looks, a takes, b looks",
          "b looks, b takes, a looks",
          "a looks, b looks, a takes, b takes",
          "a looks, b looks, b takes, a takes"
        ]
      )
    })
  )

  it.effect("finds a race that the default scheduler misses, and says under which seed", () =>
    Effect.gen(function* () {
      const check = Effect.map(withdrawTwice, ({ overdrawn }) => assert.isFalse(overdrawn, "overdrawn"))
      for (const _ of seeds) yield* check
      const error = yield* Effect.flip(Seeds.forEach(seeds.length, () => check))
      assert.instanceOf(error, Seeds.SeedFailed)
      assert.match(error.message, /^Seed \d+ failed: overdrawn/)
      assert.strictEqual((yield* Effect.flip(Seeds.one(error.seed, () => check))).message, error.message)
    })
  )

  it.effect("finds none where there is none", () =>
    Seeds.forEach(200, () =>
      Effect.map(withdrawSafely, (paid) => assert.deepStrictEqual(paid.toSorted(), [false, true]))
    )
  )

  it.effect("layer does the same for what is built on it", () =>
    Effect.gen(function* () {
      const program = Effect.zip(Random.nextInt, withdrawTwice)
      const distinct = new Set<string>()
      for (const seed of seeds) {
        const provided = Effect.provide(program, SeededScheduler.layer(seed), { local: true })
        const [number, trace] = yield* provided
        assert.deepStrictEqual([number, trace], yield* provided)
        assert.strictEqual(number, yield* SeededScheduler.withSeed(seed)(Random.nextInt))
        distinct.add(trace.steps)
      }
      assert.isAbove(distinct.size, 2)
    })
  )

  it.effect("withSeed makes its lots anew for each run of the effect", () =>
    Effect.gen(function* () {
      const program = SeededScheduler.withSeed(7)(withdrawTwice)
      assert.deepStrictEqual(yield* program, yield* program)
    })
  )

  it.live("C2: every task runs once, also when another one throws", () =>
    Effect.gen(function* () {
      for (const seed of seeds) {
        const dispatcher = SeededScheduler.make(seed).makeDispatcher()
        const done: Array<number> = []
        const all = yield* Deferred.make<void>()
        const thrown = yield* uncaught(() => {
          for (let task = 0; task < 40; task++) {
            dispatcher.scheduleTask(() => {
              done.push(task)
              if (done.length === 40) Deferred.doneUnsafe(all, Exit.void)
              if (task === 3) throw new Error("bug")
            }, task % 2)
          }
        }, Deferred.await(all))
        assert.strictEqual(thrown, 1)
        assert.deepStrictEqual(
          done.toSorted((a, b) => a - b),
          Array.from({ length: 40 }, (_, task) => task)
        )
      }
    })
  )

  it.effect("C3: a fiber that waits by yielding does not starve what it waits for", () =>
    Seeds.forEach(20, () =>
      Effect.gen(function* () {
        let done = false
        const waiter = yield* Effect.forkChild(
          Effect.whileLoop({ while: () => !done, body: () => Effect.yieldNow, step: () => {} })
        )
        yield* Effect.forkChild(
          Effect.andThen(
            Effect.yieldNowWith(10),
            Effect.sync(() => void (done = true))
          )
        )
        yield* Fiber.join(waiter)

        let settled = false
        const spinner = yield* Effect.forkChild(
          Effect.whileLoop({ while: () => !settled, body: () => Effect.yieldNow, step: () => {} })
        )
        yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
        settled = true
        yield* Fiber.join(spinner)
      })
    )
  )

  it("C4: flush runs its own tasks, and those they schedule, before it returns", () => {
    for (const seed of seeds) {
      const scheduler = SeededScheduler.make(seed)
      const [mine, theirs] = [scheduler.makeDispatcher(), scheduler.makeDispatcher()]
      const done: Array<string> = []
      theirs.scheduleTask(() => done.push("theirs"), 0)
      mine.scheduleTask(() => {
        done.push("first")
        mine.scheduleTask(() => {
          done.push("second")
          mine.flush()
        }, 0)
      }, 0)
      mine.scheduleTask(() => done.push("other"), 0)
      mine.flush()
      assert.sameMembers(done, ["first", "second", "other"])
      mine.flush()
      theirs.flush()
      assert.sameMembers(done, ["first", "second", "other", "theirs"])
    }
  })

  it("lower priorities go first, but not without exception", () => {
    const firsts = seeds.map((seed) => {
      const dispatcher = SeededScheduler.make(seed).makeDispatcher()
      const done: Array<number> = []
      for (const priority of [10, 0, 0]) dispatcher.scheduleTask(() => done.push(priority), priority)
      dispatcher.flush()
      return done[0]
    })
    const zeros = firsts.filter((priority) => priority === 0).length
    assert.isAtLeast(zeros, 80)
    assert.isBelow(zeros, 100)
  })
})

describe("Seeds", () => {
  it.effect("runs the seeds 1 to n, each with a clock that starts anew", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      yield* Seeds.forEach(5, (seed) =>
        Effect.gen(function* () {
          assert.strictEqual(yield* Effect.clockWith((clock) => clock.currentTimeMillis), 0)
          yield* TestClock.adjust("1 hour")
          seen.push(seed)
        })
      )
      assert.deepStrictEqual(seen, [1, 2, 3, 4, 5])
    })
  )

  it.effect("adjust waits for the fibers it wakes", () =>
    Seeds.forEach(50, () =>
      Effect.gen(function* () {
        let woken = 0
        yield* Effect.forEach([1, 2, 3], () =>
          Effect.forkChild(
            Effect.andThen(
              Effect.sleep("1 second"),
              Effect.sync(() => void woken++)
            )
          )
        )
        yield* TestClock.adjust("1 second")
        assert.strictEqual(woken, 3)
      })
    )
  )

  it.effect("closes scopes and builds layers for each seed", () =>
    Effect.gen(function* () {
      class Store extends Context.Service<Store, { readonly items: Array<number> }>()("test/Store") {}
      const layer = Layer.sync(Store, () => ({ items: new Array<number>() }))
      let closed = 0
      const program = Seeds.forEach(5, (seed) =>
        Effect.gen(function* () {
          yield* Effect.addFinalizer(() => Effect.sync(() => void closed++))
          const { items } = yield* Store
          items.push(seed)
          assert.deepStrictEqual(items, [seed])
        }).pipe(Effect.provide(layer))
      )
      yield* Effect.provide(program, layer)
      assert.strictEqual(closed, 5)
    })
  )

  it.effect("a typed failure becomes the cause, and stops the seeds", () =>
    Effect.gen(function* () {
      let runs = 0
      const error = yield* Effect.flip(
        Seeds.forEach(9, (seed) =>
          Effect.suspend(() => (++runs, seed === 3 ? Effect.fail(new Error("boom")) : Effect.void))
        )
      )
      assert.strictEqual(error.message, "Seed 3 failed: boom")
      assert.strictEqual(runs, 3)
    })
  )

  it.effect("a seed that never ends is named when the test gives up", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => void lines.push(message))
      const fiber = yield* Seeds.forEach(9, (seed) => (seed === 4 ? Effect.never : Effect.void)).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.forkChild
      )
      for (let i = 0; i < 50; i++) yield* Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.include(lines.flat().join(), "Seed 4 was interrupted")
    })
  )
})

/** Counts what is thrown outside of any fiber until `end`, in place of vitest. */
const uncaught = (start: () => void, end: Effect.Effect<void>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const listeners = process.listeners("uncaughtException")
      let count = 0
      process.removeAllListeners("uncaughtException")
      process.on("uncaughtException", () => void count++)
      return { listeners, count: () => count }
    }),
    ({ count }) =>
      Effect.suspend(
        () => (
          start(),
          Effect.andThen(
            Effect.andThen(
              end,
              Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
            ),
            Effect.sync(count)
          )
        )
      ),
    ({ listeners }) =>
      Effect.sync(() => {
        process.removeAllListeners("uncaughtException")
        for (const listener of listeners) process.on("uncaughtException", listener)
      })
  )
