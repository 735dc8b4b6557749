/** Work queues on real stores: several processes, lost workers, servers that die, a consumer group that is destroyed. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import { spawn } from "node:child_process"
import { join } from "node:path"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import { Redis } from "../../src/persistence/RedisClient.ts"
import * as WorkQueue from "../../src/queues/WorkQueue.ts"
import { WorkQueueDriver } from "../../src/queues/WorkQueueDriver.ts"
import * as Servers from "../servers/Servers.ts"
import { durable, open, type Place, place } from "./drivers.ts"
import { eventually, Mail, mails } from "./mails.ts"

const names = (count: number) => Array.from({ length: count }, (_, index) => `mail ${index}`)

/** A process of its own, as far as the store can tell. */
const inProcess =
  (place: Place) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provide(effect, Layer.fresh(open(place)), { local: true })

const handled = () => {
  const seen: Array<string> = []
  return {
    seen,
    handler: ({ to }: { readonly to: string }) =>
      Effect.as(
        Effect.sync(() => seen.push(to)),
        `sent ${to}`
      )
  }
}

/** Starts the worker that never ends, and waits for what it says. */
const startWorker = (place: Place) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly said: unknown; readonly kill: () => void }, Error>((resume) => {
      const flags = ["--conditions=tutti-source", "--disable-warning=ExperimentalWarning"]
      const script = join(import.meta.dirname, "worker.ts")
      const child = spawn(process.execPath, [...flags, script, JSON.stringify(place)])
      let errors = ""
      child.stderr.on("data", (data) => (errors += String(data)))
      child.on("exit", () => resume(Effect.fail(new Error(`the worker ended: ${errors}`))))
      child.stdout.on("data", (data) =>
        resume(Effect.succeed({ said: JSON.parse(String(data)) as unknown, kill: () => child.kill("SIGKILL") }))
      )
    }),
    ({ kill }) => Effect.sync(kill)
  )

describe.each(durable)("work queue on %s", (kind) => {
  it.live("an outcome is heard by a producer in another process", () =>
    Effect.gen(function* () {
      const where = yield* place(kind)
      const { handler } = handled()
      const producer = Effect.gen(function* () {
        const queue = yield* mails
        const ids = yield* Effect.forEach(names(20), (to) => queue.offer({ to }), { concurrency: 5 })
        return yield* Effect.forEach(ids, queue.awaitResult, { concurrency: "unbounded" })
      })
      const worker = Effect.gen(function* () {
        const queue = yield* mails
        yield* queue.run(handler)
        return yield* Effect.never
      })
      const results = yield* Effect.raceFirst(inProcess(where)(producer), inProcess(where)(worker))
      assert.deepStrictEqual(
        results,
        names(20).map((to) => `sent ${to}`)
      )
    }).pipe(Effect.scoped)
  )

  it.live("an item of a worker that was killed is redelivered, with its attempt counted", () =>
    Effect.gen(function* () {
      const where = yield* place(kind)
      const producer = yield* Effect.forkChild(
        inProcess(where)(
          Effect.gen(function* () {
            const queue = yield* mails
            const first = yield* queue.offer({ to: "first" })
            const second = yield* queue.offer({ to: "second" })
            return [yield* queue.awaitResult(first), yield* queue.awaitResult(second)]
          })
        )
      )
      const worker = yield* startWorker(where)
      assert.deepStrictEqual(worker.said, { to: "first", attempt: 1 })
      worker.kill()
      const survivor = Effect.gen(function* () {
        const queue = yield* mails
        yield* queue.run(({ to }, { attempt }) => Effect.succeed(`${to}: attempt ${attempt}`))
        return yield* Fiber.join(producer)
      })
      assert.deepStrictEqual(yield* inProcess(where)(survivor), ["first: attempt 2", "second: attempt 1"])
    }).pipe(Effect.scoped)
  )
})

/** Everything that was acknowledged is done, also if something happens to the store in the middle of it. */
const survives = <E, R>(where: Place, fault: Effect.Effect<void, E, R>) =>
  Effect.gen(function* () {
    const count = 400
    const { handler, seen } = handled()
    const whenDone = Effect.gen(function* () {
      const queue = yield* mails
      yield* queue.run((mail) => Effect.delay(handler(mail), "2 millis"), { concurrency: 8 })
      const offer = (to: string) =>
        Effect.retry(queue.offer({ to }, { idempotencyKey: to }), Schedule.spaced("50 millis"))
      const producing = yield* Effect.forkChild(Effect.forEach(names(count), offer, { concurrency: 16 }))
      yield* eventually(
        Effect.sync(() => seen.length),
        (done) => done > count / 4
      )
      const before = seen.length
      yield* fault
      assert.isBelow(before, count, "the fault came too late")
      yield* Fiber.join(producing)
      yield* eventually(
        Effect.retry(queue.stats, Schedule.spaced("50 millis")),
        ({ delayed, inFlight, queued }) => queued + delayed + inFlight === 0
      )
      assert.deepStrictEqual(yield* queue.deadLetters(), [])
    })
    yield* inProcess(where)(whenDone)
    assert.deepStrictEqual([...new Set(seen)].toSorted(), names(count).toSorted())
    return seen.length - count
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

describe("faults of the store", () => {
  it.live("Redis: the consumer group is destroyed, again and again", () =>
    Effect.gen(function* () {
      const where = yield* place("redis")
      assert(where.kind === "redis")
      const destroy = Redis.use((redis) =>
        redis.send<number>("XGROUP", "DESTROY", `${where.prefix}:queue:mails:ready:0`, "workers")
      )
      const fault = Effect.gen(function* () {
        const destroyed = yield* Effect.forEach(names(5), () => Effect.delay(destroy, "20 millis"))
        assert.include(destroyed, 1)
      }).pipe(Effect.provide(IoRedis.layer(where)))
      assert.strictEqual(yield* survives(where, fault), 0, "handled again, although no claim had lapsed")
    }).pipe(Effect.scoped)
  )

  it.live("Redis is killed and starts again", () =>
    Effect.gen(function* () {
      const server = yield* Servers.redis()
      const fault = Effect.andThen(server.kill, Effect.delay(server.start, "200 millis"))
      yield* survives({ kind: "redis", url: server.url, prefix: "{test}" }, fault)
    }).pipe(Effect.scoped)
  )

  it.live("PostgreSQL is killed and starts again", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres({ fsync: true })
      const fault = Effect.andThen(server.kill, Effect.delay(server.start, "200 millis"))
      yield* survives({ kind: "postgres", url: server.url, schema: "queues" }, fault)
    }).pipe(Effect.scoped)
  )
})

describe.each(durable)("many pools on %s", (kind) => {
  it.live("each item is handled once, those of a key one at a time and in order", () =>
    Effect.gen(function* () {
      const where = yield* place(kind)
      const seen: Array<string> = []
      const busy = new Set<string>()
      const queueOf = WorkQueue.make("keyed", { item: Mail, pollInterval: "50 millis" })
      const worker = Effect.gen(function* () {
        const queue = yield* queueOf
        yield* queue.run(
          ({ to }) =>
            Effect.gen(function* () {
              const key = to.split("/")[0]!
              assert.isFalse(busy.has(key), `${key} is busy`)
              busy.add(key)
              yield* Effect.sleep("1 millis")
              busy.delete(key)
              seen.push(to)
            }),
          { concurrency: 4 }
        )
        return yield* Effect.never
      })
      const producer = Effect.gen(function* () {
        const queue = yield* queueOf
        const driver = yield* WorkQueueDriver
        for (let index = 0; index < 12; index++) {
          yield* Effect.forEach(keys, (key) => queue.offer({ to: `${key}/${index}` }, { key }), {
            concurrency: "unbounded"
          })
        }
        yield* eventually(queue.stats, ({ inFlight, queued }) => queued + inFlight === 0)
        return yield* driver.deadItems(
          { name: "keyed", capacity: 1, keyConcurrency: 1, retention: 1 },
          { offset: 0, limit: 9 }
        )
      })
      const run = inProcess(where)
      const dead = yield* Effect.raceAllFirst([run(producer), run(worker), run(worker), run(worker)])
      assert.deepStrictEqual(dead, [])
      for (const key of keys) {
        assert.deepStrictEqual(
          seen.filter((to) => to.startsWith(`${key}/`)),
          Array.from({ length: 12 }, (_, index) => `${key}/${index}`)
        )
      }
    }).pipe(Effect.scoped)
  )
})

const keys = ["ada", "ben", "cleo", "dan", "eve"]
