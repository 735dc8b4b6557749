/** A run that waits for a person: the signal and the deadline survive a restart. */
import { Duration, Effect, Layer, Option, Schema } from "effect"
import { Orchestration, Signal } from "tutti"
import * as Memory from "tutti/memory"

// #region approval
const Decision = Signal.make("decision", { approved: Schema.Boolean, by: Schema.String })

class NobodyAnswered extends Schema.TaggedError<NobodyAnswered>()("NobodyAnswered", { expense: Schema.String }) {}

const Expense = Orchestration.make("Expense", {
  input: { id: Schema.String, amount: Schema.Number },
  output: Schema.String,
  error: NobodyAnswered,
  key: ({ id }) => id, // the same expense is the same run, however often it is submitted
  run: ({ amount, id }) =>
    Effect.gen(function* () {
      if (amount < 100) return "paid"
      const decision = yield* Signal.awaitFor(Decision, Duration.days(30))
      if (Option.isNone(decision)) return yield* new NobodyAnswered({ expense: id })
      return decision.value.approved ? `paid, said ${decision.value.by}` : "refused"
    })
})

export const program = Effect.gen(function* () {
  const expense = yield* Expense.start({ id: "taxi-17", amount: 250 })
  yield* expense.signal(Decision, { approved: true, by: "Ann" })
  return yield* expense.await
}).pipe(Effect.provide(Expense.layer.pipe(Layer.provideMerge(Memory.layer))))
// #endregion

export const expected = "paid, said Ann"

if (import.meta.main) console.log(await Effect.runPromise(program))
