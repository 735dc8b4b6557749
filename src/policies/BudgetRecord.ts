/**
 * What the body of an agent spends is recorded with the outcome of its step, so that a replay, which does not run the body
 * again, spends it from the same budgets.
 *
 * An outcome that is an object has a field `~spent` beside its own; another one is `{ "~spent": …, "~outcome": … }`. A body that
 * spent nothing leaves its outcome as it is.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Interceptor from "../core/Interceptor.ts"
import * as Run from "../core/Run.ts"
import * as Account from "./BudgetAccount.ts"

type Fields = { readonly [name: string]: Schema.Json }

const isFields = (json: unknown): json is Fields => typeof json === "object" && json !== null && !Array.isArray(json)

const isReserved = (fields: Fields): boolean => "~spent" in fields || "~outcome" in fields

/** Puts what was spent beside an outcome. */
export const enclose = (outcome: Schema.Json, spent: ReadonlyMap<string, number>): Schema.Json => {
  const isPlain = isFields(outcome) && !isReserved(outcome)
  const amounts = Object.fromEntries(spent)
  if (isPlain) return spent.size === 0 ? outcome : { ...outcome, "~spent": amounts }
  return spent.size === 0 && !isFields(outcome) ? outcome : { "~spent": amounts, "~outcome": outcome }
}

/** Takes apart what `enclose` made. */
export const disclose = (recorded: unknown): { readonly outcome: unknown; readonly spent: Account.Amounts } => {
  if (!isFields(recorded) || !("~spent" in recorded)) return { outcome: recorded, spent: {} }
  const { "~spent": spent, ...fields } = recorded
  return { outcome: "~outcome" in fields ? fields["~outcome"] : fields, spent: spent as Account.Amounts }
}

/** The step, with what all its attempts spend on one tab. */
const withTab = <A, E, R>(spec: Run.StepSpec<A, E, R>, account: Account.Tab): Run.StepSpec<A, E, R> => {
  const { attempt, codec, reconcile } = spec
  const onTab = Effect.provideService(Account.Current, account)
  const enclosed = <X>(encoded: Exit.Exit<Schema.Json, X>) => Exit.map(encoded, (json) => enclose(json, account.tab))
  const paid = (recorded: unknown): unknown => {
    const { outcome, spent } = disclose(recorded)
    Account.spendUpTo(account, spent)
    return outcome
  }
  return {
    ...spec,
    attempt: (info) => onTab(attempt(info)),
    ...(reconcile === undefined ? {} : { reconcile: (key) => onTab(reconcile(key)) }),
    codec: {
      encodeSuccess: (value) => enclosed(codec.encodeSuccess(value)),
      encodeError: (error) => enclosed(codec.encodeError(error)),
      decodeSuccess: (recorded) => codec.decodeSuccess(paid(recorded)),
      decodeError: (recorded) => codec.decodeError(paid(recorded))
    }
  }
}

/** The run for one call of an agent. */
const recording = (run: Run.Run, account: Account.Account): Run.Run => ({
  runId: run.runId,
  time: run.time,
  whileOwned: run.whileOwned,
  isAbandoned: () => run.isAbandoned(),
  step: (scope, spec) => run.step(scope, withTab(spec, Account.openTab(account))),
  sleep: (scope, segment, duration) => run.sleep(scope, segment, duration),
  receive: (scope, spec) => run.receive(scope, spec),
  note: (scope, note) => run.note(scope, note),
  patched: (scope, id) => run.patched(scope, id)
})

/** Records what agents that perform a task spend in their bodies. */
export const intercept =
  (outer: Interceptor.Intercept | undefined): Interceptor.Intercept =>
  (call, proceed) => {
    if (call.task === undefined) return outer === undefined ? proceed(call.input) : outer(call, proceed)
    const recorded: typeof proceed = (input) =>
      Effect.withFiber((fiber) => {
        const current = fiber.getRef(Run.CurrentRun)
        const account = fiber.getRef(Account.Current)
        if (current === undefined || account?.counts !== true) return proceed(input)
        const { run, scope } = current
        return Effect.provideService(proceed(input), Run.CurrentRun, { run: recording(run, account), scope })
      })
    return outer === undefined ? recorded(call.input) : outer(call, recorded)
  }
