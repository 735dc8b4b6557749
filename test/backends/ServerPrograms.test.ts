/**
 * The programs of `test/durable/programs.ts` on servers, with memory thrown away at every answer: what they replay is what the
 * server gives back. Crashes are the matter of the simulation, which cannot see that a server is at work.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import type { Services } from "../../src/backends/Deployment.ts"
import * as Postgres from "../../src/backends/Postgres.ts"
import * as Redis from "../../src/backends/Redis.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import { backends } from "../backends.ts"
import { plainExit, type Program } from "../durable/program.ts"
import { programs } from "../durable/programs.ts"
import { temporarySchema } from "../postgres.ts"
import { temporaryPrefix } from "../redis.ts"
import type { ServerError } from "../servers/ServerError.ts"

/** Longer than any program sleeps: the clock of the test must not run out on the server. */
const never = "36500 days"
/** The longest time that Node's own timers take. */
const longest = "20 days"

const engine = { lease: never, grace: 0, alwaysReplay: true } as const

const onRedis = (kind: "redis" | "redis-cluster") =>
  Effect.map(temporaryPrefix(kind), (options) =>
    Redis.layer({
      ...options,
      pollInterval: never,
      waitAtMost: never,
      responseTimeout: longest,
      connectTimeout: longest,
      durability: "ignore",
      engine
    })
  )

const servers: Readonly<Record<string, Effect.Effect<Layer.Layer<Services, unknown>, ServerError, Scope.Scope>>> = {
  postgres: Effect.map(temporarySchema, (options) =>
    Postgres.layer({ ...options, pollInterval: never, timeout: never, connectTimeout: never, engine })
  ),
  redis: onRedis("redis"),
  "redis-cluster": onRedis("redis-cluster")
}

const inRun = (made: ReturnType<Program["make"]>) =>
  Effect.gen(function* () {
    const handle = yield* made.orchestration.start({}, { key: "one" })
    return yield* Effect.raceFirst(handle.await, Effect.andThen(made.drive?.(handle) ?? Effect.void, Effect.never))
  })

/** Lets time pass, a little more each time, while the server answers as fast as it can. */
const letTimePass = Effect.gen(function* () {
  const { head } = yield* EventStoreDriver
  for (let millis = 10; ; millis = Math.min(millis * 1.3, Duration.toMillis("1 day"))) {
    for (let answers = 0; answers < 5; answers++) yield* head
    yield* TestClock.adjust(millis)
  }
})

it("every backend that is a server is here", () => {
  const isServer = (name: string) => name !== "memory" && name !== "embedded"
  const wanted = backends.map(({ name }) => name).filter(isServer)
  assert.includeMembers(Object.keys(servers), wanted)
})

for (const { name } of backends) {
  const server = servers[name]
  if (server === undefined) continue
  describe(name, () => {
    for (const program of programs) {
      it.effect(program.name, () =>
        Effect.gen(function* () {
          const deployment = yield* server
          const made = program.make()
          const ended = yield* Effect.raceFirst(Effect.exit(inRun(made)), letTimePass).pipe(
            Effect.provide(made.layer.pipe(Layer.provideMerge(deployment)), { local: true })
          )
          assert.deepStrictEqual(plainExit(ended), plainExit(made.expected))
          if (made.effects.length > 0) assert.deepStrictEqual(made.outside.toSorted(), made.effects)
        })
      )
    }
  })
}
