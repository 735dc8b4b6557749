/**
 * Work queues under faults.
 *
 *   Y1. Every accepted item is handled, and who awaits it learns its outcome.
 *   Y2. Nothing is left over: no item waits, none is in flight, none is dead.
 *   Y3. An item is offered once, however often its offer was tried: one item for each idempotency key.
 */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
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

/** The consumer groups of all streams of the queue are destroyed, as `FLUSHALL` or a careless hand would. */
const groupsDestroyed = (server: Servers.Redis): Fault => {
  // A stream is there for as long as it has items.
  const destroyed = Effect.gen(function* () {
    const keys = yield* Port.ask(server.port, "KEYS *:ready:*\r\n")
    const streams = keys.split("\r\n").filter((line) => line.includes(":ready:"))
    const destroy = (stream: string) => Port.ask(server.port, `XGROUP DESTROY ${stream} workers\r\n`)
    return (yield* Effect.forEach(streams, destroy)).includes(":1\r\n")
  })
  return {
    name: "consumer groups are destroyed",
    strike: Faults.eventually("there was no consumer group", destroyed),
    heal: Effect.void,
    lasts: "100 millis",
    stopsWrites: false
  }
}

describe("work queues", () => {
  it.live("Y1-Y3: on Redis, whose server is killed and frozen, and whose consumer groups are destroyed", () =>
    Effect.gen(function* () {
      const server = yield* Servers.redis()
      const connection = IoRedis.layer({ url: server.url, responseTimeout: "2 seconds", connectTimeout: "2 seconds" })
      yield* storm(RedisWorkQueue.layer({ prefix: "chaos" }).pipe(Layer.provide(connection)), [
        groupsDestroyed(server),
        Faults.killed(server),
        Faults.frozen(server)
      ])
    })
  )

  it.live("Y1-Y3: on Postgres, whose server is killed, and whose connections are cut and half-open", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres()
      const proxy = yield* TcpProxy.make(server.port)
      const url = Redacted.make(`postgres://tutti@127.0.0.1:${proxy.port}/postgres`)
      const connection = PostgresClient.layer({ url, timeout: "2 seconds", connectTimeout: "2 seconds" })
      yield* storm(PostgresWorkQueue.layer.pipe(Layer.provide(connection)), [
        Faults.cut(proxy),
        Faults.killed(server),
        Faults.halfOpen(proxy)
      ])
    })
  )
})
