/**
 * Agents under one supervisor: it gives each input to one of them, and does what its policy says when that one fails.
 *
 * A supervisor is an agent, so supervisors nest. It is made of five small parts: `Routing` chooses, `Directive` says
 * what to do about a failure, `RestartIntensity` bounds restarts, `Breaker` spares workers that are down, `Team` holds
 * what the process knows of them.
 *
 * Invariants (checked by `test/patterns/Supervisor.test.ts` and `test/patterns/Supervisor.durable.test.ts`):
 *
 *   V1. Every failure of an agent meets the rule for its tag, and no other.
 *   V2. A rerouted input never comes back to a worker it has been with; when none is left, the last error leaves.
 *   V3. One-for-one restarts the failing call only; one-for-all those on all workers; rest-for-one the failing one and
 *       those on workers declared after its.
 *   V4. At most `restarts` restarts begin within any `within`; the next failure that asks for one ends all calls in
 *       flight with `RestartsExceeded`.
 *   V5. A worker whose circuit is open is not called.
 *   V6. A place at a worker is given back once, however the call ends.
 *   V7. A stopped worker is assigned no more inputs.
 *   V8. In a run, a replay assigns, restarts and refuses exactly as recorded, whatever the process knows by then, and
 *       changes nothing of what it knows.
 *   V9. `runAll` answers in input order with at most `concurrency` calls at once; `runEach` never fails.
 *
 * **Durability** Load, circuits and counted restarts are facts of the process; a replay finds others. So what is decided
 * by them is recorded: the worker an input is assigned to (with the refusals of open circuits: they are part of the
 * choice), the consequences of a failure, and being interrupted for the sake of another worker. An undisturbed call so
 * costs two recorded events more than its agent's own (the decision, and the note `WorkerAssigned`), and none when there
 * is one agent without a breaker and without `stop`, save the note.
 *
 * Source: Erlang/OTP Design Principles, "Supervisor Behaviour" (https://www.erlang.org/doc/system/sup_princ.html).
 */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import type * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Agent from "../../core/Agent.ts"
import * as Run from "../../core/Run.ts"
import type * as Breaker from "../../policies/Breaker.ts"
import type * as Circuit from "../../policies/Circuit.ts"
import type * as Directive from "./Directive.ts"
import * as RestartIntensity from "./RestartIntensity.ts"
import * as Routing from "./Routing.ts"
import { supervise } from "./Supervision.ts"
import type { NoWorker, RestartsExceeded } from "./SupervisorError.ts"
import { type Strategy, Team } from "./Team.ts"

export { NoWorker, RestartsExceeded } from "./SupervisorError.ts"
export type { Strategy } from "./Team.ts"

const TypeId = "~tutti/patterns/Supervisor"

/**
 * An agent that has other agents do the work.
 *
 * @category models
 * @since 0.1.0
 */
export interface Supervisor<in In, out Out, out E = never, out R = never> extends Agent.Agent<In, Out, E, R> {
  readonly [TypeId]: Team
}

/** What every agent of a union takes: the intersection of their inputs. */
export type CommonInput<A> = [A] extends [Agent.Agent<infer In, any, any, any>] ? In : never

/** The rules of `P`, as long as each of its tags can occur. */
export type Known<E, P> = {
  readonly [T in keyof P]: T extends Directive.Tag<E> ? P[T] : `No worker fails with ${T & string}`
}

/** What can go wrong at a worker. `Trip` is never when there is no breaker. */
export type WorkerError<Agents extends Arr.NonEmptyReadonlyArray<Agent.Any>, Trip> =
  | Agent.Error<Agents[number]>
  | ([Trip] extends [never] ? never : Breaker.CircuitOpen)

/**
 * What a supervisor is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Agents extends Arr.NonEmptyReadonlyArray<Agent.Any>, Trip extends Circuit.Trip, P> {
  readonly agents: Agents
  /** Default `Routing.leastLoaded`. */
  readonly route?: Routing.Routing<CommonInput<Agents[number]>>
  /** Default `"OneForOne"`. */
  readonly strategy?: Strategy
  readonly intensity?: RestartIntensity.Options
  /** One for each agent. `CircuitOpen` then needs a rule, too. */
  readonly breaker?: Breaker.Options<Agent.Error<Agents[number]>> & { readonly trip: Trip }
  readonly capabilities?: ReadonlyArray<string>
  /** A rule for each error tag that can occur, and for no other. */
  readonly onFailure: Known<WorkerError<Agents, Trip>, P>
}

/** The supervisor of these agents under the policy `P`. */
export type Of<Agents extends Arr.NonEmptyReadonlyArray<Agent.Any>, Trip, P> = Supervisor<
  CommonInput<Agents[number]>,
  Agent.Output<Agents[number]> | Directive.Answer<P>,
  Directive.Escaping<WorkerError<Agents, Trip>, P> | Directive.IfRestarts<P, RestartsExceeded> | NoWorker,
  Agent.Services<Agents[number]>
>

/**
 * Makes a supervisor.
 *
 * **Details**
 *
 * - `onFailure` has a rule for each tag of the agents' errors, and one for `CircuitOpen` exactly when there is a
 *   `breaker`. A rule is a `Directive`, or a pure function of the typed error that chooses one.
 * - Errors that no rule lets out (`resume`, `restart()` without a schedule) are not among the supervisor's errors.
 *   `RestartsExceeded` is, if some rule restarts.
 * - `strategy`: whose calls are started again with the failing one. Default `"OneForOne"`. Calls started again for
 *   another's sake begin at once and count as no restart of their own.
 * - `intensity`: default 3 restarts within 5 seconds. When it is exceeded, the supervisor begins anew: no restarts
 *   counted, stopped workers stay stopped.
 * - `breaker`: one for each agent. With the rule `CircuitOpen: Directive.reroute`, routing passes over open circuits and
 *   `CircuitOpen` leaves only when all who could take the input are open; with any other rule an input may be assigned
 *   to an open worker, and the rule decides.
 * - A defect is a bug, not a failure: no rule sees it. It counts against the worker's circuit.
 *
 * **Gotchas**
 *
 * - The state of the supervisor is that of this value in this process: a restart forgets load, circuits and who was
 *   stopped. Make it once, not in each call.
 * - One-for-all and rest-for-one interrupt agents at work. One that is not idempotent is then in the same doubt as
 *   after a crash.
 *
 * **Errors** `NoWorker` — no agent has what the route asks for, or all are stopped.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = <
  const Agents extends Arr.NonEmptyReadonlyArray<Agent.Any>,
  P extends Directive.Rules<WorkerError<Agents, Trip>>,
  Trip extends Circuit.Trip = never
>(
  name: string,
  options: Options<Agents, Trip, P>
): Of<Agents, Trip, P> => {
  const team = new Team(name, {
    agents: options.agents,
    route: options.route ?? Routing.leastLoaded,
    strategy: options.strategy ?? "OneForOne",
    intensity: RestartIntensity.limit(options.intensity),
    breaker: options.breaker,
    policy: options.onFailure as Directive.Policy
  })
  const agent: Agent.Any = Agent.compose(name, {
    pattern: "Supervisor",
    capabilities: options.capabilities ?? [],
    run: (input: unknown) => supervise(team, input)
  })
  return Object.assign(agent, { [TypeId]: team }) as unknown as Of<Agents, Trip, P>
}

/**
 * A worker at this moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerStats {
  readonly name: string
  readonly inFlight: number
  /** Calls it was given since the supervisor was made. */
  readonly assigned: number
  /** Restarts since the supervisor was made. */
  readonly restarts: number
  readonly circuit: Circuit.State["_tag"]
  readonly state: "Active" | "Stopped"
}

/**
 * A supervisor at this moment, in this process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  readonly name: string
  readonly inFlight: number
  /** Restarts that count against the intensity now. */
  readonly restarts: number
  readonly workers: ReadonlyArray<WorkerStats>
}

/**
 * What the supervisor knows of its workers now. Costs O(n).
 *
 * **Gotchas** For people and gauges, not for decisions: in a run, a replay sees other numbers.
 *
 * @category observing
 * @stability stable
 * @since 0.1.0
 */
export const stats = (self: Supervisor<never, unknown, unknown, unknown>): Effect.Effect<Stats> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const team = self[TypeId]
    const workers = team.names.map((name, worker): WorkerStats => ({
      name,
      inFlight: team.inFlight(worker),
      assigned: team.assigned[worker]!,
      restarts: team.restarts[worker]!,
      circuit: team.circuit(worker)._tag,
      state: team.stopped.has(worker) ? "Stopped" : "Active"
    }))
    const inFlight = workers.reduce((sum, worker) => sum + worker.inFlight, 0)
    return { name: team.name, inFlight, restarts: team.recentRestarts(now), workers }
  })

/** How many inputs are with the supervisor at once. Default: as many as it has agents. */
export interface BatchOptions {
  readonly concurrency?: number | "unbounded"
}

const isSupervisor = (value: unknown): boolean => typeof value === "object" && value !== null && TypeId in value

const batch = <In, B, E, R>(
  self: Supervisor<In, any, any, any>,
  inputs: Iterable<In>,
  call: { readonly options: BatchOptions | undefined; readonly run: (input: In) => Effect.Effect<B, E, R> }
): Stream.Stream<B, E, R> =>
  Stream.fromIterable(inputs).pipe(
    Stream.zipWithIndex,
    Stream.mapEffect(([input, index]) => Run.scoped(`[${index}]`)(call.run(input)), {
      concurrency: call.options?.concurrency ?? self[TypeId].agents.length
    })
  )

/**
 * Answers to many inputs, in their order, as they come.
 *
 * **Details** The first failure ends the stream and interrupts what is in flight. Each input has a scope of its own,
 * `[0]`, `[1]`, …, so that in a run its steps keep their identity whatever finishes first.
 *
 * @category running
 * @stability stable
 * @since 0.1.0
 */
export const runAll: {
  <In>(
    inputs: Iterable<In>,
    options?: BatchOptions
  ): <Out, E, R>(self: Supervisor<In, Out, E, R>) => Stream.Stream<Out, E, R>
  <In, Out, E, R>(
    self: Supervisor<In, Out, E, R>,
    inputs: Iterable<In>,
    options?: BatchOptions
  ): Stream.Stream<Out, E, R>
} = dual(
  (args) => isSupervisor(args[0]),
  <In, Out, E, R>(self: Supervisor<In, Out, E, R>, inputs: Iterable<In>, options?: BatchOptions) =>
    batch(self, inputs, { options, run: self.run })
)

/**
 * As `runAll`, but a failure is an answer too: one `Result` for each input, in their order.
 *
 * @category running
 * @stability stable
 * @since 0.1.0
 */
export const runEach: {
  <In>(
    inputs: Iterable<In>,
    options?: BatchOptions
  ): <Out, E, R>(self: Supervisor<In, Out, E, R>) => Stream.Stream<Result.Result<Out, E>, never, R>
  <In, Out, E, R>(
    self: Supervisor<In, Out, E, R>,
    inputs: Iterable<In>,
    options?: BatchOptions
  ): Stream.Stream<Result.Result<Out, E>, never, R>
} = dual(
  (args) => isSupervisor(args[0]),
  <In, Out, E, R>(self: Supervisor<In, Out, E, R>, inputs: Iterable<In>, options?: BatchOptions) =>
    batch(self, inputs, { options, run: (input) => Effect.result(self.run(input)) })
)
