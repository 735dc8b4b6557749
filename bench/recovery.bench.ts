/** A process that starts again with 10,000 open runs, beside reading and folding the same log by hand. */
import { Effect, Layer, ManagedRuntime, Schema } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Agent, Orchestration, Signal, Task } from "tutti"
import * as Embedded from "tutti/embedded"
import { compare, millis, printMachine } from "./harness.ts"

const open = 10_000
const steps = 10
const before = 5

const Result = Schema.Struct({ step: Schema.Int, ok: Schema.Boolean, value: Schema.Int, note: Schema.String })
const worker = Agent.make("worker", {
  task: Task.make("Work", { input: { step: Schema.Int, value: Schema.Int }, output: Result }),
  run: ({ step, value }) => Effect.succeed({ step, ok: true, value: value + 1, note: "step-result" })
})
const Go = Signal.make("go", {})

let waiting = 0
let allWait: () => void = () => {}

const Half = Orchestration.make("Half", {
  input: { run: Schema.Int },
  output: { value: Schema.Int },
  key: ({ run }) => String(run),
  run: Effect.fnUntraced(function* () {
    let value = 0
    for (let step = 0; step < steps; step++) {
      if (step === before) {
        if (++waiting === open) allWait()
        yield* Signal.await(Go)
      }
      value = (yield* worker.run({ step, value })).value
    }
    return { value }
  }, Effect.orDie)
})

const folder = mkdtempSync(join(tmpdir(), "tutti-bench-"))
const filename = join(folder, "tutti.db")

/** Starts a process's worth of Tutti on the file and waits until all runs wait for their signal. */
const boot = async () => {
  waiting = 0
  const arrived = new Promise<void>((resolve) => (allWait = resolve))
  const runtime = ManagedRuntime.make(Half.layer.pipe(Layer.provideMerge(Embedded.layer({ filename }))))
  return { runtime, arrived }
}

const { arrived, runtime } = await boot()
await runtime.runPromise(
  Effect.forEach(Array(open).keys(), (run) => Half.start({ run }), { concurrency: 500, discard: true })
)
await arrived
await runtime.dispose()

const recover = async (): Promise<number> => {
  let used: Awaited<ReturnType<typeof boot>>["runtime"]
  const time = await millis(async () => {
    const { arrived, runtime } = await boot()
    used = runtime
    await runtime.runPromise(Effect.void)
    await arrived
  })
  await used!.dispose()
  return time
}

/** Reads every event, parses it, and folds what each run is to go on with. */
const fold = (): Promise<number> =>
  millis(() => {
    const database = new DatabaseSync(filename)
    const runs = new Map<number, { version: number; answers: Map<string, unknown> }>()
    for (const row of database
      .prepare("SELECT stream, version, type, body FROM tutti_events ORDER BY position")
      .iterate()) {
      const { data, meta } = JSON.parse(row["body"] as string)
      const stream = row["stream"] as number
      let run = runs.get(stream)
      if (run === undefined) runs.set(stream, (run = { version: 0, answers: new Map() }))
      run.version = row["version"] as number
      if (row["type"] === "StepCompleted") run.answers.set(meta.path, data.output)
    }
    database.close()
    if (runs.size < open) throw new Error(`${runs.size} runs were found`)
  })

printMachine()
await compare(
  `Recovery of ${open.toLocaleString("en-US")} open runs`,
  {
    unit: "ms",
    rounds: 3,
    warmUp: 1,
    notes: [
      `${before} of ${steps} steps recorded, then a signal is waited for`,
      "from the start of the layers until every program waits again",
      "each recovery claims every run with one more event, so both rows grow with the rounds",
      "SQLite: WAL, synchronous=FULL"
    ]
  },
  [
    { name: "floor: read and fold the log", run: fold },
    { name: "Embedded", run: recover, reference: "floor: read and fold the log" }
  ]
)
rmSync(folder, { recursive: true })
