import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as MemoryWorkQueue from "../../src/queues/MemoryWorkQueue.ts"
import * as WorkQueue from "../../src/queues/WorkQueue.ts"
import { WorkQueueDriver } from "../../src/queues/WorkQueueDriver.ts"
import { WorkQueueError } from "../../src/queues/WorkQueueError.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { code: Schema.Int }) {}

const Mail = Schema.Struct({ to: Schema.String })

const options = {
  item: Mail,
  output: Schema.String,
  error: Refused,
  retry: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 2 })),
  visibilityTimeout: "30 seconds"
} as const

const mails = WorkQueue.make("mails", options)

/** Runs in a scope of its own, which the test closes when it wants. */
const inScope = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Effect.provideService(effect, Scope.Scope, scope)
    return scope
  })

/** A driver that does not do what it is asked, for as long as it is told. */
const faulty = (fault: (driver: WorkQueueDriver["Service"]) => Partial<WorkQueueDriver["Service"]>) =>
  Layer.sync(WorkQueueDriver, () => {
    const honest = MemoryWorkQueue.makeDriver(MemoryWorkQueue.makeState())
    return { ...honest, ...fault(honest) }
  })

const unavailable = new WorkQueueError({ operation: "answer", retryable: true, cause: "down" })

/** Lets so many milliseconds pass, slowly enough for what wakes to do its work. */
const pass = (millis: number) => {
  const step = Math.max(100, millis / 300)
  const all = Effect.andThen(
    TestClock.adjust(step),
    Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow)
  )
  return Effect.repeat(all, { times: Math.ceil(millis / step) - 1 })
}

/** What is ready to run, runs. */
const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow)

describe("WorkQueue", () => {
  it.effect("hands items to workers, and their outcome to who awaits it", () =>
    Effect.gen(function* () {
      const queue = yield* mails
      const seen: Array<unknown> = []
      yield* queue.run((mail, attempt) =>
        Effect.as(
          Effect.sync(() => seen.push([mail, attempt])),
          `to ${mail.to}`
        )
      )
      const id = yield* queue.offer({ to: "ada" }, { key: "a" })
      assert.strictEqual(yield* queue.awaitResult(id), "to ada")
      assert.deepStrictEqual(seen, [[{ to: "ada" }, { id, key: "a", attempt: 1 }]])
      assert.deepStrictEqual(yield* queue.stats, { queued: 0, delayed: 0, inFlight: 0, dead: 0 })
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("knows duplicates, delays and instants", () =>
    Effect.gen(function* () {
      const queue = yield* mails
      const seen: Array<string> = []
      yield* queue.run((mail) =>
        Effect.as(
          Effect.sync(() => seen.push(mail.to)),
          ""
        )
      )
      const first = yield* queue.offer({ to: "once" }, { idempotencyKey: "x", delay: "1 minute" })
      const second = yield* queue.offer({ to: "twice" }, { idempotencyKey: "x" })
      const availableAt = yield* Effect.map(DateTime.now, DateTime.add({ seconds: 90 }))
      yield* queue.offer({ to: "later" }, { availableAt })
      assert.strictEqual(first, second)
      yield* pass(59_000)
      assert.deepStrictEqual(seen, [])
      yield* pass(2_000)
      assert.deepStrictEqual(seen, ["once"])
      yield* pass(30_000)
      assert.deepStrictEqual(seen, ["once", "later"])
      const unknown = yield* Effect.flip(queue.awaitResult(WorkQueue.ItemId.make("nobody")))
      assert.strictEqual(unknown._tag, "WorkItemUnknown")
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("W20: producers wait for room in their turn", () =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue.make("small", { ...options, capacity: 2 })
      yield* queue.offer({ to: "1" })
      yield* queue.offer({ to: "2" })
      const full = yield* Effect.flip(queue.offer({ to: "x" }, { onFull: "fail" }))
      assert.strictEqual(full.message, 'Queue "small" is full: it holds 2 unfinished items.')
      const waiting = yield* Effect.forEach(["3", "4", "5", "6", "7"], (to) => Effect.forkChild(queue.offer({ to })))
      yield* settle
      assert.strictEqual((yield* queue.stats).queued, 2)
      yield* Fiber.interrupt(waiting[2]!)
      const seen: Array<string> = []
      const most: Array<number> = []
      yield* queue.run(
        (mail) =>
          Effect.gen(function* () {
            seen.push(mail.to)
            const { inFlight, queued } = yield* Effect.orDie(queue.stats)
            most.push(inFlight + queued)
            return ""
          }),
        { concurrency: 1 }
      )
      yield* pass(60_000)
      assert.deepStrictEqual(seen, ["1", "2", "3", "4", "6", "7"])
      assert.isAtMost(Math.max(...most), 2)
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("W20: a producer that comes later does not overtake, even if there is room that nobody heard of", () =>
    Effect.gen(function* () {
      const driver = yield* WorkQueueDriver
      const settings = { name: "mails", capacity: 1, keyConcurrency: 1, retention: 1 }
      const queue = yield* WorkQueue.make("mails", { ...options, capacity: 1 })
      const claim = Effect.map(driver.claim(settings, { max: 1, until: 1e9, now: 0 }), ({ deliveries }) => deliveries)
      yield* queue.offer({ to: "first" })
      yield* Effect.forkChild(queue.offer({ to: "early" }))
      yield* settle
      const [first] = yield* claim
      yield* driver.settle(settings, [{ ...first!, settlement: { _tag: "Succeeded", value: "" } }], 0)
      yield* Effect.forkChild(queue.offer({ to: "late" }))
      yield* pass(2000)
      assert.deepStrictEqual(
        (yield* claim).map(({ body }) => body),
        [{ to: "early" }]
      )
    }).pipe(Effect.provide(faulty(() => ({ onChange: () => Effect.void }))))
  )

  it.effect("W21: an attempt is counted before its handler starts, and only then", () => {
    let startable = false
    const log: Array<string> = []
    const layer = faulty((driver) => ({
      start: (...args) =>
        Effect.suspend(() => {
          if (!startable) return Effect.fail(unavailable)
          log.push("counted")
          return driver.start(...args)
        })
    }))
    return Effect.gen(function* () {
      const queue = yield* mails
      yield* queue.run((_, { attempt }) =>
        Effect.as(
          Effect.sync(() => log.push(`attempt ${attempt}`)),
          ""
        )
      )
      const id = yield* queue.offer({ to: "ada" })
      yield* pass(120_000)
      assert.deepStrictEqual(log, [])
      startable = true
      yield* pass(120_000)
      assert.deepStrictEqual(log, ["counted", "attempt 1"])
      assert.strictEqual(yield* queue.awaitResult(id), "")
    }).pipe(Effect.provide(layer))
  })

  it.effect("W22: a failure is retried by the schedule, then it is a dead letter", () =>
    Effect.gen(function* () {
      const queue = yield* mails
      const at: Array<number> = []
      yield* queue.run((_, { attempt }) =>
        Effect.gen(function* () {
          at.push(DateTime.toEpochMillis(yield* DateTime.now))
          return yield* new Refused({ code: attempt })
        })
      )
      const id = yield* queue.offer({ to: "ada" }, { key: "k" })
      const result = yield* Effect.forkChild(Effect.flip(queue.awaitResult(id)))
      yield* pass(10_000)
      assert.deepStrictEqual(
        at.map((instant) => instant - at[0]!),
        [0, 1000, 3000]
      )
      const dead = yield* Fiber.join(result)
      assert(dead._tag === "DeadLettered")
      assert.deepStrictEqual([dead.reason, dead.attempts], ["Failed", 3])
      const [letter, ...others] = yield* queue.deadLetters()
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(letter?.item, Option.some({ to: "ada" }))
      assert.deepStrictEqual(letter?.error, Option.some(new Refused({ code: 3 })))
      assert.include(letter?.detail, "Refused")
      assert.deepStrictEqual(yield* queue.redrive([id]), [id])
      yield* pass(10_000)
      assert.strictEqual(at.length, 6)
      assert.deepStrictEqual(yield* queue.discard([id]), [id])
      assert.deepStrictEqual(yield* queue.deadLetters(), [])
      assert.strictEqual((yield* Effect.flip(queue.awaitResult(id)))._tag, "DeadLettered")
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("W22: a worker that is lost again and again kills its item, one that never starts does not", () =>
    Effect.gen(function* () {
      const queue = yield* mails
      const driver = yield* WorkQueueDriver
      const settings = { name: "mails", capacity: 9, keyConcurrency: 1, retention: 1 }
      const id = yield* queue.offer({ to: "ada" })
      for (let round = 0; round < 9; round++) {
        const now = round * 1000
        const { deliveries } = yield* driver.claim(settings, { max: 1, until: now + 1000, now })
        if (round % 3 === 0) yield* driver.start(settings, deliveries)
      }
      yield* pass(9_000)
      yield* queue.run(() => Effect.die("must not be called"))
      const dead = yield* Effect.flip(queue.awaitResult(id))
      assert(dead._tag === "DeadLettered")
      assert.deepStrictEqual([dead.reason, dead.attempts], ["WorkerLost", 3])
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("W23: nothing ends silently", () =>
    Effect.gen(function* () {
      const queue = yield* WorkQueue.make("mails", { ...options, retryWhile: ({ code }) => code > 100 })
      const driver = yield* WorkQueueDriver
      const settings = { name: "mails", capacity: 9, keyConcurrency: 1, retention: 1 }
      yield* driver.offer(settings, [{ id: "odd", body: { from: 1 }, priority: 0, availableAt: 0 }], 0)
      yield* queue.run(({ to }) => {
        if (to === "refused") return Effect.fail(new Refused({ code: 1 }))
        if (to === "interrupted") return Effect.interrupt
        return to === "dies" ? Effect.die(new Error("a bug")) : Effect.succeed(1 as unknown as string)
      })
      const outcome = (to: string) =>
        Effect.flatMap(queue.offer({ to }), (id) => Effect.forkChild(Effect.flip(queue.awaitResult(id))))
      const fibers = yield* Effect.forEach(["refused", "dies", "interrupted", "invalid"], outcome)
      yield* pass(10_000)
      const [refused, dies, interrupted, invalid] = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(refused, new Refused({ code: 1 }))
      assert(dies?._tag === "DeadLettered" && dies.reason === "Died")
      assert.include(dies.detail, "a bug")
      assert.strictEqual(interrupted?._tag, "DeadLettered")
      assert(invalid?._tag === "DeadLettered")
      assert.include(invalid.detail, "its output is not valid")
      const undecodable = yield* Effect.flip(queue.awaitResult(WorkQueue.ItemId.make("odd")))
      assert(undecodable._tag === "DeadLettered")
      assert.deepStrictEqual([undecodable.reason, undecodable.attempts], ["Undecodable", 0])
      const letters = yield* queue.deadLetters({ limit: 2 })
      assert.deepStrictEqual(
        letters.map(({ item }) => item),
        [Option.none(), Option.some({ to: "invalid" })]
      )
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("W24: a claim is kept for as long as its handler runs", () =>
    Effect.gen(function* () {
      const queue = yield* mails
      let calls = 0
      const handler = () => Effect.as(Effect.delay(Effect.void, "10 minutes"), `call ${++calls}`)
      yield* queue.run(handler)
      yield* queue.run(handler)
      const id = yield* queue.offer({ to: "ada" })
      yield* pass(660_000)
      assert.strictEqual(yield* queue.awaitResult(id), "call 1")
      assert.strictEqual(calls, 1)
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("W24: a handler whose claim was lost is interrupted, and records nothing", () => {
    let frozen = true
    const layer = faulty((driver) => ({
      extend: (...args) => (frozen ? Effect.fail(unavailable) : driver.extend(...args))
    }))
    return Effect.gen(function* () {
      const queue = yield* mails
      const interrupted = yield* Deferred.make<void>()
      yield* queue.run(
        (_, { attempt }) =>
          attempt === 1
            ? Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
            : Effect.as(Effect.delay(Effect.void, "2 minutes"), "the second"),
        { concurrency: 2 }
      )
      const id = yield* queue.offer({ to: "ada" })
      yield* pass(31_000)
      frozen = false
      yield* pass(10_000)
      yield* Deferred.await(interrupted)
      assert.deepStrictEqual(yield* queue.stats, { queued: 0, delayed: 0, inFlight: 1, dead: 0 })
      yield* pass(180_000)
      assert.strictEqual(yield* queue.awaitResult(id), "the second")
    }).pipe(Effect.provide(layer))
  })

  it.effect("W25: a closed pool finishes what is in hand, and hands back the rest", () =>
    Effect.gen(function* () {
      const queue = yield* mails
      const driver = yield* WorkQueueDriver
      const settings = { name: "mails", capacity: 9, keyConcurrency: 1, retention: 1 }
      const started: Array<string> = []
      const pool = yield* inScope(
        queue.run(
          ({ to }) => {
            started.push(to)
            return Effect.as(Effect.delay(Effect.void, to === "long" ? "1 hour" : "5 seconds"), to)
          },
          { concurrency: 2, gracePeriod: "1 minute" }
        )
      )
      const short = yield* queue.offer({ to: "short" })
      yield* queue.offer({ to: "long" })
      yield* queue.offer({ to: "next" })
      yield* settle
      const closing = yield* Effect.forkChild(Scope.close(pool, Exit.void))
      yield* pass(59_000)
      assert.strictEqual(yield* queue.awaitResult(short), "short")
      assert.deepStrictEqual(yield* queue.stats, { queued: 1, delayed: 0, inFlight: 1, dead: 0 })
      yield* pass(1_000)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(started, ["short", "long"])
      assert.deepStrictEqual(yield* queue.stats, { queued: 2, delayed: 0, inFlight: 0, dead: 0 })
      const { deliveries } = yield* driver.claim(settings, { max: 9, until: 1e9, now: 60_000 })
      assert.deepStrictEqual(
        deliveries.map(({ attempts, body, failures }) => [body, attempts, failures]),
        [
          [{ to: "long" }, 1, 0],
          [{ to: "next" }, 0, 0]
        ]
      )
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("W25: what was claimed when the pool closed is handed back without an attempt", () => {
    const claimed = Deferred.makeUnsafe<void>()
    const go = Deferred.makeUnsafe<void>()
    const layer = faulty((driver) => ({
      claim: (...args) =>
        Effect.tap(driver.claim(...args), ({ deliveries }) =>
          deliveries.length === 0
            ? Effect.void
            : Effect.andThen(Deferred.succeed(claimed, undefined), Deferred.await(go))
        )
    }))
    return Effect.gen(function* () {
      const queue = yield* mails
      const pool = yield* inScope(queue.run(() => Effect.die("must not be called")))
      yield* queue.offer({ to: "ada" })
      yield* Deferred.await(claimed)
      const closing = yield* Effect.forkChild(Scope.close(pool, Exit.void))
      yield* settle
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(yield* queue.stats, { queued: 1, delayed: 0, inFlight: 0, dead: 0 })
    }).pipe(Effect.provide(layer))
  })

  it.effect("a pool outlives a store that is down", () => {
    let down = true
    const when = <A>(effect: Effect.Effect<A, WorkQueueError>) => Effect.suspend(() => (down ? unavailable : effect))
    const layer = faulty((driver) => ({
      claim: (...args) => when(driver.claim(...args)),
      settle: (...args) => when(driver.settle(...args))
    }))
    return Effect.gen(function* () {
      const queue = yield* mails
      const go = yield* Deferred.make<void>()
      yield* queue.run(() => Effect.as(Deferred.await(go), "done"))
      const id = yield* queue.offer({ to: "ada" })
      yield* pass(3_600_000)
      down = false
      yield* pass(5_000)
      assert.strictEqual((yield* queue.stats).inFlight, 1)
      down = true
      yield* Deferred.succeed(go, undefined)
      yield* pass(10_000)
      down = false
      yield* pass(10_000)
      assert.strictEqual(yield* queue.awaitResult(id), "done")
    }).pipe(Effect.provide(layer))
  })

  it.effect("a handler has the services of where the pool was started", () => {
    const Greeting = Context.Service<{ readonly text: string }>("test/Greeting")
    return Effect.gen(function* () {
      const queue = yield* mails
      yield* Effect.provideService(
        queue.run(({ to }) => Effect.map(Effect.service(Greeting), ({ text }) => `${text} ${to}`)),
        Greeting,
        { text: "hello" }
      )
      const id = yield* queue.offer({ to: "ada" })
      assert.strictEqual(yield* queue.awaitResult(id), "hello ada")
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  })

  it.effect("W23: an item whose retry rule throws is a dead letter, and its worker goes on", () =>
    Effect.gen(function* () {
      const retryWhile = () => {
        throw new Error("there is no rule for it")
      }
      const queue = yield* WorkQueue.make("mails", { ...options, retryWhile })
      yield* queue.run(() => Effect.fail(new Refused({ code: 1 })), { concurrency: 1 })
      for (const to of ["ada", "bob"]) {
        const failure = yield* Effect.flip(queue.awaitResult(yield* queue.offer({ to })))
        assert.strictEqual(failure._tag, "DeadLettered")
        assert.include(failure.message, "there is no rule for it")
      }
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("W23: an item whose retry schedule throws is a dead letter, too, also when its worker was lost", () =>
    Effect.gen(function* () {
      const driver = yield* WorkQueueDriver
      const retry = Schedule.map(Schedule.forever, (): number => {
        throw new Error("there is no delay")
      })
      const queue = yield* WorkQueue.make("mails", { ...options, retry })
      const id = yield* queue.offer({ to: "ada" })
      const settings = { name: "mails", capacity: 10_000, keyConcurrency: 1, retention: 300_000 }
      const { deliveries } = yield* driver.claim(settings, { max: 1, until: 1, now: 0 })
      yield* driver.start(settings, deliveries)
      yield* TestClock.adjust("1 second")
      yield* queue.run(() => Effect.succeed("sent"), { concurrency: 1 })
      assert.strictEqual((yield* Effect.flip(queue.awaitResult(id)))._tag, "DeadLettered")
      assert.strictEqual(yield* queue.awaitResult(yield* queue.offer({ to: "bob" })), "sent")
    }).pipe(Effect.provide(MemoryWorkQueue.layer))
  )

  it.effect("W23: a pool whose store dies of a claim, or of an outcome, goes on", () =>
    Effect.gen(function* () {
      const queue = yield* mails
      yield* queue.run(() => Effect.succeed("sent"), { concurrency: 1 })
      const ada = yield* queue.offer({ to: "ada" })
      const waiting = yield* Effect.forkChild(queue.awaitResult(ada))
      yield* pass(70_000)
      assert.strictEqual(yield* Fiber.join(waiting), "sent")
    }).pipe(
      Effect.provide(
        faulty((driver) => {
          let claims = 0
          let outcomes = 0
          return {
            claim: (...all) => (claims++ === 0 ? Effect.die("no claim") : driver.claim(...all)),
            settle: (...all) => (outcomes++ === 0 ? Effect.die("no outcome") : driver.settle(...all))
          }
        })
      )
    )
  )
})
