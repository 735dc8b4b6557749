/** Runs whose log was moved to another backend, or archived. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../src/backends/Memory.ts"
import {
  Archive,
  Causation,
  type Engine,
  Erasure,
  EventStore,
  LogExport,
  LogImport,
  Orchestration,
  RunCausation,
  RunNotFound,
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
  effect: Effect.Effect<A, E, R | Memory.Services>
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

const log = EventStore.EventStore.use((store) => Stream.runCollect(store.readAll()))

/** A release that got its approval and has ended. */
const approved = Effect.fnUntraced(function* (release: ReturnType<typeof Release>) {
  const run = yield* release.start({ name: "v1" })
  yield* run.signal(Approval, { by: "ann" })
  yield* run.await
  return run
})

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
            ["StepCompleted", "SignalReceived", "SignalSent"]
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
        keep: "lastEvent"
      }
      const { streams } = yield* within(state)(Archive.sweep(policy, Archive.documents))
      assert.strictEqual(streams.length, 1)
      const left = yield* within(state)(log)
      assert.deepStrictEqual(
        left.map(({ type }) => type),
        ["RunCompleted"],
        "with the run goes its inbox"
      )
      const again = yield* inRuntime(
        state,
        release.layer,
        Effect.flatMap(release.start({ name: "v1" }), (run) => run.await)
      )
      assert.strictEqual(again, "ship v1, approved by ann")
      assert.strictEqual(steps, 2)
      const late = Effect.flatMap(release.start({ name: "v1" }), (run) => run.signal(Approval, { by: "bob" }))
      yield* inRuntime(state, release.layer, late)
      assert.strictEqual((yield* within(state)(log)).length, 1, "what comes too late is ignored, and not kept")
    })
  )

  it.effect("an inbox that was left behind goes with the next sweep", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const release = Release(() => {})
      yield* inRuntime(state, release.layer, approved(release))
      const policy = { streamPrefix: "run/", finishedBy: ["RunCompleted"], olderThan: 0, keep: "lastEvent" } as const
      yield* within(state)(Archive.sweep({ ...policy, companions: () => [] }, Archive.documents))
      const { streams } = yield* within(state)(Archive.sweep(policy, Archive.documents))
      assert.deepStrictEqual(streams, [], "the run itself was archived before")
      const kept = yield* within(state)(Stream.runCollect(Archive.read("inbox/Release/v1" as StreamId)))
      assert.strictEqual(kept.length, 1)
      assert.deepStrictEqual(
        (yield* within(state)(log)).map(({ type }) => type),
        ["RunCompleted"]
      )
    })
  )

  it.effect("a run of which nothing is kept is not found, and neither is its inbox", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const release = Release(() => {})
      const policy = { streamPrefix: "run/", finishedBy: ["RunCompleted"], olderThan: 0, keep: "nothing" } as const
      const late = Effect.gen(function* () {
        const run = yield* approved(release)
        yield* Archive.sweep(policy, Archive.documents)
        return yield* Effect.flip(run.signal(Approval, { by: "bob" }))
      })
      assert.instanceOf(yield* inRuntime(state, release.layer, late), RunNotFound)
      assert.deepStrictEqual(yield* within(state)(log), [])
    })
  )

  it.effect("with a run that is erased goes its inbox", () =>
    Effect.gen(function* () {
      const state = Memory.makeState()
      const release = Release(() => {})
      const erased = Effect.flatMap(approved(release), ({ id }) =>
        Erasure.erase({ reference: "ticket", streams: [stream(id)] })
      )
      yield* inRuntime(state, release.layer, erased)
      assert.deepStrictEqual(
        (yield* within(state)(log)).map(({ type }) => type),
        ["SubjectErased"]
      )
    })
  )
})
