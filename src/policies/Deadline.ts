/**
 * An instant by which a part of a program must have ended, inherited by everything it calls.
 *
 * Where a timeout belongs to one call, a deadline belongs to all that is done for one request: it comes with the fiber's
 * context, and whoever calls out of the process reads what remains of it and passes that on.
 *
 * Invariants (checked by `test/policies/Deadline.test.ts` and `test/policies/Deadline.durable.test.ts`):
 *
 *   D1. What still runs at its deadline is interrupted, and the boundary that set it fails with `DeadlineExceeded`.
 *   D2. A deadline within a deadline: the earlier one holds, and only the boundary that set it fails by it.
 *   D3. After the deadline nothing begins at its boundary, and no agent below it.
 *   D4. What runs after the interruption, to clean up or undo, is not bound by the deadline that caused it.
 *   D5. In a run the deadline is recorded: a restart does not move it, and a replay ends as the first execution.
 *
 * **Durability** A boundary in a run costs two events, the decision and its timer. It stands around the call, not in the step
 * of an agent, so that a step that is repeated after a crash has no more time than before.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Interceptor from "../core/Interceptor.ts"
import * as Run from "../core/Run.ts"
import * as Decision from "./Decision.ts"
import * as Policy from "./Policy.ts"
import * as Timeout from "./Timeout.ts"

/**
 * The deadline has passed; what ran was interrupted.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {
  deadline: Schema.DateTimeUtcFromMillis
}) {
  override get message(): string {
    return `The deadline, ${DateTime.formatIso(this.deadline)}, has passed.`
  }
}

/** A deadline in force. */
interface Bound {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly parent: Bound | undefined
  /** Done when it has interrupted what ran: from then on it binds nobody (D4). */
  readonly passed: Deferred.Deferred<void>
}

const CurrentBound: Context.Reference<Bound | undefined> = Context.Reference<Bound | undefined>(
  "tutti/policies/CurrentDeadline",
  { defaultValue: () => undefined }
)

const hasPassed = (bound: Bound): boolean => Deferred.isDoneUnsafe(bound.passed)

/** The earliest of those that bind. */
const earliest = (bound: Bound | undefined): number => {
  let at = Infinity
  for (let each = bound; each !== undefined; each = each.parent) if (!hasPassed(each)) at = Math.min(at, each.at)
  return at
}

const now = Run.withCurrent(({ run }) => run.time.clock, Clock.currentTimeMillis)

const decided = Decision.make("deadline", Schema.Struct({ at: Schema.Number, isOver: Schema.Boolean }))

/** Where the deadline comes from: a duration from the call on, or an instant. */
type Until = { readonly _tag: "Within"; readonly duration: number } | { readonly _tag: "At"; readonly at: number }

const bounded = <A, E, R>(effect: Effect.Effect<A, E, R>, until: Until): Effect.Effect<A, E | DeadlineExceeded, R> => {
  const decide = Effect.map(Clock.currentTimeMillis, (now) => {
    const at = Math.ceil(until._tag === "At" ? until.at : now + until.duration)
    return { at, isOver: at <= now }
  })
  const facts = until._tag === "At" ? until.at : until.duration
  return Effect.flatMap(decided(facts, decide), ({ at, isOver }) => (isOver ? exceeded(at) : boundedBy(effect, at)))
}

const exceeded = (at: number): Effect.Effect<never, DeadlineExceeded> =>
  Effect.suspend(() => Effect.fail(new DeadlineExceeded({ deadline: DateTime.makeUnsafe(at) })))

const boundedBy = <A, E, R>(effect: Effect.Effect<A, E, R>, at: number): Effect.Effect<A, E | DeadlineExceeded, R> =>
  Effect.flatMap(now, (now) =>
    Effect.withFiber((fiber) => {
      const rest = Duration.millis(Math.max(0, at - now))
      const run = fiber.getRef(Run.CurrentRun)
      const timer = run === undefined ? Effect.sleep(rest) : Timeout.timerIn(run, "until", rest)
      const bound: Bound = { at, parent: fiber.getRef(CurrentBound), passed: Deferred.makeUnsafe() }
      const pass = Effect.sync(() => Deferred.doneUnsafe(bound.passed, Exit.void))
      const inside = effect.pipe(
        Effect.provideService(CurrentBound, bound),
        Effect.provideService(Interceptor.Interceptor, intercept(fiber.getRef(Interceptor.Interceptor)))
      )
      return Timeout.against(inside, Effect.andThen(timer, pass), exceeded(at))
    })
  )

/** D3: a call that comes too late waits to be interrupted. Whom that does not reach is cleaning up, and goes on (D4). */
const intercept =
  (outer: Interceptor.Intercept | undefined): Interceptor.Intercept =>
  (call, proceed) =>
    Effect.flatMap(overdue, (bound) => {
      const go = outer === undefined ? proceed(call.input) : outer(call, proceed)
      return bound === undefined
        ? go
        : Deferred.await(bound.passed).pipe(Effect.andThen(Effect.yieldNowWith(afterInterruption)), Effect.andThen(go))
    })

/** The deadline that has come without having interrupted anyone yet. */
const overdue = Effect.flatMap(now, (now) =>
  Effect.withFiber((fiber) => {
    let bound = fiber.getRef(CurrentBound)
    while (bound !== undefined && (now < bound.at || hasPassed(bound))) bound = bound.parent
    return Effect.succeed(bound)
  })
)

/** A priority so low that all fibers have heard of the interruption before. */
const afterInterruption = Number.MAX_SAFE_INTEGER - 2

/**
 * Gives each call so much time, and all that it calls.
 *
 * **When to use** `Timeout.after` limits one call, and each attempt anew. A deadline is for a whole: it is inherited, it
 * survives a restart, and its error appears only at the boundary that set it.
 *
 * **Details** Within a deadline that is earlier, that one holds.
 *
 * **Gotchas**
 *
 * - What cannot be interrupted is waited for.
 * - The compensations of a saga that the deadline interrupts are not bound by it. Those that undo a failure before the
 *   deadline are: put `exempt` around what must not be cut short.
 * - After a crash the step that was under way begins again even if the deadline has passed meanwhile; it is interrupted at
 *   once.
 * - A child run has deadlines of its own: tell it `current` in its input. That of its parent cancels it.
 *
 * **Errors** `DeadlineExceeded` — this deadline passed before the call had ended.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const within = (
  duration: Duration.Input
): (<T extends Policy.Target>(self: T) => Policy.Adding<T, DeadlineExceeded>) => {
  const until: Until = { _tag: "Within", duration: Duration.toMillis(Timeout.limitOf("deadline", duration)) }
  return (self) => Policy.aroundCall(self, (effect) => bounded(effect, until))
}

/**
 * Sets the deadline to an instant: one that came with a request, for example.
 *
 * **Details** If it has passed already, the call does not begin. Otherwise as `within`.
 *
 * **Errors** `DeadlineExceeded` — the instant passed before the call had ended.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const at = (
  instant: DateTime.DateTime
): (<T extends Policy.Target>(self: T) => Policy.Adding<T, DeadlineExceeded>) => {
  const until: Until = { _tag: "At", at: DateTime.toEpochMillis(instant) }
  return (self) => Policy.aroundCall(self, (effect) => bounded(effect, until))
}

/**
 * Lifts every deadline from the target: for undoing what must be undone however long it takes.
 *
 * **Gotchas** A deadline still interrupts it, unless it is uninterruptible as compensations are.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const exempt = <T extends Policy.Target>(self: T): Policy.Adding<T, never> =>
  Policy.aroundCall(self, Effect.provideService(CurrentBound, undefined))

/**
 * The deadline in force, to be passed on.
 *
 * @category observing
 * @stability experimental
 * @since 0.1.0
 */
export const current: Effect.Effect<Option.Option<DateTime.Utc>> = Effect.withFiber((fiber) => {
  const at = earliest(fiber.getRef(CurrentBound))
  return Effect.succeed(at === Infinity ? Option.none() : Option.some(DateTime.makeUnsafe(at)))
})

/**
 * How long until the deadline in force: infinite if there is none, zero once it has passed.
 *
 * **Gotchas** For limits that are passed on, such as that of an HTTP request. In a run, read it in an agent's own `run`: in
 * the program between agents it differs on replay.
 *
 * @category observing
 * @stability experimental
 * @since 0.1.0
 */
export const remaining: Effect.Effect<Duration.Duration> = Effect.withFiber((fiber) => {
  const at = earliest(fiber.getRef(CurrentBound))
  if (at === Infinity) return Effect.succeed(Duration.infinity)
  return Effect.map(now, (now) => Duration.millis(Math.max(0, at - now)))
})
