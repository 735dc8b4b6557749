/**
 * Hooks: code that is asked, or told, about calls of agents from outside the program, and that can be configured while the
 * program runs.
 *
 * A pre hook is asked before a call and may change its input or refuse it; a post hook is told what became of it, at once
 * or through a work queue; a session hook holds a resource open for as long as a hooked scope; an event hook is told of
 * events in the log. Patterns know nothing of them.
 *
 * What a hook does is code, registered by its name. Whether, for whom and how patiently it does it is configuration: data
 * that the code states and that can be changed from outside, for all processes of a deployment.
 *
 * **Example** (A refusal, and a report)
 *
 * ```ts
 * const Curfew = Hook.pre("curfew", { run: () => isLate ? Hook.refuse("it is late") : Hook.pass })
 * const Report = Hook.post("report", { delivery: "queue", run: ({ agent, outcome }) => send(agent, outcome) })
 *
 * const program = reviewers.run({ code }).pipe(Hook.hooked("review")) // fails with HookRefused, too
 * const layer = Hook.layer([Curfew, Report]).pipe(Layer.provideMerge(Postgres.layer({ url })))
 * ```
 *
 * The invariants are stated where they are kept: H1 to H9 in `HookedScope.ts`, G1 to G4 in `HookRegistry.ts`, Q1 to Q3 in
 * `HookQueue.ts`, K1 and K2 in `HookStore.ts`.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Run from "../core/Run.ts"
import * as Task from "../core/Task.ts"
import { type StoredEvent } from "../event-store/Envelope.ts"
import { EventStore } from "../event-store/EventStore.ts"
import type { EventStoreError } from "../event-store/EventStoreError.ts"
import { Persistence, type PersistenceError } from "../persistence/Persistence.ts"
import type * as WorkQueue from "../queues/WorkQueue.ts"
import type { WorkQueueDriver } from "../queues/WorkQueueDriver.ts"
import type { WorkQueueError } from "../queues/WorkQueueError.ts"
import * as EventHooks from "./EventHooks.ts"
import { type HookChanges, type HookConfig, type Options, stated } from "./HookConfig.ts"
import type {
  Call,
  CallEnded,
  EventHook,
  Hook,
  Info,
  PostHook,
  PreHook,
  Ruling,
  Services,
  Session,
  SessionHook
} from "./HookDefinition.ts"
import type { HookFailed, HookMisconfigured, HookRefused, HookUnknown } from "./HookError.ts"
import type { Execution } from "./HookExecution.ts"
import * as HookedScope from "./HookedScope.ts"
import type { ScopeMatch } from "./HookMatch.ts"
import { type DeadLetter, HookQueues } from "./HookQueue.ts"
import { Registry, type Status } from "./HookRegistry.ts"
import { CurrentHookStore, ofPersistence } from "./HookStore.ts"

export { HookConfig, type HookChanges, type Options, Phase } from "./HookConfig.ts"
export {
  type Call,
  CallEnded,
  CallOutcome,
  type EventHook,
  type Hook,
  type Info,
  type PostHook,
  type PreHook,
  type Ruling,
  type Session,
  type SessionHook
} from "./HookDefinition.ts"
export { Execution } from "./HookExecution.ts"
export { type CallMatch, HookMatch, type ScopeMatch } from "./HookMatch.ts"
export type { DeadLetter } from "./HookQueue.ts"
export type { Status } from "./HookRegistry.ts"
export { CurrentHookStore, type HookStore, type Registration, type StoredHook } from "./HookStore.ts"

/**
 * Lets the call go on as it is.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const pass: Effect.Effect<Ruling<never>> = Effect.succeed({ _tag: "Pass" })

/**
 * Lets the call go on with another input.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const change = <In>(input: In): Effect.Effect<Ruling<In>> => Effect.succeed({ _tag: "Change", input })

/**
 * Refuses the call. The reason is the end of a sentence, without a full stop.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const refuse = (reason: string): Effect.Effect<Ruling<never>> => Effect.succeed({ _tag: "Refuse", reason })

const named = (name: string): string => {
  if (name === "") throw new Error("a hook needs a name")
  return name
}

/**
 * Makes a hook that is asked before a call: `pass`, `change(input)` or `refuse(reason)`.
 *
 * **Details**
 *
 * - `input`: the hook is for calls whose input is of this schema, and sees it typed. Left out: for all, as `unknown`.
 * - A changed input is checked and recorded by the schema of the agent's task; for a composed agent, which has none, by
 *   `input`, without which it cannot be changed.
 * - `where` narrows what `match` lets through. It must be pure.
 *
 * **Gotchas** In a run `run` is part of a recorded step: it happens once, or again after a crash before its record. A
 * refusal meets compensations, too: do not refuse what undoes.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const pre = <S extends Task.DataSchema = typeof Schema.Unknown, R = never>(
  name: string,
  options: Options & {
    readonly input?: S
    readonly where?: (call: Call<S["Type"]>) => boolean
    readonly run: (call: Call<S["Type"]>, info: Info) => Effect.Effect<Ruling<NoInfer<S["Type"]>>, unknown, R>
  }
): PreHook<S["Type"], R> => ({
  phase: "pre",
  name: named(name),
  config: stated("pre", name, options),
  task: options.input === undefined ? undefined : Task.make(name, { input: options.input as S, output: Schema.Void }),
  where: options.where,
  run: options.run
})

/**
 * Makes a hook that is told of each call that has ended, and not been interrupted.
 *
 * **Details**
 *
 * - `delivery`: `"inline"` (default) the caller waits for it; `"queue"` it is offered to the work queue `hooks/<name>`, and
 *   retried from there until it is a dead letter.
 * - `values`: whether input and output are told, too. Default `false`: they do not leave the program.
 * - `where` narrows what `match` lets through. It must be pure, and does not see how long the call took: a replay could not
 *   tell.
 *
 * **Gotchas** What the call did is done: a required hook that fails lets the outcome pass, so that its undo is registered,
 * and makes the hooked scope fail at its end. Of a hook that is queued, what is required is the offer.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const post = <R = never>(
  name: string,
  options: Options & {
    readonly delivery?: HookConfig["delivery"]
    readonly values?: boolean
    readonly where?: (call: Omit<CallEnded, "duration">) => boolean
    readonly run: (call: CallEnded, info: Info) => Effect.Effect<unknown, unknown, R>
  }
): PostHook<R> => ({
  phase: "post",
  name: named(name),
  config: stated("post", name, options),
  values: options.values ?? false,
  where: options.where,
  run: options.run
})

/**
 * Makes a hook that opens something when a hooked scope is entered, and has it closed when the scope ends.
 *
 * **Details**
 *
 * - What `open` acquires with `Effect.acquireRelease` is released with the exit of the scope.
 * - `match` is by scope and run, `where` narrows what it lets through. It must be pure.
 * - `timeout` holds for closing, too: after that it goes on by itself, and the program goes on without it.
 *
 * **Gotchas** In a run it is opened in each process that carries the scope out: once more after a crash. That it opened is
 * recorded; one that does not open again is listed as failed, and the run goes on.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const session = <R = never>(
  name: string,
  options: Omit<Options, "match"> & {
    /** Default: every hooked scope. */
    readonly match?: ScopeMatch
    readonly where?: (session: Session) => boolean
    readonly open: (session: Session) => Effect.Effect<unknown, unknown, R>
  }
): SessionHook<Exclude<R, Scope.Scope>> => ({
  phase: "session",
  name: named(name),
  config: stated("session", name, options),
  where: options.where,
  open: options.open as SessionHook<Exclude<R, Scope.Scope>>["open"]
})

/**
 * Makes a hook that is told of events in the log, of whatever stream.
 *
 * **Details** A durable subscriber queues each event that matches; the handler is run from the queue, in the order of the
 * stream, and retried from there until the item is a dead letter. Events from before the first start are not told.
 *
 * **Gotchas** At least once, as everything that is queued: use `info.idempotencyKey`.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const event = <R = never>(
  name: string,
  options: Omit<Options, "match" | "required"> & {
    readonly events: ReadonlyArray<string>
    /** How the names of their streams begin: `"run/"`, `"order/"`. Default: anyhow. */
    readonly streams?: ReadonlyArray<string>
    readonly where?: (event: StoredEvent) => boolean
    readonly run: (event: StoredEvent, info: Info) => Effect.Effect<unknown, unknown, R>
  }
): EventHook<R> => {
  const { events, streams } = options
  if (events.length === 0) throw new Error(`event hook "${name}" needs at least one type of events`)
  const match = { events, ...(streams !== undefined && { streams }) }
  return {
    phase: "event",
    name: named(name),
    config: stated("event", name, { ...options, match }),
    where: options.where,
    run: options.run
  }
}

/**
 * The hooks of this process.
 *
 * @category services
 * @since 0.1.0
 */
export class Hooks extends Context.Service<
  Hooks,
  {
    /** The hooks of this program and what holds for each now. */
    readonly list: Effect.Effect<ReadonlyArray<Status>>
    /** Sets some fields of a hook's configuration, for all processes. Answers with what holds then. */
    readonly configure: (
      hook: string,
      changes: HookChanges
    ) => Effect.Effect<HookConfig, HookUnknown | HookMisconfigured | PersistenceError>
    /** Forgets what was configured: what the code states holds again. */
    readonly reset: (hook: string) => Effect.Effect<HookConfig, HookUnknown | PersistenceError>
    /** What hooks did in this process, newest first: as many as are kept. */
    readonly executions: Effect.Effect<ReadonlyArray<Execution>>
    /** What a hook gave up after its last retry. */
    readonly deadLetters: (hook: string) => Effect.Effect<ReadonlyArray<DeadLetter>, HookUnknown | WorkQueueError>
    /** Tries dead letters anew. Answers which. */
    readonly redrive: (
      hook: string,
      ids: ReadonlyArray<WorkQueue.ItemId>
    ) => Effect.Effect<ReadonlyArray<WorkQueue.ItemId>, HookUnknown | WorkQueueError>
    /** @internal */
    readonly surroundings: HookedScope.Surroundings
  }
>()("tutti/hooks/Hooks") {}

/**
 * Asks hooks about all calls of agents in the effect.
 *
 * **Details**
 *
 * - The steps of the effect lie in a scope of this name. For an agent: `agent.pipe(Agent.transform(Hook.hooked("review")))`.
 * - Which hooks are asked is decided when the scope is entered, and recorded in a run. One that is switched off while the
 *   scope is open is not asked any more; one that is switched on is asked from the next scope on.
 * - In a run each execution of a hook is a step, followed by the note `HookExecuted`.
 * - A hooked scope inside another one is part of it.
 *
 * **Gotchas** A program with runs in flight is changed by it: put it behind `Orchestration.patched`. Keep the code of a
 * hook, disabled, until the runs that were asked by it have ended.
 *
 * **Errors** `HookRefused` — a pre hook refused a call. `HookFailed` — a hook failed that is required.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const hooked = (name: string) => {
  const scoped = Run.scoped(name)
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | HookRefused | HookFailed, R | Hooks> =>
    scoped(Hooks.use(({ surroundings }) => HookedScope.enter(surroundings, name, self)))
}

/**
 * How the hooks of a process are run.
 *
 * @category models
 * @since 0.1.0
 */
export interface LayerOptions {
  /** A change that another process makes holds after so long at the latest. Default 2 seconds. */
  readonly refresh?: Duration.Input
  /** So many executions are kept for `executions`. Default 1000. */
  readonly history?: number
  /** Handlers of one hook that are run at once from its queue. Default 4. */
  readonly concurrency?: number
  /** How soon what another process queued is noticed, if the backend does not tell. Default one second. */
  readonly pollInterval?: Duration.Input
  /** Other processes wait so long for a silent one to have its events. Default 15 seconds. */
  readonly lease?: Duration.Input
}

/**
 * Registers hooks, and runs what is queued for them, for as long as the layer lives.
 *
 * **Details** Handlers see the services that the layer is built with, and not those of the program that they are asked
 * about.
 *
 * @category layers
 * @stability experimental
 * @since 0.1.0
 */
export const layer = <const H extends ReadonlyArray<Hook<any>>>(
  hooks: H,
  options: LayerOptions = {}
): Layer.Layer<
  Hooks,
  PersistenceError | WorkQueueError | EventStoreError,
  EventStore | Persistence | WorkQueueDriver | Exclude<Services<H[number]>, Scope.Scope>
> => {
  const names = hooks.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw new Error(`two hooks have the name "${twice}"`)
  return Layer.effect(Hooks, make(hooks, options))
}

const make = Effect.fnUntraced(function* (
  hooks: ReadonlyArray<Hook<any>>,
  {
    concurrency = 4,
    history = 1000,
    lease = "15 seconds",
    pollInterval = "1 second",
    refresh = "2 seconds"
  }: LayerOptions
) {
  const persistence = yield* Persistence
  const store = (yield* CurrentHookStore) ?? ofPersistence(persistence)
  const context = yield* Effect.context<never>()
  // What their handlers need is in the context of the layer: its type says so.
  const provided = hooks as ReadonlyArray<Hook<never>>
  const registry = yield* Registry.make({ hooks: provided, store, context, refresh, history })
  const queues = yield* HookQueues.make({ registry, store: yield* EventStore, concurrency, pollInterval })
  yield* EventHooks.start({ registry, queues, lease })
  const queueOf = (name: string) => Effect.map(registry.known(name), () => queues.find(name))
  return Hooks.of({
    list: registry.list,
    configure: (hook, changes) => registry.change(hook, changes),
    reset: (hook) => registry.reset(hook),
    executions: Effect.sync(() => registry.executions.newest),
    deadLetters: (hook) => Effect.flatMap(queueOf(hook), (queue) => queue?.deadLetters() ?? Effect.succeed([])),
    redrive: (hook, ids) => Effect.flatMap(queueOf(hook), (queue) => queue?.redrive(ids) ?? Effect.succeed([])),
    surroundings: { registry, queues }
  })
})
