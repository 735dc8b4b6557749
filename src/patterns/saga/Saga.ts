/**
 * A transaction of steps that undoes itself.
 *
 * Each step stands beside the compensation that reverses it. When the program does not succeed, the compensations of
 * the steps that did are run.
 *
 * Invariants (checked by `test/patterns/Saga*.test.ts`):
 *
 *   S1. A compensation runs only if its step succeeded, and is recorded once.
 *   S2. Compensations run in reverse order of the steps' success, one after the other.
 *   S3. Failure, defect and cancellation compensate alike. A run whose owner is gone compensates nothing: its successor
 *       goes on.
 *   S4. A compensation that fails does not stop the others.
 *   S5. Between the success of a step and the registration of its compensation, no interruption can strike.
 *   S6. A transaction inside another one that succeeded is undone with the outer one.
 *   S7. A transaction ends with the fibers that are forked in it: they are interrupted, and waited for, before it is
 *       undone or succeeds. A step of a detached fiber that succeeds later on is undone at once: nobody else would.
 *   S8. In a run, a transaction reaches no deeper than its steps: the body of a step is not replayed, so an undo in it
 *       would be forgotten.
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
import * as DurableRetry from "../../core/DurableRetry.ts"
import * as PatternEvent from "../../core/PatternEvent.ts"
import * as Run from "../../core/Run.ts"
import * as StepPath from "../../core/StepPath.ts"
import { CompensationFailed } from "./CompensationFailed.ts"
import { enclosed } from "./Enclosure.ts"

export { CompensationFailed } from "./CompensationFailed.ts"

/** A step, or a transaction of steps, that has succeeded. */
type Completed =
  | {
      readonly _tag: "Step"
      readonly name: string
      readonly compensate: Effect.Effect<unknown, unknown>
      /** `undefined`: that of the transaction. */
      readonly retry: Schedule.Schedule<unknown, unknown> | undefined
    }
  | { readonly _tag: "Irreversible"; readonly name: string }
  | {
      readonly _tag: "Nested"
      readonly name: string
      readonly entries: ReadonlyArray<Entry>
      readonly options: TransactionOptions
    }

/** A completed step as its transaction knows it. */
interface Entry {
  /** Unique in the transaction: `seat`, `seat#2`. */
  readonly name: string
  readonly completed: Completed
  /** Where its compensation is recorded. Given away on success, so that it does not depend on the order of undoing. */
  readonly place: Run.Current | undefined
}

/** What a transaction knows of its steps. Only `transaction` provides it, so `undo` outside of one does not compile. */
export class Transaction extends Context.Service<
  Transaction,
  {
    readonly name: string
    readonly run: Run.Run | undefined
    readonly register: (completed: Completed) => Effect.Effect<void>
  }
>()("tutti/patterns/Saga/Transaction") {}

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
 * long effect beside them holds a cancellation up. The body of a step that is itself uninterruptible and ends under a
 * pending cancellation is neither recorded nor undone.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const undo =
  <A, E2, R2>(compensation: (value: A) => Effect.Effect<unknown, E2, R2>, options?: UndoOptions) =>
  <E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | R2 | Transaction> =>
    completing(self, (value, called, context: Context.Context<R2>) => ({
      _tag: "Step",
      name: options?.name ?? called,
      compensate: Run.provideCaptured(
        Effect.suspend(() => compensation(value)),
        context
      ),
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
  completing(self, (_, called) => ({ _tag: "Irreversible", name: called }))

/** S5: uninterruptible as a whole; in a run, the step opens its body again, but never its record. */
const completing = <A, E, R, R2>(
  self: Effect.Effect<A, E, R>,
  completed: (value: A, called: string, context: Context.Context<R2>) => Completed
): Effect.Effect<A, E, R | R2 | Transaction> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.contextWith((context: Context.Context<R2 | Transaction>) => {
      const transaction = Context.get(context, Transaction)
      const run = Context.get(context, Run.CurrentRun)?.run
      if (run !== transaction.run) return Effect.die(new Error(misplaced(transaction.name)))
      const reopen = Context.get(context, Run.InterruptibleBody) ?? restore
      const witness: { name: string | undefined } = { name: undefined }
      const step = Effect.provideService(self, Run.Witness, witness)
      return Effect.flatMap(
        run === undefined ? restore(step) : Effect.provideService(step, Run.InterruptibleBody, reopen),
        (value) => Effect.as(transaction.register(completed(value, witness.name ?? "step", context)), value)
      )
    })
  )

/** S8 */
const misplaced = (transaction: string) =>
  `an undo stands in the body of a step of transaction "${transaction}", where a replay would forget it: ` +
  "put it around the call of the agent"

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
 * - Inside another transaction, and successful: undone when the outer one is, and named `inner/step` by it. In the body
 *   of an agent it stands alone: undoing that agent's call is for the undo of the call.
 *
 * **Gotchas** Compensations cannot be interrupted: what bounds them is their retry, and the timeouts of their agents. A
 * fiber that is forked inside (`Effect.forkChild`) is interrupted when the transaction ends: join it inside.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const transaction = (name: string, options: TransactionOptions = {}) => {
  const scoped = Run.scoped(name)
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | CompensationFailed, Exclude<R, Transaction>> =>
    scoped(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const current = yield* Run.CurrentRun
          const outer = yield* Effect.serviceOption(Transaction)
          const reopen = (yield* Run.InterruptibleBody) ?? restore
          const ledger = new Ledger(name, options, current)
          const exit = yield* Effect.exit(reopen(enclosed(Effect.provideService(self, Transaction, ledger))))
          const entries = ledger.end()
          if (entries.length === 0 || isAbandoned(current)) return yield* exit
          if (Exit.isSuccess(exit)) {
            const joins = Option.isSome(outer) && outer.value.run === current?.run
            if (joins) yield* outer.value.register({ _tag: "Nested", name, entries, options })
            return exit.value
          }
          const compensated = yield* Effect.exit(compensateAll(name, entries, options))
          if (isAbandoned(current)) return yield* exit
          return yield* conclude(name, yield* compensated, exit.cause)
        })
      )
    ) as Effect.Effect<A, E | CompensationFailed, Exclude<R, Transaction>>
}

const isAbandoned = (current: Run.Current | undefined): boolean => current?.run.isAbandoned() === true

/** The completed steps of one transaction, in the order of their success. */
class Ledger {
  readonly name: string
  readonly run: Run.Run | undefined
  private readonly options: TransactionOptions
  private readonly current: Run.Current | undefined
  private readonly names = StepPath.makeScope("")
  private readonly entries: Array<Entry> = []
  private ended = false

  constructor(name: string, options: TransactionOptions, current: Run.Current | undefined) {
    this.name = name
    this.run = current?.run
    this.options = options
    this.current = current
  }

  readonly register = (completed: Completed): Effect.Effect<void> =>
    Effect.suspend(() => {
      const entry = this.enter(completed)
      if (this.ended) return this.undoLate(entry)
      this.entries.push(entry)
      return Effect.void
    })

  end(): ReadonlyArray<Entry> {
    this.ended = true
    return this.entries
  }

  private enter(completed: Completed): Entry {
    const name = StepPath.next(this.names, completed.name)
    if (this.current === undefined) return { name, completed, place: undefined }
    const path = StepPath.next(this.current.scope, StepPath.segment(`undo ${completed.name}`))
    return { name, completed, place: { run: this.current.run, scope: StepPath.makeScope(path) } }
  }

  /** S7 */
  private undoLate(entry: Entry): Effect.Effect<never> {
    const late = new Error(
      `step "${entry.name}" succeeded after transaction "${this.name}" had ended: wait for its fiber inside the transaction`
    )
    return Effect.flatMap(compensateAll(this.name, [entry], this.options), (result) =>
      Effect.die(isClean(result) ? late : new CompensationFailed({ transaction: this.name, ...result, cause: late }))
    )
  }
}

interface Result {
  readonly undone: ReadonlyArray<string>
  readonly notUndone: ReadonlyArray<{ readonly step: string; readonly error: unknown }>
  readonly irreversible: ReadonlyArray<string>
}

const isClean = (result: Result): boolean => result.notUndone.length === 0 && result.irreversible.length === 0

/** One failure that `catchTag` reaches. A cancelled transaction stays cancelled, so what it left behind is logged. */
const conclude = <E>(
  name: string,
  result: Result,
  cause: Cause.Cause<E>
): Effect.Effect<never, E | CompensationFailed> => {
  if (isClean(result)) return Effect.failCause(cause)
  const error = new CompensationFailed({ transaction: name, ...result, cause: Cause.squash(cause) })
  if (!Cause.hasInterrupts(cause)) return Effect.fail(error)
  const kept: Cause.Cause<E | CompensationFailed> = Cause.hasInterruptsOnly(cause) ? cause : Cause.fail(error)
  return Effect.andThen(Effect.logError(error.message, error), Effect.failCause(kept))
}

/** A compensation is not cancelled. But who may not record it any more need not wait for it. */
const endedByLossAlone = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Run.CurrentRun, (current) =>
    Effect.provideService(self, Run.InterruptibleBody, current?.run.whileOwned)
  )

const compensateAll = (
  name: string,
  entries: ReadonlyArray<Entry>,
  options: TransactionOptions
): Effect.Effect<Result> =>
  Effect.gen(function* () {
    const steps = namesOf(entries)
    yield* PatternEvent.state({ _tag: "CompensationStarted", transaction: name, steps })
    const outcomes = yield* compensateEach(entries, options)
    const result: Result = {
      undone: outcomes.filter((outcome) => outcome._tag === "Undone").map(({ step }) => step),
      notUndone: outcomes.filter((outcome) => outcome._tag === "NotUndone").map(({ error, step }) => ({ step, error })),
      irreversible: outcomes.filter((outcome) => outcome._tag === "Irreversible").map(({ step }) => step)
    }
    const notUndone = [...result.notUndone.map(({ step }) => step), ...result.irreversible]
    yield* PatternEvent.state({ _tag: "CompensationCompleted", transaction: name, undone: result.undone, notUndone })
    return result
  }).pipe(endedByLossAlone)

/** Names of the steps, those of nested transactions included, in the order of undoing. */
const namesOf = (entries: ReadonlyArray<Entry>): ReadonlyArray<string> =>
  entries
    .toReversed()
    .flatMap(({ completed, name }) =>
      completed._tag === "Nested" ? namesOf(completed.entries).map((step) => `${name}/${step}`) : [name]
    )

type Outcome =
  | { readonly _tag: "Undone" | "Irreversible"; readonly step: string }
  | { readonly _tag: "NotUndone"; readonly step: string; readonly error: unknown }

/** S2 */
const compensateEach = (
  entries: ReadonlyArray<Entry>,
  options: TransactionOptions
): Effect.Effect<ReadonlyArray<Outcome>> =>
  Effect.map(
    Effect.forEach(entries.toReversed(), (entry) => compensateOne(entry, options), {
      concurrency: options.compensate === "parallel" ? "unbounded" : 1
    }),
    (outcomes) => outcomes.flat()
  )

const compensateOne = (
  { completed, name, place }: Entry,
  options: TransactionOptions
): Effect.Effect<ReadonlyArray<Outcome>> => {
  switch (completed._tag) {
    case "Irreversible":
      return Effect.succeed([{ _tag: "Irreversible", step: name }])
    case "Nested":
      return Effect.map(compensateEach(completed.entries, completed.options), (outcomes) =>
        outcomes.map((outcome) => ({ ...outcome, step: `${name}/${outcome.step}` }))
      )
    case "Step": {
      const retried = DurableRetry.retry(completed.compensate, completed.retry ?? options.retry ?? defaultRetry)
      const compensated = Effect.matchCause(Run.at(retried, place), {
        onSuccess: (): ReadonlyArray<Outcome> => [{ _tag: "Undone", step: name }],
        onFailure: (cause): ReadonlyArray<Outcome> => [{ _tag: "NotUndone", step: name, error: Cause.squash(cause) }]
      })
      // S3: the owner may be lost between two compensations.
      return Effect.suspend(() => (isAbandoned(place) ? Effect.interrupt : compensated))
    }
  }
}
