/** The same work everywhere: a run of ten trivial steps, each recorded before the next. */
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import { Agent, type Engine, Orchestration, Task } from "tutti"
import * as Floor from "./floor.ts"
import { type Case, microsEach, percentile, perSecond } from "./harness.ts"
import type { Place } from "./places.ts"
import * as StepLatency from "./stepLatency.ts"

export const steps = 10

/** Runs at once, where there are many. */
const concurrency = 100

const Work = Task.make("Work", {
  input: { step: Schema.Int, value: Schema.Int },
  output: { step: Schema.Int, ok: Schema.Boolean, value: Schema.Int, note: Schema.String }
})

const worker = Agent.make("worker", {
  task: Work,
  run: ({ step, value }) => Effect.succeed({ step, ok: true, value: value + 1, note: "step-result" })
})

const TenSteps = Orchestration.make("TenSteps", {
  input: { value: Schema.Int },
  output: { value: Schema.Int },
  run: Effect.fnUntraced(function* (input) {
    let { value } = input
    for (let step = 0; step < steps; step++) {
      const asked = StepLatency.asked()
      value = (yield* Effect.orDie(worker.run({ step, value }))).value
      StepLatency.answered(asked)
    }
    return { value }
  })
})

const once = Effect.flatMap(TenSteps.run({ value: 1 }), ({ value }) =>
  value === 11 ? Effect.void : Effect.die(new Error(`11 was expected, not ${value}`))
)

/** Carries out so many runs, so many of them at a time. */
export type RunMany = (count: number, concurrency: number) => Promise<void>

/** A system that carries out runs, built anew for each measurement; building it is not measured. */
export type System<Where> = <A>(use: (runMany: RunMany, where: Where) => Promise<A>) => Promise<A>

/** An engine. */
export const onLayer =
  <Where>(place: Place<Where>, makeLayer: (where: Where) => Layer.Layer<Engine, unknown>): System<Where> =>
  (use) =>
    place(async (where) => {
      const runtime = ManagedRuntime.make(TenSteps.layer.pipe(Layer.provideMerge(makeLayer(where))))
      const runMany: RunMany = (count, concurrency) =>
        runtime.runPromise(Effect.forEach(Array(count), () => once, { concurrency, discard: true }))
      try {
        return await use(runMany, where)
      } finally {
        await runtime.dispose()
      }
    })

/** A log written by hand. */
export const onFloor =
  <Where>(place: Place<Where>, makeLog: (where: Where) => Floor.Log | Promise<Floor.Log>): System<Where> =>
  (use) =>
    place(async (where) => {
      const log = await makeLog(where)
      const runMany: RunMany = (count, concurrency) => Floor.runMany(log, count, concurrency, steps)
      try {
        return await use(runMany, where)
      } finally {
        await log.close()
      }
    })

/** Runs before a measurement: a store is in use for days, so its code, connections and plans are warm. */
const before = 200

/** Microseconds per step, of runs one after the other. */
export const alone =
  <Where>(system: System<Where>, runs: number) =>
  (): Promise<number> =>
    system(async (runMany) => {
      await runMany(before, 1)
      return microsEach(runs * steps, () => runMany(runs, 1))
    })

/** Steps per second, of 100 runs at once, warmed up by a fifth as many. */
export const crowded =
  <Where>(system: System<Where>, runs: number) =>
  (): Promise<number> =>
    system(async (runMany) => {
      await runMany(runs / 5, concurrency)
      return perSecond(runs * steps, () => runMany(runs, concurrency))
    })

/** Two rows: what half and what 99 in a hundred steps do not exceed, in milliseconds, of 100 runs at once. */
export const latencies = <Where>(
  name: string,
  system: System<Where>,
  { reference, runs }: { readonly runs: number; readonly reference?: string }
): ReadonlyArray<Case> => {
  let measured: ReadonlyArray<number> = []
  const measure = () =>
    system(async (runMany) => {
      await runMany(runs / 5, concurrency)
      measured = await StepLatency.watch(() => runMany(runs, concurrency))
      if (measured.length !== runs * steps) throw new Error(`${measured.length} steps were seen`)
      return percentile(measured, 50)
    })
  const beside = (part: string) => (reference === undefined ? {} : { reference: `${reference}, ${part}` })
  return [
    { name: `${name}, p50`, run: measure, ...beside("p50") },
    { name: `${name}, p99`, run: () => percentile(measured, 99), ...beside("p99") }
  ]
}
