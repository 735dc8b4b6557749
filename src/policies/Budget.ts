/**
 * Limits on what a part of a program may spend: tokens, money, turns, time, or any resource you name.
 *
 * `within` opens a budget around an effect or an agent; `charge` reserves from it before a call and settles after it. The
 * budget in force comes with the fiber's context, so patterns nested at any depth spend from it, and a budget within a
 * budget spends from both.
 *
 * Invariants (checked by `test/policies/Budget.test.ts` and `test/policies/Budget.durable.test.ts`):
 *
 *   M1. A charge is granted only if it fits into its budget and into every one around it. A refused call does not run, and
 *       reserves nothing.
 *   M2. What is spent and reserved never exceeds a limit, unless a call settles more than it reserved; such a budget
 *       grants nothing more.
 *   M3. A reservation is given back once, however its call ends.
 *   M4. What a budget spends is spent from every budget around it.
 *   M5. In a run, a replay grants and refuses as recorded, and leaves every budget as it was.
 *   M6. When its time is up, a budget interrupts what runs within it. In a run the deadline survives a restart.
 *   M7. Outside every budget a charge is its call, and nothing else.
 *   M8. What is charged in the body of an agent is recorded with the outcome of its step, all attempts together: a replay, which
 *       does not run the body again, spends it.
 *
 * **Durability** A budget is state of the process, and a replay builds it anew: from recorded grants, from what `settle` makes
 * of recorded outcomes, and from what steps say they have spent. So in a run a charge costs one recorded decision, and around
 * an agent it stands around the call, not in its step; in an agent's own body it costs no event.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import type * as Agent from "../core/Agent.ts"
import * as Interceptor from "../core/Interceptor.ts"
import * as PatternEvent from "../core/PatternEvent.ts"
import * as Run from "../core/Run.ts"
import * as StepPath from "../core/StepPath.ts"
import * as Account from "./BudgetAccount.ts"
import * as BudgetRecord from "./BudgetRecord.ts"
import * as Decision from "./Decision.ts"
import * as Policy from "./Policy.ts"
import * as Timeout from "./Timeout.ts"

/**
 * A budget has not enough left, or its time is up.
 *
 * **Details** Amounts of `time` are milliseconds.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class BudgetExceeded extends Schema.TaggedError<BudgetExceeded>()("BudgetExceeded", {
  budget: Schema.String,
  resource: Schema.String,
  limit: Schema.Number,
  /** Spent, and reserved by calls under way. More than the limit: a call cost more than it had reserved. */
  used: Schema.Number,
  requested: Schema.Number
}) {
  override get message(): string {
    const { budget, limit, requested, resource, used } = this
    return resource === "time"
      ? `The time of budget "${budget}", ${Duration.format(Duration.millis(limit))}, is up.`
      : `Budget "${budget}" has ${used} of ${limit} ${resource} in use, and ${requested} more were requested.`
  }
}

/**
 * How much of which resource. Those that no budget limits are free.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export type Amounts = Account.Amounts

/**
 * How much may be spent of what. `time` is a duration, everything else a number.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export type Limits<Resource extends string = never> = {
  readonly [R in Resource | "tokens" | "money" | "turns" | "time"]?: R extends "time" ? Duration.Input : number
}

interface Terms {
  readonly name: string
  readonly limits: ReadonlyMap<string, number>
  readonly time: Duration.Duration | undefined
}

/** The limits of a budget, as they are given. */
type Given = Limits & { readonly [resource: string]: Duration.Input | undefined }

const termsOf = (name: string, given: Given): Terms => {
  const limits = new Map<string, number>()
  for (const [resource, limit] of Object.entries(given)) {
    if (resource === "time" || limit === undefined) continue
    if (!(typeof limit === "number" && limit >= 0)) {
      throw new RangeError(`${resource} of budget "${name}" must be a number >= 0, got ${String(limit)}`)
    }
    limits.set(resource, limit)
  }
  const time = given.time === undefined ? undefined : Timeout.limitOf(`time of budget "${name}"`, given.time)
  return { name, limits, time }
}

/**
 * Opens a budget for the time of each call: what is charged within it is spent from it, and from every budget around it.
 *
 * **Details**
 *
 * - `tokens`, `money`, `turns` and resources of your own are numbers of any unit; `Infinity` only counts.
 * - `time` is a deadline, counted from the call: what still runs then is interrupted. In a run it is a durable timer.
 * - In a run its steps lie in a scope of its name.
 *
 * **Gotchas**
 *
 * - Each call has a budget of its own; so has a run that continues as new. A child run has none of its parent: see `metered`.
 * - Undoing within a budget is charged to it, too: see `exempt`.
 *
 * **Errors** `BudgetExceeded` — from the charges within, of this budget or one around it; or the time is up.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const within = <Resource extends string = never>(
  name: string,
  limits: Limits<Resource>
): (<T extends Policy.Target>(self: T) => Policy.Adding<T, BudgetExceeded>) => {
  const terms = termsOf(name, limits as Given)
  const inScope = Run.scoped(name)
  return <T extends Policy.Target>(self: T) =>
    Policy.aroundCall<T, Policy.Adding<T, BudgetExceeded>>(self, (effect) => inScope(opened(terms, effect)))
}

const opened = <A, E, R>(terms: Terms, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | BudgetExceeded, R> =>
  Effect.withFiber((fiber) => {
    const parent = fiber.getRef(Account.Current)
    const spend = (time: Account.Account["time"]) =>
      from(Account.open(terms.name, terms.limits, { parent, time }), effect)
    if (terms.time === undefined) return spend(undefined)
    const limit = Duration.toMillis(terms.time)
    const timer = timerOf(fiber.getRef(Run.CurrentRun), terms.time)
    const late = Effect.suspend(() =>
      exceeded(new BudgetExceeded({ budget: terms.name, resource: "time", limit, used: limit, requested: 0 }))
    )
    return Effect.flatMap(now, (now) => Timeout.against(spend({ deadline: now + limit, limit }), timer, late))
  })

/** Spends from the account. The first one of a program has what is spent in the bodies of its agents recorded. */
const from = <A, E, R>(account: Account.Account, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const spending = Effect.provideService(effect, Account.Current, account)
  if (account.parent !== undefined) return spending
  return Run.withCurrent(
    () =>
      Effect.flatMap(Interceptor.Interceptor, (outer) =>
        Effect.provideService(spending, Interceptor.Interceptor, BudgetRecord.intercept(outer))
      ),
    spending
  )
}

const now = Run.withCurrent(({ run }) => run.time.clock, Clock.currentTimeMillis)

/** Has its path before the race begins, so that no name of a step in it can take it. */
const timerOf = (current: Run.Current | undefined, time: Duration.Duration): Effect.Effect<void> => {
  if (current === undefined) return Effect.sleep(time)
  const scope = StepPath.makeScope(StepPath.next(current.scope, "time"))
  return current.run.sleep(scope, "limit", time)
}

/** Says so in the log, and fails. */
const exceeded = (error: BudgetExceeded): Effect.Effect<never, BudgetExceeded> => {
  const { budget, limit, requested, resource, used } = error
  const event = { _tag: "BudgetExhausted", budget, resource, limit, used, requested } as const
  return Effect.andThen(PatternEvent.state(event), Effect.fail(error))
}

/**
 * What a call reserves and what it turns out to have spent. The functions must be pure: they run again on replay.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Charge<in A = unknown, in E = unknown, in In = unknown> {
  /** Reserved before the call, given back after it; around an agent it may depend on the input. Default: nothing. */
  readonly reserve?: Amounts | ((input: In) => Amounts)
  /** What a call that succeeded has spent. Default: what it reserved. */
  readonly settle?: (value: A) => Amounts
  /** What a call that failed or was interrupted has spent. Default: nothing. */
  readonly settleFailure?: (cause: Cause.Cause<E>) => Amounts
}

/** The charge that fits a target. */
export type ChargeOf<T> = Charge<Policy.Success<T>, Policy.Error<T>, T extends Agent.Any ? Agent.Input<T> : void>

const nothing: Amounts = {}

const reservation = (charge: Charge<never, never, any>, input: unknown): Amounts => {
  const { reserve = nothing } = charge
  if (typeof reserve !== "function") return reserve
  const amounts = reserve(input)
  Account.checkAmounts("reservation", amounts)
  return amounts
}

/** `null`: granted. */
const grant = Decision.make("charge", Schema.NullOr(BudgetExceeded))

const refusals = Metric.counter("tutti_budget_refusals_total", { incremental: true })

// oxlint-disable-next-line max-params
const charged = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  charge: Charge<A, E, any>,
  input: unknown
): Effect.Effect<A, E | BudgetExceeded, R> =>
  Effect.withFiber((fiber) => {
    const account = fiber.getRef(Account.Current)
    if (account?.counts !== true) return effect
    const reserve = reservation(charge, input)
    let taken = false
    const take = Effect.suspend(() => {
      const shortage = Account.take(account, reserve)
      if (shortage !== undefined) return refused(shortage)
      taken = true
      return Effect.succeed(null)
    })
    const call = Effect.flatMap(grant(reserve, take), (refusal): Effect.Effect<A, E | BudgetExceeded, R> => {
      if (refusal !== null) return exceeded(refusal)
      // A replay: it was granted by what was there then.
      if (!taken) Account.reserve(account, reserve)
      taken = true
      return effect
    })
    return Effect.onExitPrimitive(call, (exit) => (taken ? settled(account, { ...charge, reserve }, exit) : undefined))
  })

const refused = (shortage: Account.Shortage): Effect.Effect<BudgetExceeded> => {
  const { budget, resource } = shortage
  return Effect.as(
    Metric.update(Metric.withAttributes(refusals, { budget, resource }), 1),
    new BudgetExceeded(shortage)
  )
}

// oxlint-disable-next-line max-params
const settled = <A, E>(
  account: Account.Account,
  { reserve, settle, settleFailure }: Charge<A, E, any> & { readonly reserve: Amounts },
  exit: Exit.Exit<A, E | BudgetExceeded>
): Effect.Effect<void> =>
  // At once: in between, others would be granted what is being spent (M2).
  Effect.sync(() => {
    // M3: first, since a settlement may be wrong and throw.
    Account.release(account, reserve)
    const spent = Exit.isSuccess(exit)
      ? (settle?.(exit.value) ?? reserve)
      : (settleFailure?.(exit.cause as Cause.Cause<E>) ?? nothing)
    Account.checkAmounts("settlement", spent)
    Account.spend(account, spent)
  })

/**
 * Charges a call to the budget in force: reserves before it, settles after it.
 *
 * **Details**
 *
 * - It fits if what is spent, what other calls have reserved and what this one reserves do not exceed the limit, in this
 *   budget and in all around it. Otherwise it fails at once and the call does not begin.
 * - A call may settle more than it reserved. It is counted, and a budget that is overspent grants no further charge.
 * - Before `Agent.retry` in a `pipe`, each attempt is charged; after it, all of them once.
 * - Around an agent it stands around the call. In a run it records one decision, and `BudgetExhausted` if it is refused.
 * - Inside an agent's own `run` it is part of the step, which records what it has spent beside its outcome, as `~spent`.
 *
 * **Gotchas**
 *
 * - What an attempt inside an agent's own `run` has spent is forgotten by a replay if it has no outcome: it was interrupted, or
 *   cut off by a crash; and if it ended with a defect. So is what is charged in a `Step.run`.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const charge: {
  (
    options: Charge & { readonly reserve?: Amounts; readonly settle?: never }
  ): <T extends Policy.Target>(self: T) => Policy.Adding<T, BudgetExceeded>
  <T extends Policy.Target>(options: ChargeOf<T>): (self: T) => Policy.Adding<T, BudgetExceeded>
  <T extends Policy.Target>(self: T, options: ChargeOf<T>): Policy.Adding<T, BudgetExceeded>
} = (...args: readonly [Charge<any, any, any>] | readonly [Policy.Target, Charge<any, any, any>]): any => {
  const options = args.length === 1 ? args[0] : args[1]
  if (typeof options.reserve === "object") Account.checkAmounts("reservation", options.reserve)
  const around = <T extends Policy.Target>(self: T) =>
    Policy.aroundCall<T, any>(self, (effect, input) => charged(effect, options, input))
  return args.length === 1 ? around : around(args[0])
}

/**
 * Charges one turn, however it ends.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const turn = <T extends Policy.Target>(self: T): Policy.Adding<T, BudgetExceeded> =>
  Policy.aroundCall(self, (effect) => charged(effect, oneTurn, undefined))

const oneTurn: Charge = { reserve: { turns: 1 }, settleFailure: () => ({ turns: 1 }) }

/**
 * Charges nothing of it to any budget: for undoing, which must not fail for want of money.
 *
 * **Gotchas** Its time is still that of the budgets around it.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const exempt = <T extends Policy.Target>(self: T): T =>
  Policy.aroundCall<T, T>(self, (effect) => Effect.provideService(effect, Account.Current, undefined))

/**
 * How much of which resource, as data: for what one run tells another.
 *
 * @category schemas
 * @stability experimental
 * @since 0.1.0
 */
export const Spent = Schema.Record(Schema.String, Schema.Finite)

/**
 * An answer, and what it has cost.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Metered<out A> {
  readonly value: A
  readonly spent: typeof Spent.Type
}

const spentDecision = Decision.make("spent", Spent)

/**
 * Answers with its value and with what was charged in it, of every resource, whether a budget limits it or not.
 *
 * **When to use** For the program of a child run, which its parent cannot see into: the parent reserves what it lets the child
 * spend, tells it so in its input, and settles what the child's output says. Otherwise `usage` tells what a budget has left.
 *
 * **Details** In a run it is recorded.
 *
 * **Gotchas** What a failure has cost is charged, and not told.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const metered = <T extends Policy.Target>(
  self: T
): Policy.Become<T, Metered<Policy.Success<T>>, Policy.Error<T>, Policy.Services<T>> =>
  Policy.aroundCall(self, (effect) =>
    Effect.flatMap(Account.Current, (parent) => {
      const account = Account.openTab(parent)
      const spent = Effect.sync(() => Object.fromEntries(account.tab))
      return Effect.flatMap(from(account, effect), (value) =>
        Effect.map(spentDecision(null, spent), (spent) => ({ value, spent }))
      )
    })
  )

/**
 * One line of a budget. `used`: spent, and reserved by calls under way. Of `time`, both are milliseconds.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export type Usage = Account.Usage

const usageDecision = Decision.make<ReadonlyArray<Usage>>(
  "usage",
  Schema.Array(
    Schema.Struct({ budget: Schema.String, resource: Schema.String, limit: Schema.Number, used: Schema.Number })
  )
)

/**
 * Every line of the budget in force and of those around it, the innermost first. Outside every budget: none.
 *
 * **Details** A program may decide by it: in a run it is recorded.
 *
 * @category observing
 * @stability experimental
 * @since 0.1.0
 */
export const usage: Effect.Effect<ReadonlyArray<Usage>> = Effect.withFiber((fiber) => {
  const account = fiber.getRef(Account.Current)
  if (account === undefined) return Effect.succeed([])
  return usageDecision(
    null,
    Effect.map(Clock.currentTimeMillis, (now) => Account.usage(account, now))
  )
})

/**
 * How much of the resource can still be reserved here. `Infinity`: no budget limits it. Of `time`: milliseconds.
 *
 * **Details** A program may decide by it: in a run it is recorded.
 *
 * @category observing
 * @stability experimental
 * @since 0.1.0
 */
export const remaining = (resource: string): Effect.Effect<number> =>
  Effect.map(usage, (lines) =>
    lines
      .filter((line) => line.resource === resource)
      .reduce((least, { limit, used }) => Math.min(least, Math.max(0, limit - used)), Infinity)
  )
