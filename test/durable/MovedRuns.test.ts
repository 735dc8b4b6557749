/** Runs whose log was moved to another backend, or archived. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Archive,
  Causation,
  type Engine,
  EventStore,
  LogExport,
  LogImport,
  Orchestration,
  RunCausation,
  Signal,
  Step,
  type StreamId
} from "../../src/index.ts"
import { within } from "../event-store/dyingStores.ts"

const Approval = Signal.make("approval", { by: Schema.String })

/** Does something, waits for approval, and does something else. */
const Release = (onStep: () => void) =>
  Orchestration.make("Release", {
    input: { name: Schema.String },
    output: Schema.String,
    error: Schema.Never,
    key: ({ name }) => name,
    run: ({ name }) =>
      Effect.gen(function* () {
        const step = (of: string) =>
          Step.run(of, { output: Schema.String, run: () => Effect.sync(() => (onStep(), `${of} ${name}`)) })
        yield* step("build")
        const { by } = yield* Signal.await(Approval)
        return `${yield* step("ship")}, approved by ${by}`
      })
  })

const inRuntime = <A, E, R>(
  state: Memory.MemoryState,
  layer: Layer.Layer<R, any, Engine>,
  effect: Effect.Effect<A, E, R | Engine | EventStore.EventStore>
) =>
  Effect.provide(effect, Layer.fresh(layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0 })))), {
    local: true
  })

/** Waits until the run has written so many events. */
const reaches = (stream: StreamId, version: number) =>
  EventStore.EventStore.use((store) =>
    store.subscribe({ streamPrefix: stream }).pipe(
      Stream.takeUntil((event) => event.version >= version),
      Stream.runDrain
    )
  )

const stream = (id: string) => `run/${id}` as StreamId

describe("moved runs", () => {
  it.effect("a run that waits goes on where its log was imported, and does nothing twice", () =>
    Effect.gen(function* () {
      const [here, there] = [Memory.makeState(), Memory.makeState()]
      let steps = 0
      const release = Release(() => steps++)
      const input = { name: "v1" }
      const id = yield* inRuntime(
        here,
        release.layer,
        Effect.gen(function* () {
          const { id } = yield* release.start(input)
          yield* reaches(stream(id), 2)
          return id
        })
      )
      const file = yield* within(here)(Stream.runCollect(LogExport.lines({ documents: ["epochs"] })))
      yield* within(there)(LogImport.run(Stream.fromIterable(file)))
      yield* inRuntime(
        there,
        release.layer,
        Effect.gen(function* () {
          const handle = yield* release.start(input)
          assert.strictEqual(handle.id, id)
          yield* handle.signal(Approval, { by: "ann" })
          assert.strictEqual(yield* handle.await, "ship v1, approved by ann")
          assert.strictEqual(steps, 2)
          const events = yield* EventStore.EventStore.use((store) => store.readArray(stream(id)))
          const epochs = events.map(({ meta }) => meta.epoch)
          assert.isAbove(epochs.at(-1)!, epochs[0]!, "the second owner comes after the first")
          const received = events.find(({ type }) => type === "SignalReceived")!
          const why = yield* Causation.why(received.id, { causeOf: RunCausation.causeOf })
          assert.deepStrictEqual(
            why.causes.map(({ stream, type }) => [stream as string, type]),
            [[`inbox/${id}`, "SignalSent"]]
          )
          const shipped = yield* Causation.why(events.at(-1)!.id, { causeOf: RunCausation.causeOf })
          assert.deepStrictEqual(
            shipped.causes.map(({ type }) => type),
            ["RunStarted"]
          )
        })
      )
    })
  )

  it.effect("a run of which only the end is kept still answers as it did, and starts no second time", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      let steps = 0
      const release = Release(() => steps++)
      const done = Effect.gen(function* () {
        const handle = yield* release.start({ name: "v1" })
        yield* handle.signal(Approval, { by: "ann" })
        return yield* handle.await
      })
      yield* inRuntime(state, release.layer, done)
      yield* TestClock.adjust("40 days")
      const policy: Archive.Policy = {
        streamPrefix: "run/",
        finishedBy: ["RunCompleted", "RunFailed", "RunCancelled"],
        olderThan: "30 days",
        keep: "lastEvent",
        companions: (run) => [run.replace("run/", "inbox/") as StreamId]
      }
      const { streams } = yield* within(state)(Archive.sweep(policy, Archive.documents))
      assert.strictEqual(streams.length, 1)
      const again = yield* inRuntime(
        state,
        release.layer,
        Effect.flatMap(release.start({ name: "v1" }), (run) => run.await)
      )
      assert.strictEqual(again, "ship v1, approved by ann")
      assert.strictEqual(steps, 2)
    })
  )
})
