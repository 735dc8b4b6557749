/**
 * A transaction of steps that undoes itself.
 *
 * Each step stands beside the compensation that reverses it. When the program does not succeed, the compensations of
 * the steps that did are run.
 *
 * Invariants (checked by `test/patterns/Saga.test.ts`):
 *
 *   S1. A compensation runs only if its step succeeded, and is recorded once.
 *   S2. Compensations run in reverse order of the steps' success, one after the other.
 *   S3. Failure, defect and cancellation compensate alike. A run whose owner is gone compensates nothing: its successor
 *       goes on.
 *   S4. A compensation that fails does not stop the others.
 *   S5. Between the success of a step and the registration of its compensation, no interruption can strike.
 *   S6. A transaction inside another one that succeeded is undone with the outer one.
 *
 * Source: Garcia-Molina & Salem, "Sagas", SIGMOD 1987. The point of no return: Richardson, "Microservices Patterns",
 * 2018 (pivot transaction).
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as DurableRetry from "../core/DurableRetry.ts"
import * as Run from "../core/Run.ts"
import { CompensationFailed } from "./CompensationFailed.ts"

export { CompensationFailed } from "./CompensationFailed.ts"

interface Registered {
  readonly name: string
  /** `undefined`: a step that cannot be undone. */
  readonly compensate: Effect.Effect<unknown, unknown> | undefined
  /** `undefined`: that of the transaction. */
  readonly retry: Schedule.Schedule<unknown, unknown> | undefined
}

/** What a transaction knows of its steps. Only `transaction` provides it, so `undo` outside of one does not compile. */
export class Transaction extends Context.Service<Transaction, {
  readonly register: (step: Registered) => void
}>()("tutti/patterns/Saga/Transaction") {}

export interface UndoOptions {
  /** How the step is called in paths and in `CompensationFailed`. Default: the name of the agent called first. */
  readonly name?: string
  /** How often the compensation is tried. Default: that of the transaction. */
  readonly retry?: Schedule.Schedule<unknown, unknown>
}

/**
 * Registers the compensation of a step with the enclosing transaction, once the step has succeeded.
 *
 * **Details** The compensation runs with the services of this place. Agents in it are recorded steps. Its own failure,
 * after its retries, becomes a line of `CompensationFailed`.
 *
 * **Gotchas** In a run, only the bodies of steps, and waits for signals and timers, can be interrupted under `undo`; a
 * long effect beside them holds a cancellation up.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const undo = <A, E2, R2>(
  compensation: (value: A) => Effect.Effect<unknown, E2, R2>,
  options?: UndoOptions
) =>
<E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | R2 | Transaction> =>
  completing(self, (value, called, context: Context.Context<R2>) => ({
    name: options?.name ?? called,
    compensate: Run.provideCaptured(Effect.suspend(() => compensation(value)), context),
    retry: options?.retry
  }))

/**
 * Marks a step that cannot be undone. If the transaction fails later on, the steps around it are undone all the same,
 * and `CompensationFailed` names it, because something stays behind.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const irreversible = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Transaction> =>
  completing(self, (_, called) => ({ name: called, compensate: undefined, retry: undefined }))

/** S5: uninterruptible as a whole; in a run, the step opens its body again, but never its record. */
const completing = <A, E, R, R2>(
  self: Effect.Effect<A, E, R>,
  registered: (value: A, called: string, context: Context.Context<R2>) => Registered
): Effect.Effect<A, E, R | R2 | Transaction> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.contextWith((context: Context.Context<R2 | Transaction>) => {
      const inRun = Context.get(context, Run.CurrentRun) !== undefined
      const reopen = Context.get(context, Run.InterruptibleBody) ?? restore
      const witness: { name: string | undefined } = { name: undefined }
      const step = Effect.provideService(self, Run.Witness, witness)
      return Effect.map(inRun ? Effect.provideService(step, Run.InterruptibleBody, reopen) : restore(step), (value) => {
        Context.get(context, Transaction).register(registered(value, witness.name ?? "step", context))
        return value
      })
    }))

/** Four attempts in all: after 200 milliseconds, 1 second and 5 seconds. */
export const defaultRetry: Schedule.Schedule<unknown, unknown> = Schedule.max([
  Schedule.exponential("200 millis", 5),
  Schedule.recurs(3)
])

export interface TransactionOptions {
  /** How often a compensation is tried. Default `defaultRetry`. */
  readonly retry?: Schedule.Schedule<unknown, unknown>
  /** Default `"sequential"`: in reverse order. */
  readonly compensate?: "sequential" | "parallel"
}

/**
 * Runs a program of steps, and undoes those that succeeded if the program does not.
 *
 * **Details**
 *
 * - All compensations succeeded: fails as the program did, with the same cause.
 * - Some failed, or an irreversible step stays behind: fails with `CompensationFailed`, which says what was undone and
 *   what was not, and keeps the program's own failure as its `cause`.
 * - Was cancelled: stays cancelled. What could not be undone is logged, and noted in the run.
 * - Inside another transaction, and successful: undone when the outer one is.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const transaction = (name: string, options: TransactionOptions = {}) => {
  const scoped = Run.scoped(name)
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | CompensationFailed, Exclude<R, Transaction>> =>
    scoped(Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const steps: Array<Registered> = []
        const registry = Transaction.of({ register: (step) => void steps.push(step) })
        const outer = yield* Effect.serviceOption(Transaction)
        const current = yield* Run.CurrentRun
        const reopen = (yield* Run.InterruptibleBody) ?? restore
        const exit = yield* Effect.exit(reopen(Effect.provideService(self, Transaction, registry)))
        if (current?.run.isAbandoned() === true) return yield* exit
        if (Exit.isSuccess(exit)) {
          if (Option.isSome(outer) && steps.length > 0) outer.value.register(grouped(name, steps, options))
          return exit.value
        }
        if (steps.length === 0) return yield* exit
        const result = yield* Effect.provideService(compensateAll(name, steps, options), Run.InterruptibleBody, undefined)
        if (result.notUndone.length === 0 && result.irreversible.length === 0) return yield* exit
        return yield* conclude(name, result, exit.cause)
      })
    )) as Effect.Effect<A, E | CompensationFailed, Exclude<R, Transaction>>
}

interface Result {
  readonly undone: ReadonlyArray<string>
  readonly notUndone: ReadonlyArray<{ readonly step: string; readonly error: unknown }>
  readonly irreversible: ReadonlyArray<string>
}

const conclude = <E>(name: string, result: Result, cause: Cause.Cause<E>): Effect.Effect<never, E | CompensationFailed> => {
  const error = new CompensationFailed({ transaction: name, ...result, cause: Cause.squash(cause) })
  return Cause.hasInterrupts(cause)
    ? Effect.andThen(Effect.logError(error.message, error), Effect.failCause(cause))
    : Effect.fail(error)
}

/** An inner transaction that succeeded, as one step of the outer one. */
const grouped = (name: string, steps: ReadonlyArray<Registered>, options: TransactionOptions): Registered => ({
  name,
  // Its compensations have been tried as often as they may.
  retry: Schedule.recurs(0),
  compensate: Effect.flatMap(Effect.suspend(() => compensateAll(name, steps, options)), (result) =>
    result.notUndone.length === 0 && result.irreversible.length === 0
      ? Effect.void
      : Effect.fail(new CompensationFailed({ transaction: name, ...result, cause: "the outer transaction failed" })))
})

const compensateAll = (
  name: string,
  steps: ReadonlyArray<Registered>,
  options: TransactionOptions
): Effect.Effect<Result> =>
  Effect.gen(function*() {
    const reversed = steps.toReversed()
    yield* Run.note({ type: "CompensationStarted", data: { transaction: name, steps: reversed.map((step) => step.name) } })
    const outcomes = yield* Effect.forEach(reversed, (step) => compensateOne(step, options), {
      concurrency: options.compensate === "parallel" ? "unbounded" : 1
    })
    const result: Result = {
      undone: outcomes.filter((outcome) => outcome._tag === "Undone").map(({ step }) => step),
      notUndone: outcomes.filter((outcome) => outcome._tag === "NotUndone").map(({ error, step }) => ({ step, error })),
      irreversible: outcomes.filter((outcome) => outcome._tag === "Irreversible").map(({ step }) => step)
    }
    const notUndone = [...result.notUndone.map(({ step }) => step), ...result.irreversible]
    yield* Run.note({ type: "CompensationCompleted", data: { transaction: name, undone: result.undone, notUndone } })
    return result
  })

type Outcome =
  | { readonly _tag: "Undone" | "Irreversible"; readonly step: string }
  | { readonly _tag: "NotUndone"; readonly step: string; readonly error: unknown }

const compensateOne = (step: Registered, options: TransactionOptions): Effect.Effect<Outcome> => {
  if (step.compensate === undefined) return Effect.succeed({ _tag: "Irreversible", step: step.name })
  const retried = DurableRetry.retry(step.compensate, step.retry ?? options.retry ?? defaultRetry)
  return Effect.matchCause(Run.scoped(`undo ${step.name}`)(retried), {
    onSuccess: (): Outcome => ({ _tag: "Undone", step: step.name }),
    onFailure: (cause): Outcome => ({ _tag: "NotUndone", step: step.name, error: Cause.squash(cause) })
  })
}
