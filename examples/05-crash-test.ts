/** Your own program, crashed before and after everything it writes: is anything lost, or done twice? */
import { Effect, Schema } from "effect"
import { Orchestration, Saga, Signal, Step, Timer } from "tutti"
import { CrashSweep } from "tutti/testing"

const Approval = Signal.make("approval", { by: Schema.String })

/** The world outside, with what the program did to it. It honours idempotency keys, or it does not. */
const bank = (honoursKeys: boolean) => {
  const transfers: Array<string> = []
  const transfer = (key: string, what: string) =>
    Effect.sync(() => {
      if (!honoursKeys || !transfers.includes(`${key} ${what}`)) transfers.push(`${key} ${what}`)
      return what
    })
  return { transfers, transfer }
}

// #region crash-test
const trial = (honoursKeys: boolean) => () => {
  const { transfer, transfers } = bank(honoursKeys)
  const pay = (what: string) =>
    Step.run(what, { output: Schema.String, run: ({ idempotencyKey }) => transfer(idempotencyKey, what) })

  const Payment = Orchestration.make("Payment", {
    input: { amount: Schema.Int },
    output: Schema.String,
    run: ({ amount }) =>
      Effect.gen(function* () {
        yield* pay("reserve").pipe(Saga.undo(() => pay("free")))
        const { by } = yield* Signal.await(Approval)
        yield* Timer.sleep("30 days")
        return `${yield* pay("book")} ${amount}, said ${by}`
      }).pipe(Saga.transaction("payment"), Effect.orDie)
  })

  return {
    orchestration: Payment,
    input: { amount: 7 },
    layer: Payment.layer,
    drive: CrashSweep.sends(Approval, { by: "Ann" }),
    invariant: Effect.suspend(() => (transfers.length === 2 ? Effect.void : Effect.fail(`transfers: ${transfers}`)))
  }
}

export const program = Effect.gen(function* () {
  const { crashes, mutations } = yield* CrashSweep.check(trial(true))
  const failure = yield* Effect.flip(CrashSweep.check(trial(false)))
  return [`${crashes / mutations} crashes for each write: all is well`, `keys ignored: ${failure.problem}`]
})
// #endregion

export const expected = ["2 crashes for each write: all is well", "keys ignored: the invariant does not hold"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
