/** Two workers on one store: the second finishes what the first was told to leave. */
import { Cause, Effect, Exit, Layer, Schema, Scope } from "effect"
import { type Engine, Orchestration, Signal, Step } from "tutti"
import * as Embedded from "tutti/embedded"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const Approval = Signal.make("approval", { by: Schema.String })

const Release = Orchestration.make("Release", {
  input: { version: Schema.String },
  output: Schema.String,
  key: ({ version }) => version,
  run: ({ version }) =>
    Effect.gen(function* () {
      const parcel = yield* Step.run("build", {
        output: Schema.String,
        run: () => Effect.succeed(`tutti-${version}.tgz`)
      })
      const { by } = yield* Signal.await(Approval)
      return `${parcel}, approved by ${by}`
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
  // A short lease, so that the example is quick.
  const store = () =>
    Layer.fresh(Embedded.layer({ filename, pollInterval: "20 millis", engine: { lease: "300 millis" } }))

  const first = yield* Scope.make()
  const { id } = yield* Effect.provide(
    Release.start({ version: "1.0" }),
    yield* Layer.buildWithScope(worker(store()), first)
  )
  yield* Scope.close(first, Exit.void) // SIGTERM

  const second = yield* Layer.build(worker(store()))
  return yield* Effect.gen(function* () {
    const run = yield* Release.handle(id)
    yield* run.signal(Approval, { by: "ann" }) // from any process
    return yield* run.await
  }).pipe(Effect.provide(second))
}).pipe(Effect.scoped)

export const expected = "tutti-1.0.tgz, approved by ann"

if (import.meta.main) console.log(await Effect.runPromise(program))
