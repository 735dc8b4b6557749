import { assert, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule, Schema } from "effect"
import * as Embedded from "../../src/backends/Embedded.ts"
import { Agent, Orchestration, Signal, Step, Task, Timer } from "../../src/index.ts"
import { CrashSweep } from "../../src/testing/index.ts"
import { temporaryFile } from "../backends.ts"

class Declined extends Schema.TaggedError<Declined>()("Declined", { amount: Schema.Int }) {}
const Approval = Signal.make("approval", { by: Schema.String })

/** Books, waits for an approval and a day, charges with a retry: one of everything. */
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
  const trial = {
    orchestration: Booking,
    input: { amount: 7 },
    layer: Booking.layer,
    drive: CrashSweep.sends(Approval, { by: "ann" }),
    invariant: Effect.sync(() => assert.strictEqual(charges.length, 1))
  }
  return trial
}

it.effect("W1-W3: a program with a step, a signal, a timer and a retry survives every crash", () =>
  Effect.gen(function* () {
    const report = yield* CrashSweep.check(() => booking())
    assert.strictEqual(report.crashes, 2 * report.mutations)
    assert.deepStrictEqual(report.unfired, [])
    for (const part of [
      "put leases/",
      "RunStarted",
      "StepCompleted at seat",
      "TimerFired",
      "StepAttemptFailed",
      "RunCompleted"
    ]) {
      assert.isTrue(
        report.names.some((name) => name.includes(part)),
        part
      )
    }
  })
)

it.effect("survives two crashes, the second of them during the recovery", () =>
  Effect.gen(function* () {
    const once = yield* CrashSweep.check(() => booking())
    const twice = yield* CrashSweep.check(() => booking(), { depth: 2 })
    assert.isAbove(twice.crashes, 4 * once.crashes)
  })
)

it.effect("survives every crash under seeds, the same way each time", () =>
  Effect.gen(function* () {
    const first = yield* CrashSweep.check(() => booking(), { seeds: 5 })
    const again = yield* CrashSweep.check(() => booking(), { seeds: 5 })
    assert.deepStrictEqual(again, first)
  })
)

it.effect("survives every crash on one file", () =>
  Effect.gen(function* () {
    const stores = Effect.map(temporaryFile, (filename) => Embedded.stores({ filename, pollInterval: "365 days" }))
    const report = yield* CrashSweep.check(() => booking(), { stores })
    assert.strictEqual(report.crashes, 2 * report.mutations)
  })
)

it.effect("a machine that is down for a week changes nothing for a program without time limits", () =>
  Effect.gen(function* () {
    const report = yield* CrashSweep.check(() => booking(), { downtime: "7 days" })
    assert.isAbove(report.crashes, 0)
  })
)

/** An orchestration of one effect. */
const of = (run: Effect.Effect<string>) => {
  const orchestration = Orchestration.make("Wrong", { input: {}, output: Schema.String, run: () => run })
  return { orchestration, input: {}, layer: orchestration.layer }
}
const work = (name: string, effect: Effect.Effect<unknown>) =>
  Step.run(name, { output: Schema.String, run: () => Effect.as(effect, name) })

it.effect("W1: finds a program that decides by what it has not recorded", () =>
  Effect.gen(function* () {
    const failure = yield* Effect.flip(
      CrashSweep.check(() => {
        let calls = 0
        return of(Effect.suspend(() => (++calls > 1 ? work("second", Effect.void) : work("first", Timer.sleep(1)))))
      })
    )
    assert.strictEqual(failure.problem, "the outcome is another one")
    assert.isAbove(failure.mutation, 0)
    assert.isAbove(failure.of, failure.mutation)
    assert.include(failure.operation, "Wrong")
    assert.include(
      failure.message,
      `reproduce with { only: [{ mutation: ${failure.mutation}, when: "${failure.when}" }] }`
    )
  })
)

it.effect("W3: finds an effect on the outside world that is repeated after a crash", () =>
  Effect.gen(function* () {
    const trial = () => {
      let charges = 0
      return {
        ...of(
          Effect.andThen(
            work(
              "charge",
              Effect.sync(() => charges++)
            ),
            work("ship", Effect.void)
          )
        ),
        invariant: Effect.suspend(() => (charges === 1 ? Effect.void : Effect.fail(`charged ${charges} times`)))
      }
    }
    const failure = yield* Effect.flip(CrashSweep.check(trial))
    assert.strictEqual(failure.problem, "the invariant does not hold")
    assert.include(failure.operation, "StepCompleted at charge")
    assert.include(failure.actual, "charged 2 times")
    const { crashes } = failure
    const alone = yield* Effect.flip(CrashSweep.check(trial, { only: crashes }))
    assert.deepStrictEqual(alone, failure)
  })
)

it.effect("says so when the program fails without a crash", () =>
  Effect.gen(function* () {
    const waits = Effect.as(Signal.await(Approval), "never")
    const failure = yield* Effect.flip(CrashSweep.check(of(waits), { patience: "30 days" }))
    assert.deepStrictEqual(failure.crashes, [])
    assert.include(failure.message, "fails without a crash: it waits for something that never comes")
  })
)

it.effect("a failure under a seed names it, and the seed shows it again", () =>
  Effect.gen(function* () {
    const trial = () => {
      let charges = 0
      return {
        ...of(
          work(
            "charge",
            Effect.sync(() => charges++)
          )
        ),
        invariant: Effect.sync(() => assert.strictEqual(charges, 1))
      }
    }
    const failure = yield* Effect.flip(CrashSweep.check(trial, { seeds: 3 }))
    assert.strictEqual(failure.seed, 1)
    assert.include(failure.message, "seed: 1, only: [")
    assert.deepStrictEqual(yield* Effect.flip(CrashSweep.check(trial, { seed: 1, only: failure.crashes })), failure)
  })
)

it.effect("a crash that never happened is reported, and not counted", () =>
  Effect.gen(function* () {
    const point = { mutation: 999, when: "before" } as const
    const report = yield* CrashSweep.check(() => booking(), { only: [point] })
    assert.strictEqual(report.crashes, 0)
    assert.deepStrictEqual(report.unfired, [{ seed: undefined, crashes: [point] }])
  })
)

it.effect("equal outcomes are the user's to define", () =>
  Effect.gen(function* () {
    const trial = () => {
      let calls = 0
      return of(Step.run("count", { output: Schema.String, run: () => Effect.sync(() => `call ${++calls}`) }))
    }
    assert.strictEqual((yield* Effect.flip(CrashSweep.check(trial))).problem, "the outcome is another one")
    const report = yield* CrashSweep.check(trial, {
      equals: (one, other) => Exit.isSuccess(one) === Exit.isSuccess(other)
    })
    assert.isAbove(report.crashes, 0)
  })
)

it.effect("any program can be swept, not only one run", () =>
  Effect.gen(function* () {
    const Once = Orchestration.make("Once", {
      input: { n: Schema.Int },
      output: Schema.Int,
      key: ({ n }) => String(n),
      run: ({ n }) => Effect.as(Timer.sleep("1 hour"), n)
    })
    const report = yield* CrashSweep.run({
      layer: Once.layer,
      scenario: Effect.forEach([1, 2, 3], (n) => Once.run({ n }), { concurrency: "unbounded" })
    })
    assert.strictEqual(report.crashes, 2 * report.mutations)
  })
)

it.effect("replays: finds a program that cannot be replayed, without a crash", () =>
  Effect.gen(function* () {
    yield* CrashSweep.replays(() => booking())
    const failure = yield* Effect.flip(
      CrashSweep.replays(() => {
        let calls = 0
        return of(Effect.suspend(() => work(`name ${++calls}`, Effect.void)))
      })
    )
    assert.include(failure.message, "another one when it is replayed")
  })
)

it.effect("a layer that cannot be built is a failure of the program, not of the sweep", () =>
  Effect.gen(function* () {
    const broken = Layer.effectDiscard(Effect.fail("no database"))
    const { layer, ...trial } = booking()
    const failure = yield* Effect.flip(
      CrashSweep.check({ ...trial, layer: Layer.provideMerge(layer, broken) }, { equals: (one) => Exit.isSuccess(one) })
    )
    assert.include(failure.expected, "no database")
  })
)
