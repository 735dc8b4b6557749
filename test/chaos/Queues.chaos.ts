/**
 * Work queues under faults.
 *
 *   Y1. Every accepted item is handled, and who awaits it learns its outcome.
 *   Y2. Nothing is left over: no item waits, none is in flight, none is dead.
 *   Y3. An item is offered once, however often its offer was tried: one item for each idempotency key.
 *   Y4. When the server has lost its data, whoever waits for an item learns it, and workers go on with what comes next.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import * as PostgresClient from "../../src/backends/PostgresClient.ts"
import * as PostgresWorkQueue from "../../src/queues/PostgresWorkQueue.ts"
import * as RedisWorkQueue from "../../src/queues/RedisWorkQueue.ts"
import * as WorkQueue from "../../src/queues/WorkQueue.ts"
import type { WorkQueueDriver } from "../../src/queues/WorkQueueDriver.ts"
import * as TcpProxy from "../proxy/TcpProxy.ts"
import * as Port from "../servers/Port.ts"
import * as Servers from "../servers/Servers.ts"
import { type Fault, type Load, report, strikeAll } from "./Faults.ts"
import * as Faults from "./ServerFaults.ts"

const clients = 6
const nap = Schedule.spaced("25 millis")

interface Queued extends Load<never> {
  readonly problems: Effect.Effect<ReadonlyArray<string>, unknown>
  readonly seen: () => string
}

/** Clients that offer an item, await its outcome and offer the next, and workers that handle them. */
const work: Effect.Effect<Queued, unknown, WorkQueueDriver | Scope.Scope> = Effect.gen(function* () {
  const queue = yield* WorkQueue.make("chaos", {
    item: Schema.Struct({ name: Schema.String }),
    output: Schema.String,
    keyConcurrency: 2,
    visibilityTimeout: "3 seconds",
    retry: Schedule.spaced("100 millis"),
    pollInterval: "200 millis"
  })
  const ids = new Map<string, string>()
  const outcomes = new Map<string, string>()
  const handled = new Set<string>()
  let stopping = false
  const patiently = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
    Effect.retry(effect, { while: ({ _tag }) => _tag === "WorkQueueError", schedule: nap })

  const client = Effect.fnUntraced(function* (self: number) {
    for (let n = 0; !stopping; n++) {
      const name = `${self}-${n}`
      const offer = queue.offer({ name }, { idempotencyKey: name, key: String(self), priority: n % 3 })
      const id = yield* patiently(offer)
      ids.set(name, id)
      outcomes.set(name, yield* patiently(queue.awaitResult(id)))
      yield* Effect.sleep("2 millis")
    }
  })
  yield* queue.run(
    ({ name }) =>
      Effect.as(
        Effect.sync(() => handled.add(name)),
        `did ${name}`
      ),
    { concurrency: 4 }
  )

  return {
    load: Effect.forEach(
      Array.from({ length: clients }, (_, self) => self),
      client,
      {
        concurrency: "unbounded",
        discard: true
      }
    ),
    stop: Effect.sync(() => void (stopping = true)),
    acknowledged: () => outcomes.size,
    progress: (count) =>
      Effect.suspend(() => {
        const target = outcomes.size + count
        return Faults.eventually(
          "the load makes progress",
          Effect.sync(() => outcomes.size >= target)
        )
      }),
    problems: Effect.gen(function* () {
      const { dead, delayed, inFlight, queued } = yield* queue.stats
      return [
        ...[...ids.keys()].filter((name) => !handled.has(name)).map((name) => `Y1: ${name} was not handled`),
        ...[...ids.keys()]
          .filter((name) => outcomes.get(name) !== `did ${name}`)
          .map((name) => `Y1: ${name} ended with "${outcomes.get(name)}"`),
        ...(queued + delayed + inFlight + dead === 0
          ? []
          : [`Y2: ${queued} items wait, ${delayed} are delayed, ${inFlight} in flight, ${dead} dead`]),
        ...(new Set(ids.values()).size === ids.size ? [] : ["Y3: two names share an item"]),
        ...[...handled].filter((name) => !ids.has(name)).map((name) => `Y3: ${name} was handled and never accepted`)
      ]
    }),
    seen: () => `${ids.size} items accepted, ${handled.size} handled, ${outcomes.size} outcomes`
  }
})

const storm = (driver: Layer.Layer<WorkQueueDriver, unknown>, faults: ReadonlyArray<Fault>) =>
  Effect.gen(function* () {
    const queued = yield* work
    yield* strikeAll(queued, faults)
    report(yield* queued.problems, queued.seen())
  }).pipe(Effect.scoped, Effect.provide(driver))

const ask = (server: Servers.Redis, command: string) => Port.ask(server.port, `${command}\r\n`)

/** Destroys every consumer group there is, at once, and says how many there were. */
const destroyAllGroups = `EVAL ${JSON.stringify(`
local destroyed = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'stream' then
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      destroyed = destroyed + redis.call('XGROUP', 'DESTROY', key, group[2])
    end
  end
end
return destroyed`)} 0`

/** What workers have read and not acknowledged is forgotten by the server. The items are still there. */
const groupsDestroyed = (server: Servers.Redis): Fault => ({
  name: "all consumer groups are destroyed",
  // A stream is there for as long as it has items.
  strike: Faults.eventually(
    "there was no consumer group",
    Effect.map(ask(server, destroyAllGroups), (answer) => /^:[1-9]/.test(answer))
  ),
  heal: Effect.void,
  lasts: "100 millis",
  stopsWrites: false
})

const onRedis = (port: number) =>
  RedisWorkQueue.layer({ prefix: "chaos" }).pipe(
    Layer.provide(
      IoRedis.layer({ url: `redis://127.0.0.1:${port}`, responseTimeout: "2 seconds", connectTimeout: "2 seconds" })
    )
  )

/** One item is handled without end, one waits behind it; then there is nothing. */
const flushed = Effect.fnUntraced(function* (server: Servers.Redis) {
  const queue = yield* WorkQueue.make("flushed", {
    item: Schema.String,
    output: Schema.String,
    visibilityTimeout: "3 seconds"
  })
  let begun = false
  let interrupted = false
  const endless = Effect.andThen(
    Effect.sync(() => void (begun = true)),
    Effect.never
  ).pipe(Effect.onInterrupt(() => Effect.sync(() => void (interrupted = true))))
  yield* queue.run((item) => (item === "endless" ? endless : Effect.succeed(`did ${item}`)), { concurrency: 2 })
  const lost = yield* Effect.forEach(["endless", "waits"], (item) => queue.offer(item, { key: "one" }))
  yield* Faults.eventually(
    "the first item is begun",
    Effect.sync(() => begun)
  )
  const waiting = yield* Effect.forkChild(Effect.flip(queue.awaitResult(lost[1]!)))

  assert.strictEqual(yield* ask(server, "FLUSHALL"), "+OK\r\n")
  assert.strictEqual((yield* Fiber.join(waiting))._tag, "WorkItemUnknown")
  // Its slot is free, and so is that of its key.
  const next = yield* queue.offer("next", { key: "one" })
  assert.strictEqual(yield* queue.awaitResult(next), "did next")
  yield* Faults.eventually(
    "nobody handles what is lost",
    Effect.sync(() => interrupted)
  )
  assert.deepInclude(yield* queue.stats, { queued: 0, delayed: 0, inFlight: 0, dead: 0 })
})

describe("work queues", () => {
  it.live("Y1-Y3: on Redis, which is killed and frozen, and loses all consumer groups (XGROUP DESTROY)", () =>
    Effect.gen(function* () {
      const server = yield* Servers.redis()
      yield* storm(onRedis(server.port), [groupsDestroyed(server), Faults.killed(server), Faults.frozen(server)])
    })
  )

  it.live("Y1-Y3: on Redis, whose connections are cut and half-open", () =>
    Effect.gen(function* () {
      const proxy = yield* TcpProxy.make((yield* Servers.redis()).port)
      yield* storm(onRedis(proxy.port), [Faults.cut(proxy), Faults.halfOpen(proxy)])
    })
  )

  it.live("Y4: on Redis, which loses everything (FLUSHALL)", () =>
    Effect.gen(function* () {
      const server = yield* Servers.redis()
      yield* Effect.provide(Effect.scoped(flushed(server)), onRedis(server.port))
    })
  )

  it.live("Y1-Y3: on Postgres, which is killed and frozen, and whose connections are cut and half-open", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres()
      const proxy = yield* TcpProxy.make(server.port)
      const url = Redacted.make(`postgres://tutti@127.0.0.1:${proxy.port}/postgres`)
      const connection = PostgresClient.layer({ url, timeout: "2 seconds", connectTimeout: "2 seconds" })
      yield* storm(PostgresWorkQueue.layer.pipe(Layer.provide(connection)), [
        Faults.cut(proxy),
        Faults.killed(server),
        Faults.frozen(server),
        Faults.halfOpen(proxy)
      ])
    })
  )
})
