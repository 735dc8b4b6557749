/**
 * A circuit breaker in the process, around any effect or agent.
 *
 * Calls to something that keeps failing are refused at once, with `CircuitOpen`, until it has had time to recover; then
 * a few probes decide whether it has. The rules are the pure machine of `Circuit`.
 *
 * **When to use** For calls that cost microseconds, or one process. The circuits of a `SharedBreaker` belong to all
 * processes, at some twenty microseconds and two round trips a call.
 *
 * Invariants (checked by `test/policies/Breaker.test.ts`):
 *
 *   B1. A refused call does not run, and fails with `CircuitOpen`.
 *   B2. Every admitted call is settled once, however it ends; an interrupted one is ignored.
 *   B3. Only errors that `isFailure` accepts, and defects, count as failures; other errors show that the callee is up.
 *   B4. In a run, admission is a recorded decision: replay refuses what was refused, and counts nothing twice.
 *   B5. Around an agent that performs a task it is part of the step, and acts once for each attempt.
 *   B6. Each transition is published once, in order, and publishing never delays a call.
 *   B7. Each key has a circuit of its own. No more keys are remembered than `capacity`.
 *
 * **Durability** Transitions are facts of the process, not of a run: a replay makes none, so no run records them. They are
 * heard by `transitions`, counted by metrics and logged. (A `Supervisor` states `CircuitOpened` in its runs, because it records
 * what follows from a failure anyway.)
 *
 * Source: Michael Nygard, "Release It!", 2nd ed. 2018, "Circuit Breaker".
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type * as Agent from "../core/Agent.ts"
import { Broadcast } from "./Broadcast.ts"
import * as Circuit from "./Circuit.ts"
import * as CircuitTransition from "./CircuitTransition.ts"
import type { Transition } from "./CircuitTransition.ts"
import * as Decision from "./Decision.ts"
import * as Policy from "./Policy.ts"

/**
 * The call was refused: what it calls has been failing.
 *
 * @category errors
 * @stability stable
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
 * @stability stable
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

/**
 * Trips after so many failures in a row.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const consecutive = (failures: number): Circuit.Trip => {
  checkCount("failures", failures)
  return { _tag: "Consecutive", failures }
}

/**
 * Trips when the share of failures among the last `size` calls reaches `threshold`, in (0, 1], once there were `minimumCalls`.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
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

export type { Transition } from "./CircuitTransition.ts"

/**
 * A named breaker: give the same one to every call of the same callee.
 *
 * @category models
 * @stability stable
 * @since 0.1.0
 */
export interface Breaker<in E = unknown> {
  readonly name: string
  readonly options: Options<E>
  /** The circuit as it is now. */
  readonly state: Effect.Effect<Circuit.State>
  /** Its transitions from now on. Who reads too slowly misses the oldest. */
  readonly transitions: Stream.Stream<Transition>
}

interface Group extends CircuitTransition.Group {
  /** How many of its circuits are not closed. */
  notClosed: number
}

interface Cell {
  readonly name: string
  readonly rules: Circuit.Rules
  readonly group: Group
  state: Circuit.State
  /** Its key was given up: what still happens to it concerns nobody. */
  isForgotten: boolean
}

const cells = new WeakMap<Breaker<never>, Cell>()

const groupOf = (name: string): Group => ({ name, broadcast: new Broadcast(), notClosed: 0 })

const inGroup = <E>(group: Group, name: string, options: Options<E>): Breaker<E> => {
  const cell: Cell = { name, rules: rules(options), group, state: Circuit.initial, isForgotten: false }
  const breaker: Breaker<E> = {
    name,
    options,
    state: Effect.sync(() => cell.state),
    transitions: group.broadcast.stream
  }
  cells.set(breaker, cell)
  return breaker
}

/**
 * Makes a closed breaker. Its state lives as long as the value, in this process.
 *
 * **Details** Metrics, by the attribute `breaker`: `tutti_breaker_transitions_total` (also by `to`), and
 * `tutti_breaker_not_closed`, the number of its circuits that are open or half open.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = <E = unknown>(name: string, options: Options<E>): Breaker<E> =>
  inGroup(groupOf(name), name, options)

/**
 * Breakers of one kind, one for each key: a host, a tenant, a model.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Keyed<in E = unknown> {
  readonly name: string
  /** The breaker of a key: the same one as long as the key is remembered. */
  readonly of: (key: string) => Breaker<E>
  /** Transitions of all keys. */
  readonly transitions: Stream.Stream<Transition>
}

/**
 * Makes breakers for keys that are not known beforehand.
 *
 * **Details** `capacity`, default 1024: so many keys are remembered. Metrics are those of `make`, all keys together.
 *
 * **Gotchas** Beyond the capacity, the key that was asked for least recently is forgotten: its circuit is closed when it is
 * asked for again.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const keyed = <E = unknown>(name: string, options: Options<E> & { readonly capacity?: number }): Keyed<E> => {
  const { capacity = 1024, ...each } = options
  checkCount("capacity", capacity)
  rules(each)
  const group = groupOf(name)
  const breakers = new Map<string, Breaker<E>>()
  return {
    name,
    transitions: group.broadcast.stream,
    of: (key) => {
      const breaker = breakers.get(key) ?? inGroup(group, `${name}/${key}`, each)
      // A map keeps the order of insertion: the first key is the one asked for least recently.
      breakers.delete(key)
      breakers.set(key, breaker)
      if (breakers.size > capacity) {
        const [oldest, idle] = breakers.entries().next().value!
        breakers.delete(oldest)
        forget(cells.get(idle)!)
      }
      return breaker
    }
  }
}

const forget = (cell: Cell): void => {
  cell.isForgotten = true
  if (cell.state._tag !== "Closed") cell.group.notClosed--
}

const notClosed = Metric.gauge("tutti_breaker_not_closed", {
  description: "Circuits of this breaker that are open or half open."
})

/** Gives the circuit another state. If that is a transition: publishes it, and answers with what is left to do about it. */
const become = (
  cell: Cell,
  state: Circuit.State,
  { context, now }: { readonly now: number; readonly context: Context.Context<never> }
): Effect.Effect<void> | undefined => {
  const from = cell.state._tag
  cell.state = state
  const { group, name } = cell
  if (from === state._tag || cell.isForgotten) return undefined
  if (from === "Closed") group.notClosed++
  if (state._tag === "Closed") group.notClosed--
  Metric.withAttributes(notClosed, { breaker: group.name }).updateUnsafe(group.notClosed, context)
  return CircuitTransition.announce(group, { breaker: name, from, to: state._tag, now }, context)
}

/** `null`: admitted. Otherwise milliseconds until the next try may go through. */
const admission = Decision.make("circuit", Schema.NullOr(Schema.Number))

/** What fails with nothing but `E`. */
type Failing<E> = Agent.Agent<any, any, E, any> | Effect.Effect<any, E, any>

/**
 * Runs the calls of an effect or an agent through the breaker.
 *
 * **Details**
 *
 * - Put `retry` and `timeout` inside, so that the breaker sees one outcome per call.
 * - Around an agent that performs a task it is part of the step: see `Agent.within`.
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
  <E2>(breaker: Breaker<E2>): <T extends Failing<E2>>(self: T) => Policy.Adding<T, CircuitOpen>
  <T extends Policy.Target>(self: T, breaker: Breaker<Policy.Error<NoInfer<T>>>): Policy.Adding<T, CircuitOpen>
} = dual(2, <T extends Policy.Target>(self: T, breaker: Breaker<any>): Policy.Adding<T, CircuitOpen> =>
  Policy.apply<T, typeof CircuitOpen, Policy.Adding<T, CircuitOpen>>(self, {
    errors: CircuitOpen,
    around: (effect) => through(breaker, effect)
  })
)

const through = <A, E, R>(
  breaker: Breaker<E>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | CircuitOpen, R> => {
  const cell = cells.get(breaker)!
  return Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const { context } = fiber
    let admittedIn: number | undefined
    const admit = Effect.suspend((): Effect.Effect<number | null> => {
      const now = clock.currentTimeMillisUnsafe()
      const admitted = Circuit.admit(cell.rules, cell.state, now)
      if (admitted._tag === "Refused") return Effect.succeed(admitted.retryAfter)
      admittedIn = admitted.generation
      const rest = become(cell, admitted.state, { now, context })
      return rest === undefined ? Effect.succeed(null) : Effect.as(rest, null)
    })
    const call = Effect.flatMap(admission(breaker.name, admit), (retryAfter): Effect.Effect<A, E | CircuitOpen, R> =>
      retryAfter === null
        ? effect
        : Effect.fail(new CircuitOpen({ name: breaker.name, retryAfter: Duration.millis(retryAfter) }))
    )
    return Effect.onExitPrimitive(call, (exit) => {
      if (admittedIn === undefined) return undefined
      const now = clock.currentTimeMillisUnsafe()
      const settled = Circuit.settle(cell.rules, cell.state, {
        generation: admittedIn,
        outcome: outcome(exit, breaker.options.isFailure),
        now
      })
      return become(cell, settled, { now, context })
    })
  })
}
