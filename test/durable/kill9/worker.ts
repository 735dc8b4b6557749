/**
 * The process that `Kill9.test.ts` kills: many runs with steps, retries, transactions, timers, signals and children,
 * on the embedded backend. Every execution of a step is a line in a side file: `key|attempt|epoch`.
 */
import { Effect, Layer, Schedule, Schema } from "effect"
import * as Fs from "node:fs"
import { Agent, Engine, Orchestration, Saga, Signal, Task, Timer } from "tutti"
import * as Embedded from "tutti/embedded"

const [, , filename = "", sideFile = "", count = "0"] = process.argv

class Refused extends Schema.TaggedError<Refused>()("Refused", { n: Schema.Int }) {}
class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {}) {}

const Number_ = Schema.Struct({ n: Schema.Int })
let epoch = "0"

const executed = (key: string, attempt: number) =>
  Effect.sync(() => Fs.appendFileSync(sideFile, `${key}|${attempt}|${epoch}\n`))

const worker = (name: string) =>
  Agent.make(name, {
    task: Task.make(name, { input: Number_, output: Number_ }),
    run: ({ n }, { attempt, idempotencyKey }) => Effect.as(executed(idempotencyKey, attempt), { n: n + 1 })
  })

const flaky = Agent.make("flaky", {
  task: Task.make("flaky", { input: Number_, output: Number_, error: Flaky }),
  run: ({ n }, { attempt, idempotencyKey }) =>
    Effect.andThen(executed(idempotencyKey, attempt), attempt < 2 ? Effect.fail(new Flaky()) : Effect.succeed({ n }))
}).pipe(Agent.retry(Schedule.max([Schedule.spaced("2 millis"), Schedule.recurs(3)])))

const [prepare, seat, release, room, leave, inner] = ["prepare", "seat", "release", "room", "leave", "inner"].map(
  worker
)
const Go = Signal.make("go", Number_)

const Child = Orchestration.make("Child", { input: Number_, output: Number_, run: inner!.run })

const Trip = Orchestration.make("Trip", {
  input: Number_,
  output: Number_,
  error: Schema.Union([Refused, Flaky, Saga.CompensationFailed]),
  key: ({ n }) => String(n),
  run: ({ n }) =>
    Effect.gen(function* () {
      const first = yield* prepare!.run({ n })
      yield* flaky.run(first)
      yield* Timer.sleep("3 millis")
      return yield* Effect.gen(function* () {
        yield* seat!.run({ n }).pipe(Saga.undo((value) => release!.run(value)))
        yield* room!.run({ n }).pipe(Saga.undo((value) => leave!.run(value)))
        yield* Signal.await(Go)
        if (n % 2 === 1) return yield* new Refused({ n })
        return yield* Effect.orDie(Child.run({ n }))
      }).pipe(Saga.transaction("book"))
    })
})

const signalId = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`

const program = Effect.forEach(
  Array.from({ length: Number(count) }, (_, n) => n),
  (n) =>
    Effect.gen(function* () {
      const handle = yield* Trip.start({ n })
      yield* handle.signal(Go, { n }, { id: signalId(n) })
      yield* Effect.exit(handle.await)
    }),
  { concurrency: 4, discard: true }
)

const stores = Embedded.layer({ filename })
const named = Layer.effectDiscard(Effect.map(Engine, ({ owner }) => void (epoch = owner.split("-").at(-1) ?? "0")))
const orchestrations = Trip.layer.pipe(Layer.provideMerge(Child.layer), Layer.provide(named))

await Effect.runPromise(program.pipe(Effect.provide(orchestrations.pipe(Layer.provideMerge(stores)))))
Fs.appendFileSync(sideFile, "done\n")
