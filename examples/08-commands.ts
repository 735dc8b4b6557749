/** Commands on an event-sourced aggregate: decided once, whoever else writes and however often they are sent. */
import { Effect, Schema } from "effect"
import { CommandHandler, Decider, EventStream } from "tutti"
import * as Memory from "tutti/memory"
import { given } from "tutti/testing"

// #region decider
const Opened = Schema.TaggedStruct("AccountOpened", { owner: Schema.String })
const Deposited = Schema.TaggedStruct("Deposited", { amount: Schema.Int })
const Withdrawn = Schema.TaggedStruct("Withdrawn", { amount: Schema.Int })
const Accounts = EventStream.make("account", { events: Schema.Union([Opened, Deposited, Withdrawn]) })

class Overdrawn extends Schema.TaggedError<Overdrawn>()("Overdrawn", { missing: Schema.Int }) {}

type Command =
  | { readonly _tag: "Open"; readonly owner: string }
  | { readonly _tag: "Deposit" | "Withdraw"; readonly amount: number }

const Account = Decider.make({
  stream: Accounts,
  initialState: { balance: 0 },
  decide: (command: Command, { balance }) => {
    if (command._tag === "Open") return Effect.succeed([Opened.make({ owner: command.owner })])
    if (command._tag === "Deposit") return Effect.succeed([Deposited.make({ amount: command.amount })])
    const missing = command.amount - balance
    if (missing > 0) return Effect.fail(new Overdrawn({ missing }))
    return Effect.succeed([Withdrawn.make({ amount: command.amount })])
  },
  evolve: ({ balance }, event) => {
    if (event._tag === "Deposited") return { balance: balance + event.amount }
    return { balance: event._tag === "Withdrawn" ? balance - event.amount : balance }
  }
})
// #endregion

// #region handle
const handled = Effect.gen(function* () {
  const accounts = yield* CommandHandler.make(Account, {
    snapshots: { state: Schema.Struct({ balance: Schema.Int }), every: 100 }
  })
  yield* accounts.handle("ann", { _tag: "Open", owner: "Ann" })
  const deposit = accounts.handle("ann", { _tag: "Deposit", amount: 50 }, { commandId: "transfer-17" })
  const [first, again] = [yield* deposit, yield* deposit] // sent twice, carried out once
  const refused = yield* Effect.flip(accounts.handle("ann", { _tag: "Withdraw", amount: 80 }))
  return [first.duplicate, again.duplicate, refused._tag, yield* accounts.state("ann")] as const
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

export const expected = [false, true, "Overdrawn", { balance: 50 }]

if (import.meta.main) console.log(await Effect.runPromise(program))
