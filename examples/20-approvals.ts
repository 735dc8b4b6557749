/** Two expenses wait at once: one is answered, the other one delegated and refused by the delegate. */
import { Effect, Layer, Schema, Stream } from "effect"
import { Approval, Orchestration, Step } from "tutti"
import * as Memory from "tutti/memory"

// #region approval
const Expense = Approval.make("expense", {
  request: { id: Schema.String, amount: Schema.Number },
  decision: { approved: Schema.Boolean },
  key: ({ id }) => id,
  person: Schema.Literals(["ann", "bob"]),
  to: () => ["ann"],
  timeout: "30 days"
})

const Expenses = Orchestration.make("Expenses", {
  input: Schema.Array(Schema.Struct({ id: Schema.String, amount: Schema.Number })),
  output: Schema.Array(Schema.String),
  error: Approval.ApprovalTimedOut,
  run: (expenses) =>
    Step.forEach(
      expenses,
      (expense) =>
        Effect.map(
          Expense.run(expense),
          ({ by, decision }) => `${expense.id}: ${decision.approved ? "paid" : "refused"}, said ${by}`
        ),
      { concurrency: "unbounded" }
    )
})
// #endregion

export const program = Effect.gen(function* () {
  const run = yield* Expenses.start([
    { id: "taxi", amount: 40 },
    { id: "hotel", amount: 900 }
  ])
  const stated = (type: string, count: number) =>
    run.events.pipe(
      Stream.filter((event) => event.type === type),
      Stream.take(count),
      Stream.runDrain
    )
  yield* stated("ApprovalRequested", 2)
  // #region inbox
  const inbox = yield* Approval.open(run) // [taxi, hotel], with their requests, deadlines and addressees
  yield* Expense.delegate(run, "hotel", { by: "ann", to: "bob" })
  yield* stated("ApprovalDelegated", 1) // the run has noted that; sooner, bob may be refused with NotAddressed
  yield* Expense.answer(run, "hotel", { by: "bob", decision: { approved: false } })
  yield* Expense.answer(run, "taxi", { by: "ann", decision: { approved: true } })
  // #endregion
  return [`${inbox.length} open`, ...(yield* run.await)]
}).pipe(Effect.provide(Expenses.layer.pipe(Layer.provideMerge(Memory.layer))))

export const expected = ["2 open", "taxi: paid, said ann", "hotel: refused, said bob"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
