/**
 * A circuit breaker in the process, around any effect.
 *
 * Calls to something that keeps failing are refused at once, with `CircuitOpen`, until it has had time to recover; then
 * a few probes decide whether it has. The rules are the pure machine of `Circuit`.
 *
 * **When to use** For calls that cost microseconds, or one process. `effect/persistence/CircuitBreaker` shares its
 * state through Redis, at some ten microseconds a call.
 *
 * Invariants (checked by `test/policies/Breaker.test.ts`):
 *
 *   B1. A refused call does not run, and fails with `CircuitOpen`.
 *   B2. Every admitted call is settled once, however it ends; an interrupted one is ignored.
 *   B3. Only errors that `isFailure` accepts, and defects, count as failures; other errors show that the callee is up.
 *   B4. In a run, admission is a recorded decision: replay refuses what was refused, and counts nothing twice.
 *
 * Source: Michael Nygard, "Release It!", 2nd ed. 2018, "Circuit Breaker".
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Schema from "effect/Schema"
import * as Circuit from "./Circuit.ts"
import * as Decision from "./Decision.ts"

/**
 * The call was refused: what it calls has been failing.
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>()("CircuitOpen", {
  name: Schema.String,
  /** No call will be let through earlier. */
  retryAfter: Schema.DurationFromMillis
}) {
  override get message(): string {
    return `The circuit of "${this.name}" is open; try again in ${Duration.format(this.retryAfter)}.`
  }
}

/**
 * What trips a breaker, and how it recovers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in E = unknown> {
  /** When a closed circuit opens: see `consecutive` and `rate`. */
  readonly trip: Circuit.Trip
  /** How long calls are refused before the first probe. */
  readonly openFor: Duration.Input
  /** So many probes must all succeed to close the circuit. Default 1. */
  readonly probes?: number
  /** Does this error say that the callee is down? By default each one does. Must be pure. */
  readonly isFailure?: (error: E) => boolean
}

/** Trips after so many failures in a row. */
export const consecutive = (failures: number): Circuit.Trip => {
  checkCount("failures", failures)
  return { _tag: "Consecutive", failures }
}

/** Trips when the share of failures among the last `size` calls reaches `threshold`, once there were `minimumCalls`. */
export const rate = (options: {
  readonly threshold: number
  readonly size: number
  /** Default: `size`. */
  readonly minimumCalls?: number
}): Circuit.Trip => {
  const { minimumCalls = options.size, size, threshold } = options
  checkCount("size", size)
  checkCount("minimumCalls", minimumCalls)
  if (minimumCalls > size) throw new RangeError(`minimumCalls must not exceed size ${size}, got ${minimumCalls}`)
  if (!(threshold > 0 && threshold <= 1)) throw new RangeError(`threshold must be in (0, 1], got ${threshold}`)
  return { _tag: "Rate", threshold, size, minimumCalls }
}

const checkCount = (what: string, count: number): void => {
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`${what} must be a positive integer, got ${count}`)
}

/** The options as the machine reads them. */
export const rules = (options: Options<never>): Circuit.Rules => {
  const probes = options.probes ?? 1
  checkCount("probes", probes)
  const openFor = Duration.toMillis(Duration.fromInputUnsafe(options.openFor))
  if (!(openFor > 0 && openFor < Infinity)) {
    throw new RangeError(`openFor must be positive and finite, got ${openFor} ms`)
  }
  return { trip: options.trip, openFor, probes }
}

/** How the end of a call counts. */
export const outcome = (
  exit: Exit.Exit<unknown, any>,
  isFailure: ((error: any) => boolean) | undefined
): Circuit.Outcome => {
  if (Exit.isSuccess(exit)) return "Success"
  const failure = Cause.findErrorOption(exit.cause)
  if (failure._tag === "Some") return isFailure === undefined || isFailure(failure.value) ? "Failure" : "Success"
  return Cause.hasInterruptsOnly(exit.cause) ? "Ignored" : "Failure"
}

/**
 * A named breaker: give the same one to every call of the same callee.
 *
 * @category models
 * @since 0.1.0
 */
export interface Breaker<in E = unknown> {
  readonly name: string
  readonly options: Options<E>
  /** The circuit as it is now. */
  readonly state: Effect.Effect<Circuit.State>
}

interface Cell {
  readonly rules: Circuit.Rules
  state: Circuit.State
}

const cells = new WeakMap<Breaker<never>, Cell>()

/**
 * Makes a closed breaker. Its state lives as long as the value, in this process.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = <E = unknown>(name: string, options: Options<E>): Breaker<E> => {
  const cell: Cell = { rules: rules(options), state: Circuit.initial }
  const breaker: Breaker<E> = { name, options, state: Effect.sync(() => cell.state) }
  cells.set(breaker, cell)
  return breaker
}

/** `null`: admitted. Otherwise milliseconds until the next try may go through. */
const admission = Decision.make("circuit", Schema.NullOr(Schema.Number))

/**
 * Runs the effect through the breaker.
 *
 * **Details** Put `retry` and `timeout` inside, so that the breaker sees one outcome per call.
 *
 * **Gotchas** A call whose admission was read from a journal is not counted: its outcome may be an old one.
 *
 * **Errors** `CircuitOpen` — the circuit is open, or all its probes are out.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const protect: {
  <E2>(breaker: Breaker<E2>): <A, E extends E2, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | CircuitOpen, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, breaker: Breaker<NoInfer<E>>): Effect.Effect<A, E | CircuitOpen, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, breaker: Breaker<E>): Effect.Effect<A, E | CircuitOpen, R> => {
  const cell = cells.get(breaker)!
  return Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    let admittedIn: number | undefined
    const admit = Effect.sync(() => {
      const admitted = Circuit.admit(cell.rules, cell.state, clock.currentTimeMillisUnsafe())
      if (admitted._tag === "Refused") return admitted.retryAfter
      cell.state = admitted.state
      admittedIn = admitted.generation
      return null
    })
    const call = Effect.flatMap(admission(breaker.name, admit), (retryAfter): Effect.Effect<A, E | CircuitOpen, R> =>
      retryAfter === null
        ? self
        : Effect.fail(new CircuitOpen({ name: breaker.name, retryAfter: Duration.millis(retryAfter) }))
    )
    return Effect.onExitPrimitive(call, (exit) => {
      if (admittedIn === undefined) return undefined
      cell.state = Circuit.settle(cell.rules, cell.state, {
        generation: admittedIn,
        outcome: outcome(exit, breaker.options.isFailure),
        now: clock.currentTimeMillisUnsafe()
      })
      return undefined
    })
  })
})
