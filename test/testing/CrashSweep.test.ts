import { assert, it } from "@effect/vitest"
import { Effect, Schedule, Schema } from "effect"
import { Agent, Orchestration, Signal, Step, Task, Timer } from "../../src/index.ts"
import { CrashSweep } from "../../src/testing/index.ts"

class Declined extends Schema.TaggedError<Declined>()("Declined", { amount: Schema.Int }) {}
const Approval = Signal.make("approval", { by: Schema.String })

/** Books, waits for an approval and a night, charges with a retry: one of everything. */
const booking = (charges: Array<string> = []) => {
  const charge = Agent.make("charge", {
    task: Task.make("Charge", { input: { amount: Schema.Int }, output: Schema.String, error: Declined }),
    run: ({ amount }, { attempt, idempotencyKey }) =>
      attempt === 1
        ? Effect.fail(new Declined({ amount }))
        : Effect.sync(() => {
            if (!charges.includes(idempotencyKey)) charges.push(idempotencyKey)
            return `paid ${amount}`
          })
  }).pipe(Agent.retry(Schedule.recurs(2)))
  const Booking = Orchestration.make("Booking", {
    input: { amount: Schema.Int },
    output: Schema.String,
    error: Declined,
    run: ({ amount }) =>
      Effect.gen(function* () {
        const seat = yield* Step.run("seat", { output: Schema.String, run: () => Effect.succeed("12A") })
        const { by } = yield* Signal.await(Approval)
        yield* Timer.sleep("1 day")
        const paid = yield* charge.run({ amount }).pipe(Effect.catchTag("ContractViolation", Effect.die))
        return `${seat} ${by} ${paid}`
      })
  })
  return { Booking, charges }
}

it.effect("W1-W3: a program with a step, a signal, a timer and a retry survives every crash", () =>
  Effect.gen(function* () {
    const report = yield* CrashSweep.check(() => {
      const { Booking, charges } = booking()
      return {
        orchestration: Booking,
        input: { amount: 7 },
        layer: Booking.layer,
        drive: CrashSweep.sends(Approval, { by: "ann" }),
        invariant: Effect.sync(() => assert.strictEqual(charges.length, 1))
      }
    })
    console.log(report)
    assert.deepStrictEqual(report.unfired, [])
    assert.strictEqual(report.crashes, 2 * report.mutations)
  })
)
