/** Commands on an event-sourced aggregate: decided once, whoever else writes and however often they are sent. */
import { Effect, Schema } from "effect"
import { CommandHandler, Decider, EventStream } from "tutti"
import * as Memory from "tutti/memory"
import { given } from "tutti/testing"

// #region decider
const Deposited = Schema.TaggedStruct("Deposited", { amount: Schema.Int })
const Withdrawn = Schema.TaggedStruct("Withdrawn", { amount: Schema.Int })
const Accounts = EventStream.make("account", { events: Schema.Union([Deposited, Withdrawn]) })

class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { missing: Schema.Int }) {}

const Account = Decider.make({
  stream: Accounts,
  initialState: { balance: 0 },
  decide: ({ _tag, amount }: { readonly _tag: "Deposit" | "Withdraw"; readonly amount: number }, { balance }) => {
    if (_tag === "Deposit") return Effect.succeed([Deposited.make({ amount })])
    if (amount > balance) return Effect.fail(new Overdrawn({ missing: amount - balance }))
    return Effect.succeed([Withdrawn.make({ amount })])
  },
  evolve: ({ balance }, { _tag, amount }) => ({ balance: _tag === "Deposited" ? balance + amount : balance - amount })
})
// #endregion

// #region handle
const handled = Effect.gen(function* () {
  const snapshots = { state: Schema.Struct({ balance: Schema.Int }), every: 100 }
  const accounts = yield* CommandHandler.make(Account, { snapshots })
  const deposit = accounts.handle("ann", { _tag: "Deposit", amount: 50 }, { commandId: "transfer-17" })
  const [first, again] = [yield* deposit, yield* deposit] // sent twice, carried out once
  const refused = yield* Effect.flip(accounts.handle("ann", { _tag: "Withdraw", amount: 80 }))
  const { balance } = yield* accounts.state("ann")
  return [`duplicates: ${first.duplicate}, ${again.duplicate}`, `to withdraw 80: ${refused._tag}`, `left: ${balance}`]
})
// #endregion

// #region given
const rules = Effect.all([
  given(Account, [Deposited.make({ amount: 50 })])
    .when({ _tag: "Withdraw", amount: 20 })
    .thenEvents([Withdrawn.make({ amount: 20 })]),
  given(Account, [])
    .when({ _tag: "Withdraw", amount: 20 })
    .thenFails(new Overdrawn({ missing: 20 }))
])
// #endregion

export const program = Effect.andThen(rules, handled).pipe(Effect.provide(Memory.layer))

export const expected = ["duplicates: false, true", "to withdraw 80: Overdrawn", "left: 50"]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
