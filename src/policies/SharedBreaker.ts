/**
 * A circuit breaker whose circuits belong to all processes that share a Redis, one for each key.
 *
 * The circuits are those of Effect's `CircuitBreaker`; this is the one file that imports that unstable module. Where they are
 * kept is a matter of the layer: `layerMemory` or `layerRedis`.
 *
 * **When to use** For calls to other machines, when what one process has found out shall spare the others the same. It costs
 * some twenty microseconds and two round trips a call; a `Breaker` costs one microsecond.
 *
 * Invariants (checked by `test/policies/SharedBreaker.test.ts` and `SharedBreaker.durable.test.ts`):
 *
 *   H1. A refused call does not run, and fails with `CircuitOpen`.
 *   H2. Every admitted call is settled once, however it ends, before its caller hears of it; an interrupted one is ignored.
 *   H3. Only errors that `isFailure` accepts, and defects, count as failures; other errors show that the callee is up.
 *   H4. In a run, admission is a recorded decision: replay refuses what was refused, and counts nothing twice.
 *   H5. Each transition is published and counted once, in the process that caused it.
 *   H6. If the store cannot be asked, calls go through, uncounted.
 *
 * **Durability** Circuits in Redis survive the process. A probe whose process dies frees its place after `probeLease`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Agent from "../core/Agent.ts"
import type { Redis } from "../persistence/RedisClient.ts"
import * as Breaker from "./Breaker.ts"
import { Broadcast } from "./Broadcast.ts"
import type * as Circuit from "./Circuit.ts"
import * as CircuitTransition from "./CircuitTransition.ts"
import * as Decision from "./Decision.ts"
import * as ErrorField from "./ErrorField.ts"
import * as Policy from "./Policy.ts"

/**
 * What trips a breaker, and how it recovers: by one probe.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Options<in E = unknown> {
  /** When a closed circuit opens: `Breaker.consecutive` or `Breaker.rate`. */
  readonly trip: Circuit.Trip
  /** How long calls are refused before the probe. An error's field `retryAfter`, a `Duration`, makes it longer, up to an hour. */
  readonly openFor: Duration.Input
  /** Does this error say that the callee is down? By default each one does. Must be pure. */
  readonly isFailure?: (error: E) => boolean
}

/**
 * A named breaker. All of one name, in all processes that share the store, are one: give them the same options.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface SharedBreaker<in E = unknown> {
  readonly name: string
  readonly options: Options<E>
  /** The same of all keys. */
  readonly group: CircuitTransition.Group
  /** Transitions that this process causes from now on. Who reads too slowly misses the oldest. */
  readonly transitions: Stream.Stream<CircuitTransition.Transition>
}

/**
 * Names a breaker.
 *
 * **Details** Metric, by the attribute `breaker`: `tutti_breaker_transitions_total`, also by `to`.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <E = unknown>(name: string, options: Options<E>): SharedBreaker<E> => {
  Breaker.rules(options)
  const group = { name, broadcast: new Broadcast<CircuitTransition.Transition>() }
  return { name, options, group, transitions: group.broadcast.stream }
}

/**
 * A breaker for each key: for each host, or tenant. Their transitions are those of all keys.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const keyed = <E = unknown>(name: string, options: Options<E>): ((key: string) => SharedBreaker<E>) => {
  const all = make(name, options)
  return (key) => ({ ...all, name: `${name}/${key}` })
}

/** How a call ended, and how long the callee asked to be left alone. */
interface Ending {
  readonly outcome: Circuit.Outcome
  readonly retryAfter: Duration.Duration
}

/** A call that may go through: `settle` says how it ended. */
interface Admitted {
  readonly _tag: "Admitted"
  readonly settle: (ending: Ending) => Effect.Effect<void>
}

interface Refused {
  readonly _tag: "Refused"
  /** Milliseconds. */
  readonly retryAfter: number
}

type Open = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * Where the circuits are kept.
 *
 * @category services
 * @stability experimental
 * @since 0.1.0
 */
export class Circuits extends Context.Service<
  Circuits,
  {
    /** May a call go through now? To be called uninterruptibly; `open` makes the wait for the answer interruptible. */
    readonly admit: (breaker: SharedBreaker<never>, open: Open) => Effect.Effect<Admitted | Refused>
  }
>()("tutti/policies/Circuits") {}

const fromEffect = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const store = yield* CircuitBreaker.CircuitBreakerStore
  const known = new WeakMap<CircuitTransition.Group, CircuitBreaker.CircuitBreaker>()
  const begin = Effect.fnUntraced(function* ({ group, options: { openFor, trip } }: SharedBreaker<never>) {
    const circuits = yield* CircuitBreaker.make({ tripPolicy: trip, openDuration: openFor }).pipe(
      Effect.provideService(CircuitBreaker.CircuitBreakerStore, store),
      Scope.provide(scope)
    )
    yield* Effect.forkIn(Stream.runForEach(circuits.transitions, announced(group)), scope, { startImmediately: true })
    known.set(group, circuits)
    return circuits
  })
  const circuitsOf = (breaker: SharedBreaker<never>) =>
    Effect.suspend(() => {
      const found = known.get(breaker.group)
      return found === undefined ? begin(breaker) : Effect.succeed(found)
    })
  return Circuits.of({
    admit: (breaker, open) =>
      Effect.flatMap(circuitsOf(breaker), (circuits) => admit(circuits, { key: breaker.name, scope, open }))
  })
})

const announced = (group: CircuitTransition.Group) => (transition: CircuitBreaker.Transition) =>
  Effect.gen(function* () {
    const { from, key, to } = transition
    const now = yield* Clock.currentTimeMillis
    const context = yield* Effect.context<never>()
    yield* CircuitTransition.announce(group, { breaker: key, from, to, now }, context)
  })

/** Effect's breaker runs a call as a whole; here a fiber stands for it, so that its admission can be recorded by itself. */
const admit = Effect.fnUntraced(function* (
  circuits: CircuitBreaker.CircuitBreaker,
  { key, open, scope }: { readonly key: string; readonly scope: Scope.Scope; readonly open: Open }
): Effect.fn.Return<Admitted | Refused> {
  const admitted = yield* Deferred.make<void>()
  const ended = yield* Deferred.make<CircuitBreaker.Outcome>()
  const standIn = Effect.andThen(Deferred.succeed(admitted, undefined), Deferred.await(ended))
  const fiber = yield* circuits
    .execute(standIn, { key, classify: (exit) => (Exit.isSuccess(exit) ? exit.value : CircuitBreaker.ignored) })
    .pipe(
      Effect.match({ onSuccess: () => undefined, onFailure: ({ reason }) => refused(reason) }),
      Effect.forkIn(scope, { startImmediately: true })
    )
  const settle = (outcome: CircuitBreaker.Outcome) =>
    Effect.andThen(Deferred.succeed(ended, outcome), Effect.asVoid(Fiber.await(fiber)))
  const answer = Effect.raceFirst(Effect.as(Deferred.await(admitted), undefined), Fiber.join(fiber))
  const refusal = yield* open(answer).pipe(Effect.onInterrupt(() => Deferred.succeed(ended, CircuitBreaker.ignored)))
  return refusal ?? { _tag: "Admitted", settle: (ending) => settle(outcomeOf(ending)) }
})

const refused = (reason: CircuitBreaker.CircuitBreakerErrorReason): Refused => ({
  _tag: "Refused",
  retryAfter: reason._tag === "CircuitOpen" ? Duration.toMillis(reason.retryAfter) : 0
})

const outcomeOf = ({ outcome, retryAfter }: Ending): CircuitBreaker.Outcome => {
  switch (outcome) {
    case "Success":
      return CircuitBreaker.success
    case "Failure":
      return CircuitBreaker.failure({ retryAfter })
    case "Ignored":
      return CircuitBreaker.ignored
  }
}

/**
 * Circuits in this process. After a restart they are closed.
 *
 * @category layers
 * @stability experimental
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Circuits> = Layer.effect(Circuits, fromEffect).pipe(
  Layer.provide(CircuitBreaker.layerStoreMemory())
)

/**
 * Circuits in Redis, shared by all processes.
 *
 * **Details** `prefix` of the keys, one for each circuit: default `tutti:circuit:`. `probeLease`: after so long a probe that has
 * not answered is given up, default 1 minute. `idleTimeToLive`: a circuit that nobody has asked for so long is closed and forgotten,
 * default 1 hour.
 *
 * @category layers
 * @stability experimental
 * @since 0.1.0
 */
export const layerRedis = (
  options: {
    readonly prefix?: string
    readonly probeLease?: Duration.Input
    readonly idleTimeToLive?: Duration.Input
  } = {}
): Layer.Layer<Circuits, never, Redis> =>
  Layer.effect(Circuits, fromEffect).pipe(
    Layer.provide(CircuitBreaker.layerStoreRedis({ prefix: "tutti:circuit:", ...options }))
  )

/** `null`: admitted. Otherwise milliseconds until the next try may go through. */
const admission = Decision.make("circuit", Schema.NullOr(Schema.Number))

/**
 * Runs the calls of an effect or an agent through the breaker.
 *
 * **Details**
 *
 * - Put `retry` and `timeout` inside, so that the breaker sees one outcome per call.
 * - Around an agent that performs a task it is part of its step, and acts once for each attempt. Around a composed agent or an
 *   effect in a run it is a recorded decision.
 *
 * **Gotchas**
 *
 * - A call whose admission was read from a journal is not counted: its outcome may be an old one.
 * - While the store cannot be reached, calls go through, and each waits until Redis has failed to answer twice.
 *
 * **Errors** `CircuitOpen` — the circuit is open, or its probe is out; then `retryAfter` is zero.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const protect: {
  <E2>(breaker: SharedBreaker<E2>): <T extends Failing<E2>>(self: T) => Policy.Adding<T, Breaker.CircuitOpen, Circuits>
  <T extends Policy.Target>(
    self: T,
    breaker: SharedBreaker<Policy.Error<NoInfer<T>>>
  ): Policy.Adding<T, Breaker.CircuitOpen, Circuits>
} = dual(2, <T extends Policy.Target>(self: T, breaker: SharedBreaker<any>) =>
  Policy.apply<T, typeof Breaker.CircuitOpen, Policy.Adding<T, Breaker.CircuitOpen, Circuits>>(self, {
    errors: Breaker.CircuitOpen,
    around: (effect) => Effect.flatMap(Circuits, (circuits) => through(circuits, breaker, effect))
  })
)

/** What fails with nothing but `E`. */
type Failing<E> = Agent.Agent<any, any, E, any> | Effect.Effect<any, E, any>

const through = <A, E, R>(
  circuits: typeof Circuits.Service,
  breaker: SharedBreaker<E>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Breaker.CircuitOpen, R> =>
  Effect.suspend(() => {
    let admitted: Admitted | undefined
    const admit = Effect.uninterruptibleMask((open) =>
      Effect.map(circuits.admit(breaker, open), (answer) => {
        if (answer._tag === "Refused") return answer.retryAfter
        admitted = answer
        return null
      })
    )
    const call = Effect.flatMap(
      admission(breaker.name, admit),
      (retryAfter): Effect.Effect<A, E | Breaker.CircuitOpen, R> =>
        retryAfter === null
          ? effect
          : Effect.fail(new Breaker.CircuitOpen({ name: breaker.name, retryAfter: Duration.millis(retryAfter) }))
    )
    return Effect.onExit(call, (exit) =>
      admitted === undefined ? Effect.void : admitted.settle(endingOf(exit, breaker.options.isFailure))
    )
  })

const endingOf = (exit: Exit.Exit<unknown, unknown>, isFailure: ((error: any) => boolean) | undefined): Ending => ({
  outcome: Breaker.outcome(exit, isFailure),
  retryAfter: Option.match(Exit.findErrorOption(exit), {
    onNone: () => Duration.zero,
    onSome: ErrorField.retryAfter
  })
})
