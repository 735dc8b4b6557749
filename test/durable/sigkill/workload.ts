/**
 * What the child process does, and what the parent expects of it.
 *
 * Every execution of a step's body writes one line to a side file before it does anything else: `<pid> <idempotency key>`.
 * Lines are written with O_APPEND in one call, so they survive the process. Modules are imported one by one: the process
 * starts more than fifty times.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { appendFileSync } from "node:fs"
import * as Agent from "../../../src/core/Agent.ts"
import * as Task from "../../../src/core/Task.ts"
import * as Orchestration from "../../../src/durable/Orchestration.ts"
import * as Signal from "../../../src/durable/Signal.ts"
import * as Step from "../../../src/durable/Step.ts"
import * as Timer from "../../../src/durable/Timer.ts"
import * as Saga from "../../../src/patterns/saga/Saga.ts"

export class Declined extends Schema.TaggedError<Declined>()("Declined", { what: Schema.String }) {}
export const Approval = Signal.make("approval", { by: Schema.String })

export const runs = 24

const Work = Task.make("Work", { input: { n: Schema.Int }, output: Schema.Int, error: Declined })

/** Orchestrations whose steps log to the side file. */
export const make = (sideFile: string) => {
  const leaf = (name: string, fails: (attempt: number, n: number) => boolean = () => false) =>
    Agent.make(name, {
      task: Work,
      run: ({ n }, { attempt, idempotencyKey }) =>
        Effect.gen(function* () {
          appendFileSync(sideFile, `${process.pid} ${idempotencyKey}\n`)
          yield* Effect.sleep(2)
          return fails(attempt, n) ? yield* new Declined({ what: `${name} ${n}` }) : n + 1
        })
    })
  const work = leaf("work")
  const flaky = leaf("flaky", (attempt) => attempt < 3).pipe(
    Agent.retry(Schedule.spaced(3).pipe(Schedule.upTo({ times: 4 })))
  )
  const undoing = leaf("undoing")
  const charge = leaf("charge", (_, n) => n % 2 === 0)

  const Part = Orchestration.make("Part", {
    input: { n: Schema.Int },
    output: Schema.Int,
    run: ({ n }) => Effect.andThen(Timer.sleep(5), Effect.orDie(work.run({ n })))
  })

  const Trip = Orchestration.make("Trip", {
    input: { n: Schema.Int },
    output: Schema.String,
    key: ({ n }) => String(n),
    run: ({ n }) =>
      Effect.gen(function* () {
        yield* work.run({ n })
        yield* flaky.run({ n })
        const { by } = yield* Signal.await(Approval)
        yield* Step.forEach([1, 2, 3], (part) => work.run({ n: part }), { concurrency: 3 })
        yield* Part.run({ n })
        yield* Timer.sleep(10)
        return yield* Effect.gen(function* () {
          yield* work.run({ n }).pipe(Saga.undo(() => undoing.run({ n })))
          yield* Step.all({
            left: work.run({ n }).pipe(Saga.undo(() => undoing.run({ n }))),
            right: work.run({ n }).pipe(Saga.undo(() => undoing.run({ n })))
          })
          return yield* charge.run({ n: Number(n) })
        }).pipe(
          Saga.transaction("book"),
          Effect.as(`booked by ${by}`),
          Effect.catchTag("Declined", ({ what }) => Effect.succeed(`declined ${what}`))
        )
      }).pipe(Effect.orDie) as Effect.Effect<string>
  })
  return { Trip, layer: Trip.layer.pipe(Layer.provideMerge(Part.layer)) }
}

export const expected = (n: number): string => (n % 2 === 0 ? `declined charge ${n}` : "booked by ann")

/** A signal id that is the same in every process. */
export const signalId = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`
