/** What is particular to the deployment in memory. */
import { assert, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Schema, Stream } from "effect"
import * as Embedded from "../../src/backends/Embedded.ts"
import * as Memory from "../../src/backends/Memory.ts"
import * as Postgres from "../../src/backends/Postgres.ts"
import * as Redis from "../../src/backends/Redis.ts"
import * as Orchestration from "../../src/durable/Orchestration.ts"
import * as Step from "../../src/durable/Step.ts"
import { StreamId } from "../../src/event-store/Envelope.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { temporaryFile } from "../backends.ts"

// #region by-name
const backends = {
  memory: Memory.layerConfig,
  embedded: Embedded.layerConfig,
  postgres: Postgres.layerConfig,
  redis: Redis.layerConfig
}

const deployment = Layer.unwrap(
  Effect.gen(function* () {
    const name = yield* Config.Literals(["memory", "embedded", "postgres", "redis"], "BACKEND")
    return backends[name]({ pageSize: 1000 })
  })
)
// #endregion

const Echo = Orchestration.make("Echo", {
  input: { text: Schema.String },
  output: Schema.String,
  run: ({ text }) => Step.run("echo", { output: Schema.String, run: () => Effect.succeed(text) })
})

const stream = StreamId.make("s")

it.live("layerConfig: a program chooses its backend by name, and calls the same function", () =>
  Effect.gen(function* () {
    const file = yield* temporaryFile
    const on = (entries: object) =>
      Echo.run({ text: "heard" }).pipe(
        Effect.provide(Echo.layer.pipe(Layer.provideMerge(deployment))),
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(entries)))
      )
    assert.strictEqual(yield* on({ BACKEND: "memory" }), "heard")
    assert.strictEqual(yield* on({ BACKEND: "embedded", TUTTI_SQLITE_FILE: file }), "heard")
  })
)

it.effect("layerConfig: each build is a fresh store, which heeds the options", () =>
  Effect.gen(function* () {
    const pages = EventStore.use((store) =>
      Effect.gen(function* () {
        yield* store.append(
          stream,
          [
            { type: "A", data: 1 },
            { type: "B", data: 2 }
          ],
          "NoStream"
        )
        const sizes: Array<number> = []
        yield* Stream.runForEachArray(store.read(stream), (page) => Effect.sync(() => sizes.push(page.length)))
        return sizes
      })
    )
    const small = Memory.layerConfig({ pageSize: 1 })
    assert.deepStrictEqual(yield* Effect.provide(pages, small), [1, 1])
    assert.deepStrictEqual(yield* Effect.provide(pages, small), [1, 1])
    assert.deepStrictEqual(yield* Effect.provide(pages, Memory.layerConfig()), [2])
  })
)

it.effect("what a state keeps is there for the next deployment over it", () =>
  Effect.gen(function* () {
    const state = Memory.makeState()
    yield* Effect.provide(
      EventStore.use((store) => store.append(stream, [{ type: "A", data: 1 }], 0)),
      Memory.layerOf(state)
    )
    const version = yield* Effect.provide(
      EventStore.use((store) => store.version(stream)),
      Memory.layerOf(state)
    )
    assert.strictEqual(version, 1)
  })
)
