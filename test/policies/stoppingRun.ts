/** One run in processes of its own over one store, each of which stops when it has been used. */
import { type Duration, Effect, Layer, Schema } from "effect"
import * as Memory from "../../src/backends/Memory.ts"
import { Orchestration } from "../../src/index.ts"

const jobOf = (body: Effect.Effect<string, unknown>) =>
  Orchestration.make("Job", {
    input: {},
    output: Schema.String,
    key: () => "one",
    run: () => Effect.orDie(body)
  })

export const stoppingRun = (grace: Duration.Input) =>
  Effect.sync(() => {
    const state = Memory.makeState()
    return {
      /** Lives as long as it is used, and then stops as an engine does: it lets go what need not be waited for. */
      inProcess: <A, E>(
        body: Effect.Effect<string, unknown>,
        use: (job: ReturnType<typeof jobOf>) => Effect.Effect<A, E, any>
      ): Effect.Effect<A, E> => {
        const job = jobOf(body)
        const layer = job.layer.pipe(Layer.provideMerge(Memory.layerOf(state, { replayPatience: 0, grace })))
        return Effect.provide(use(job), Layer.fresh(layer), { local: true }) as Effect.Effect<A, E>
      }
    }
  })
