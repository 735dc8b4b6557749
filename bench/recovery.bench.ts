/** A process that starts again with 10,000 open runs, beside reading and folding the same log by hand. */
import { Effect, Layer, ManagedRuntime, Redacted, Schema } from "effect"
import { Redis as IoRedis } from "ioredis"
import { DatabaseSync } from "node:sqlite"
import { Agent, type Engine, Orchestration, Signal, Task } from "tutti"
import * as Embedded from "tutti/embedded"
import * as Memory from "tutti/memory"
import * as Postgres from "tutti/postgres"
import * as Redis from "tutti/redis"
import { compare, millis, printMachine } from "./harness.ts"
import * as Peers from "./peers/peers.ts"
import * as Places from "./places.ts"

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

type Deployment = Layer.Layer<Engine, unknown>

/** A process's worth of Tutti. `arrived` says that all runs wait for their signal. */
const boot = (deployment: Deployment) => {
  waiting = 0
  const arrived = new Promise<void>((resolve) => (allWait = resolve))
  return { runtime: ManagedRuntime.make(Half.layer.pipe(Layer.provideMerge(deployment))), arrived }
}

const fill = async (deployment: Deployment): Promise<void> => {
  const { arrived, runtime } = boot(deployment)
  await runtime.runPromise(
    Effect.forEach(Array(open).keys(), (run) => Half.start({ run }), { concurrency: 500, discard: true })
  )
  await arrived
  await runtime.dispose()
}

const recover = (deployment: Deployment) => async (): Promise<number> => {
  const { arrived, runtime } = boot(deployment)
  const time = await millis(async () => {
    await runtime.runPromise(Effect.void)
    await arrived
  })
  await runtime.dispose()
  return time
}

/** An event as a store gives it. */
interface Found {
  readonly stream: string | number
  readonly version: number
  readonly type: string
  readonly data: any
  readonly meta: any
}

/** Folds what each run is to go on with. */
const fold = (read: (each: (event: Found) => void) => unknown) => () =>
  millis(async () => {
    const runs = new Map<string | number, { version: number; answers: Map<string, unknown> }>()
    await read(({ data, meta, stream, type, version }) => {
      let run = runs.get(stream)
      if (run === undefined) runs.set(stream, (run = { version: 0, answers: new Map() }))
      run.version = version
      if (type === "StepCompleted") run.answers.set(meta.path, data.output)
    })
    if (runs.size < open) throw new Error(`${runs.size} runs were found`)
  })

const readSqlite = (filename: string) => (each: (event: Found) => void) => {
  const database = new DatabaseSync(filename)
  const select = database.prepare("SELECT stream, version, type, body FROM tutti_events ORDER BY position")
  for (const { body, stream, type, version } of select.iterate() as Iterable<any>) {
    each({ stream, version, type, ...JSON.parse(body) })
  }
  database.close()
}

const page = 2000

const readPostgres = (url: string) => async (each: (event: Found) => void) => {
  const client = await Peers.connect(url)
  const text = `SELECT position, stream, version, type, body FROM tutti_events
                WHERE position > $1 ORDER BY position LIMIT ${page}`
  for (let after = "0"; ;) {
    const { rows } = await client.query({ name: "page", text, values: [after] })
    for (const { body, stream, type, version } of rows) each({ stream, version: Number(version), type, ...body })
    if (rows.length < page) break
    after = rows.at(-1)!.position
  }
  await client.end()
}

const readRedis = (url: string) => async (each: (event: Found) => void) => {
  const client = new IoRedis(url)
  for (let after = "-"; ;) {
    const entries = await client.xrange("{tutti}:log", after, "+", "COUNT", page)
    for (const [, fields] of entries) {
      const [, , , stream, , version, , type, , body] = fields as any
      const [, data, meta] = JSON.parse(body)
      each({ stream, version: Number(version), type, data, meta })
    }
    if (entries.length < page) break
    after = `(${entries.at(-1)![0]}`
  }
  await client.quit()
}

/** The log stays from round to round. */
const onStore = <Where>(
  [name, place]: readonly [name: string, place: Places.Place<Where>],
  deploy: (where: Where) => Deployment,
  read: (where: Where) => Parameters<typeof fold>[0]
): Promise<void> =>
  place(async (where) => {
    await fill(deploy(where))
    await compare(
      `Recovery of ${open.toLocaleString("en-US")} open runs, ${name}`,
      {
        unit: "ms",
        rounds: 3,
        notes: [
          `${before} of ${steps} steps recorded, then a signal is waited for`,
          "from the start of the layers until every program waits again",
          "each recovery claims every run with one more event, so both rows grow with the rounds"
        ]
      },
      [
        { name: "floor: read and fold the log", run: fold(read(where)) },
        { name, run: recover(deploy(where)), reference: "floor: read and fold the log" }
      ]
    )
  })

printMachine()
const state = Memory.makeState()
await fill(Memory.layerOf(state))
await compare(`Recovery of ${open.toLocaleString("en-US")} open runs, memory`, { unit: "ms", rounds: 3 }, [
  { name: "memory", run: recover(Memory.layerOf(state)) }
])
await onStore(["embedded", Places.file], (filename) => Embedded.layer({ filename }), readSqlite)
await onStore(["Postgres", Places.database], (url) => Postgres.layer({ url: Redacted.make(url) }), readPostgres)
await onStore(["Redis always", Places.redisAlways], (url) => Redis.layer({ url, durability: "ignore" }), readRedis)
