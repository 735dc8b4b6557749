/** Two workers on one store: the second finishes what the first was told to leave. */
import { Cause, Effect, Exit, Layer, Schema } from "effect"
import { type Engine, Orchestration, Signal, Step } from "tutti"
import * as Embedded from "tutti/embedded"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const Approval = Signal.make("approval", { by: Schema.String })
let builds = 0

const Release = Orchestration.make("Release", {
  input: { version: Schema.String },
  output: Schema.String,
  run: ({ version }) =>
    Effect.gen(function* () {
      yield* Step.run("build", { output: Schema.Void, run: () => Effect.sync(() => void builds++) })
      const { by } = yield* Signal.await(Approval)
      return `${version} is out, approved by ${by}`
    })
})

// #region worker
/** Every process runs this. With `Postgres.layer` or `Redis.layer` it may do so on any machine. */
const worker = (store: Layer.Layer<Engine, unknown>) => Release.layer.pipe(Layer.provideMerge(store))

/** The main program of a process: on SIGTERM it stops taking work, lets steps end, and hands its runs back. */
export const main = (store: Layer.Layer<Engine, unknown>): void => {
  const fiber = Effect.runFork(Layer.launch(worker(store)))
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => fiber.interruptUnsafe())
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
    console.error(Cause.pretty(exit.cause))
    process.exitCode = 1
  })
}
// #endregion

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "tutti-example-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

export const program = Effect.gen(function* () {
  const filename = join(yield* folder, "tutti.db")
  const options = { filename, pollInterval: "20 millis", engine: { lease: "300 millis" } } as const
  const process = () => Layer.build(Layer.fresh(worker(Embedded.layer(options))))

  const start = Release.start({ version: "1.0" })
  const { id } = yield* Effect.scoped(Effect.flatMap(process(), (first) => Effect.provide(start, first))) // SIGTERM

  const run = yield* Effect.provide(Release.handle(id), yield* process())
  yield* run.signal(Approval, { by: "ann" }) // from any process
  return [yield* run.await, `built ${builds} time`]
}).pipe(Effect.scoped)

export const expected = ["1.0 is out, approved by ann", "built 1 time"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
