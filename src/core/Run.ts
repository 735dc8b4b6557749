/**
 * The seam between a program and what keeps it alive.
 *
 * A step looks for the current run in its fiber's context. None: it runs its effect directly. One: it hands itself to
 * the run, which records it. So no agent and no pattern knows whether it is durable, and which engine it runs on.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
import type * as Fiber from "effect/Fiber"
import type * as Exit from "effect/Exit"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as StepPath from "./StepPath.ts"

type Json = Schema.Json

/** Turns the outcome of a step into JSON and back. Built once per agent. */
export interface OutcomeCodec<A, E> {
  readonly encodeSuccess: (value: A) => Exit.Exit<Json, SchemaIssue.Issue>
  readonly decodeSuccess: (json: unknown) => Exit.Exit<A, SchemaIssue.Issue>
  readonly encodeError: (error: E) => Exit.Exit<Json, SchemaIssue.Issue>
  readonly decodeError: (json: unknown) => Exit.Exit<E, SchemaIssue.Issue>
}

/** What an attempt may know about itself. */
export interface StepInfo {
  /** 1 for the first try. */
  readonly attempt: number
  /** The same for every attempt of this step, before and after a crash. Empty outside a run. */
  readonly idempotencyKey: string
  /** Id of the event that directly led to this attempt: for `meta.causationId` of events that it appends itself. */
  readonly causationId?: string | undefined
}

/** Answer of the other side about a step whose owner died. */
export type Reconciled<A> =
  | { readonly _tag: "Done"; readonly value: A }
  | { readonly _tag: "NeverRan" }
  | { readonly _tag: "Unknown" }

/** One unit of work that a run records. */
export interface StepSpec<A, E, R> {
  readonly name: string
  /** The name as it stands in a path. */
  readonly segment: string
  /** Encoded input: its digest is checked on replay. */
  readonly input: Json
  readonly codec: OutcomeCodec<A, E>
  readonly attempt: (info: StepInfo) => Effect.Effect<A, E, R>
  readonly retry?: Schedule.Schedule<unknown, E, never, R> | undefined
  /** May the effect be run again after a crash between its start and its record? */
  readonly idempotent: boolean
  /** The attempt only waits for what goes on elsewhere: an engine that stops need not wait for it. */
  readonly waits?: boolean
  /** The step was interrupted before it had an outcome. An earlier owner may have begun it, also if this one has not. */
  readonly onInterrupt?: (idempotencyKey: string) => Effect.Effect<void>
  readonly reconcile?: ((idempotencyKey: string) => Effect.Effect<Reconciled<A>, never, R>) | undefined
  readonly onUnknown?: ((info: { path: string; idempotencyKey: string; startedAt: number }) => E) | undefined
  /** The value cannot be encoded: it breaks the contract. */
  readonly onUnencodable: (issue: SchemaIssue.Issue) => E
}

/** A typed message to a run, waited for at one place. */
export interface ReceiveSpec<A> {
  readonly signal: string
  readonly decode: (json: unknown) => Exit.Exit<A, SchemaIssue.Issue>
  /** Give up after so long and answer `undefined`. */
  readonly timeout?: Duration.Duration | undefined
}

/** A fact that a pattern states about itself, recorded at its place in the program. */
export interface Note {
  readonly type: string
  readonly data: { readonly [key: string]: Json }
  /** Goes on only once the note is durable. Default: at once, and what is recorded later is durable only if the note is. */
  readonly awaited?: boolean
}

/** The time of a run. */
export interface Time {
  /** Milliseconds since the epoch, as it was at the last answer of the journal: a replay reads the same. */
  readonly now: Effect.Effect<number>
  /** As `now` on replay, and the real time after that: for what need not be the same on replay. */
  readonly clock: Effect.Effect<number>
}

/** A run as its steps see it. */
export interface Run {
  readonly runId: string
  readonly step: <A, E, R>(scope: StepPath.StepScope, spec: StepSpec<A, E, R>) => Effect.Effect<A, E, R>
  /** Until the deadline fixed when first reached. */
  readonly sleep: (scope: StepPath.StepScope, segment: string, duration: Duration.Duration) => Effect.Effect<void>
  readonly receive: <A>(scope: StepPath.StepScope, spec: ReceiveSpec<A>) => Effect.Effect<A | undefined>
  /** Records the note once, at its place. */
  readonly note: (scope: StepPath.StepScope, note: Note) => Effect.Effect<void>
  /** Does the code behind this patch apply to this run? Decided once. */
  readonly patched: (scope: StepPath.StepScope, id: string) => Effect.Effect<boolean>
  /** Carries out an effect that nothing may interrupt, except the loss of the run: then it ends here, undecided. */
  readonly whileOwned: Reopen
  /** The owner is gone (shutdown, lost lease): nothing may be undone, a successor goes on. */
  readonly isAbandoned: () => boolean
  readonly time: Time
}

export interface Current {
  readonly run: Run
  readonly scope: StepPath.StepScope
}

/** The run that steps belong to, if any. */
export const CurrentRun: Context.Reference<Current | undefined> = Context.Reference<Current | undefined>(
  "tutti/core/CurrentRun",
  { defaultValue: () => undefined }
)

/** Uses the current run, or `outside` when there is none. */
export const withCurrent = <A, E, R, A2, E2, R2>(
  inside: (current: Current) => Effect.Effect<A, E, R>,
  outside: Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Effect.withFiber<A | A2, E | E2, R | R2>((fiber) => {
    const current = fiber.getRef(CurrentRun)
    return current === undefined ? outside : inside(current)
  })

/** Runs the effect in a child scope of its own, so that its steps are counted apart. Outside a run: as it is. */
export const scoped = (name: string) => {
  const segment = StepPath.segment(name)
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    withCurrent(
      ({ run, scope }) =>
        Effect.provideService(self, CurrentRun, { run, scope: StepPath.makeScope(StepPath.next(scope, segment)) }),
      self
    )
}

/** Runs the effect at a place taken before. None: outside of every run, and there is nothing to do. */
export const at = <A, E, R>(self: Effect.Effect<A, E, R>, place: Current | undefined): Effect.Effect<A, E, R> =>
  place === undefined ? self : Effect.provideService(self, CurrentRun, place)

/** The same service without its default: there only where it was set, to no run perhaps. One service more would cost each step. */
const PlacedRun = Context.Service<Current | undefined>(CurrentRun.key)

/** Runs the effect outside any run: nothing in it is recorded, and no signal reaches it. The body of a step runs so. */
export const detached = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(self, (context: Context.Context<R>) =>
    Context.get(context, CurrentRun) === undefined ? context : Context.add(context, CurrentRun, undefined)
  )

/** Is this the body of a step? What waits there for a message to its run would wait for ever. */
export const isStepBody: Effect.Effect<boolean> = Effect.contextWith((context: Context.Context<never>) => {
  const placed = Context.getOption(context, PlacedRun)
  return Effect.succeed(Option.isSome(placed) && placed.value === undefined)
})

/** States a fact in the log of the current run. Outside a run: nothing. */
export const note = (note: Note): Effect.Effect<void> =>
  withCurrent(({ run, scope }) => run.note(scope, note), Effect.void)

/** Makes a part of an uninterruptible effect interruptible again, if what surrounds it was. */
export type Reopen = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * Set by whoever must hear of a step's success without fail (an undo that is registered with it) and therefore runs it
 * uninterruptibly: the step then opens its body, and its waits, with this, but never its record.
 */
export const InterruptibleBody: Context.Reference<Reopen | undefined> = Context.Reference<Reopen | undefined>(
  "tutti/core/InterruptibleBody",
  { defaultValue: () => undefined }
)

/** Set by whoever wants to know by which name the agent goes that an effect calls first. */
export const Witness: Context.Reference<{ name: string | undefined } | undefined> = Context.Reference<
  { name: string | undefined } | undefined
>("tutti/core/Witness", { defaultValue: () => undefined })

/** Tells the witness, if there is one, which agent was called. */
export const witnessed = (fiber: Fiber.Fiber<unknown, unknown>, name: string): void => {
  const witness = fiber.getRef(Witness)
  if (witness !== undefined) witness.name ??= name
}

/** Provides services that were captured elsewhere in the program, and keeps the present place in the run. */
export const provideCaptured = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  captured: Context.Context<R>
): Effect.Effect<A, E> =>
  Effect.updateContext(self, (here: Context.Context<never>) => {
    const keep =
      <S>(service: Context.Reference<S>) =>
      (context: Context.Context<R>) =>
        // Only what differs: a context copies itself once many services lie on top of it, and would then at each step.
        Context.get(context, service) === Context.get(here, service)
          ? context
          : Context.add(context, service, Context.get(here, service))
    return captured.pipe(keepPlace(here), keep(InterruptibleBody), keep(Witness), keep(Scheduler.Scheduler))
  })

/** The body of a step stays one, and what is outside of every run becomes none. */
const keepPlace =
  (here: Context.Context<never>) =>
  <R>(context: Context.Context<R>): Context.Context<R> => {
    const [present, captured] = [Context.getOption(here, PlacedRun), Context.getOption(context, PlacedRun)]
    if (Option.isNone(present)) {
      return Option.isNone(captured) ? context : (Context.omit(PlacedRun)(context) as Context.Context<R>)
    }
    if (Option.isSome(captured) && captured.value === present.value) return context
    return Context.add(context, CurrentRun, present.value)
  }
