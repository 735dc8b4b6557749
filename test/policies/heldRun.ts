/** One run in two processes over one store: the first is dropped where the program holds, the second replays and finishes. */
import { Deferred, Effect, Layer, Schema, Stream } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import { Agent, EventStore, Orchestration, Task } from "../../src/index.ts"

type Body = (hold: Effect.Effect<void>) => Effect.Effect<ReadonlyArray<string>>

export const heldRun = Effect.gen(function* () {
  const state = Memory.makeState()
  const gate = yield* Deferred.make<void>()
  const reached = yield* Deferred.make<void>()
  const hold = Agent.make("hold", {
    task: Task.make("Hold", { input: {}, output: {} }),
    run: () => Effect.andThen(Deferred.succeed(reached, undefined), Effect.as(Deferred.await(gate), {}))
  })
  const inProcess = <A, E>(
    body: Body,
    use: (job: ReturnType<typeof jobOf>) => Effect.Effect<A, E, any>
  ): Effect.Effect<A, E> => {
    const job = jobOf(body)
    const layer = Layer.fresh(job.layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0 }))))
    return Effect.provide(use(job), layer, { local: true }) as Effect.Effect<A, E>
  }
  const jobOf = (body: Body) =>
    Orchestration.make("Job", {
      input: {},
      output: Schema.Array(Schema.String),
      key: () => "one",
      run: () => body(Effect.asVoid(Effect.orDie(hold.run({}))))
    })
  return {
    /** Runs until the program holds, then drops the process. */
    untilHeld: (body: Body) => inProcess(body, (job) => Effect.andThen(job.start({}), Deferred.await(reached))),
    /** The run's answer from a process that replays it. */
    finish: (body: Body) =>
      Effect.andThen(
        Deferred.succeed(gate, undefined),
        inProcess(body, (job) => Effect.flatMap(job.start({}), (handle) => handle.await))
      ),
    /** What stands in the run's stream. */
    events: (body: Body) =>
      inProcess(body, (job) =>
        Effect.gen(function* () {
          const store = yield* EventStore.EventStore
          const handle = yield* job.start({})
          const events = yield* Stream.runCollect(store.read(`run/${handle.id}` as never))
          return events.map((event) => `${event.type} ${event.meta.path ?? ""}`.trim())
        })
      )
  }
})

/** What a call answers twice before the process is dropped, and once after, in a process that replays the first two. */
export const twiceAndOnce =
  <R>(call: Effect.Effect<string, never, R>) =>
  (hold: Effect.Effect<void>): Effect.Effect<ReadonlyArray<string>, never, R> =>
    Effect.gen(function* () {
      const before = [yield* call, yield* call]
      yield* hold
      return [...before, yield* call]
    })
