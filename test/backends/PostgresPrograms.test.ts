/**
 * The programs of `test/durable/programs.ts` on PostgreSQL, with memory thrown away at every answer: what they replay is
 * what the database gives back. Crashes are the matter of the simulation, which cannot see that a server is at work.
 */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Postgres from "../../src/backends/Postgres.ts"
import { EventStoreDriver } from "../../src/event-store/EventStoreDriver.ts"
import { plainExit, type Program } from "../durable/program.ts"
import { programs } from "../durable/programs.ts"
import { temporarySchema } from "../postgres.ts"

/** Longer than any program sleeps: the clock of the test must not run out on the server. */
const never = "36500 days"

const deployment = (options: Postgres.Options) =>
  Postgres.layer({
    ...options,
    pollInterval: never,
    timeout: never,
    connectTimeout: never,
    engine: { lease: never, grace: 0, alwaysReplay: true }
  })

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

describe("postgres", () => {
  for (const program of programs) {
    it.effect(program.name, () =>
      Effect.gen(function* () {
        const options = yield* temporarySchema
        const made = program.make()
        const ended = yield* Effect.raceFirst(Effect.exit(inRun(made)), letTimePass).pipe(
          Effect.provide(made.layer.pipe(Layer.provideMerge(deployment(options))), { local: true })
        )
        assert.deepStrictEqual(plainExit(ended), plainExit(made.expected))
        if (made.effects.length > 0) assert.deepStrictEqual(made.outside.toSorted(), made.effects)
      })
    )
  }
})
