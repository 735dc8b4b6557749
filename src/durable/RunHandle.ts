/** What a program holds of a run: wait for it, follow it, talk to it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import type * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import type * as Stream from "effect/Stream"
import * as Run from "../core/Run.ts"
import * as StepPath from "../core/StepPath.ts"
import type { StoredEvent } from "../event-store/Envelope.ts"
import { Engine } from "./Engine.ts"
import type { RunEnd } from "./RunEnd.ts"
import type { RunSummary } from "./RunCatalogue.ts"
import {
  EngineError,
  EngineStopped,
  Fenced,
  NonDeterminism,
  type RunCancelled,
  type RunLost,
  type RunNotFound
} from "./RunError.ts"
import * as Signal from "./Signal.ts"

export interface RunHandle<out Out, out E> {
  readonly id: string
  /** The outcome of the run. May be awaited any number of times, and in any process. */
  readonly await: Effect.Effect<Out, E | RunCancelled | RunLost | RunNotFound>
  /** Everything that happened to the run, and what comes, until it ended. */
  readonly events: Stream.Stream<StoredEvent, EngineError>
  readonly status: Effect.Effect<RunSummary, EngineError | RunNotFound>
  /** Succeeds once the signal is stored. */
  readonly signal: <A>(
    signal: Signal.Signal<A>,
    value: A,
    options?: Signal.SendOptions
  ) => Effect.Effect<void, Signal.InvalidSignal | EngineError | RunNotFound>
  /** Interrupts the run, which then undoes what it has done. Succeeds once the request is stored. */
  readonly cancel: (reason?: string) => Effect.Effect<void, EngineError | RunNotFound>
  /** Begins no further step until resumed. */
  readonly pause: Effect.Effect<void, EngineError | RunNotFound>
  readonly resume: Effect.Effect<void, EngineError | RunNotFound>
}

export const make = <Out, E>(
  engine: typeof Engine.Service,
  id: string,
  outcome: (end: RunEnd) => Effect.Effect<Out, E>
): RunHandle<Out, E> => ({
  id,
  await: Effect.flatMap(engine.await(id), outcome),
  get events() {
    return engine.events(id, { live: true })
  },
  get status() {
    return engine.get(id)
  },
  signal: (signal, value, options) =>
    Effect.flatMap(Signal.encode(signal, value), (payload) =>
      engine.signal(id, { name: signal.name, payload, id: options?.id })
    ),
  cancel: (reason) => engine.cancel(id, reason),
  get pause() {
    return engine.pause(id)
  },
  get resume() {
    return engine.resume(id)
  }
})

/** A key for a run that was given none: 96 random bits, in parts that are small integers to the engine. */
export const newKey: Effect.Effect<string> = Effect.map(Random.Random, (random) => {
  const part = () =>
    Math.floor(random.nextDoubleUnsafe() * 2 ** 24)
      .toString(36)
      .padStart(5, "0")
  return part() + part() + part() + part()
})

/** Where a child belongs, and the event that led to it. */
export interface Child {
  readonly runId: string
  readonly path: string
  readonly causationId: string | undefined
}

/** Runs an orchestration as a child of the current run, or else on its own. */
export const runOrChild = <Out, E, E2, R>(options: {
  readonly name: string
  readonly codec: Run.OutcomeCodec<any, any>
  readonly encodedInput: () => Exit.Exit<Schema.Json, SchemaIssue.Issue>
  readonly start: (child: Child | undefined) => Effect.Effect<RunHandle<Out, E>, E2, R>
  /** Cancels the child, if it was ever started. */
  readonly cancel: (runId: string) => Effect.Effect<void, never, R>
}) =>
  Run.withCurrent(
    ({ run, scope }) => {
      const input = options.encodedInput()
      const segment = StepPath.segment(options.name)
      const pathOf = (idempotencyKey: string) => idempotencyKey.slice(run.runId.length + 1)
      // Awaiting is all that this step does: the child is accepted under an id of its own and found again by it.
      const awaited = (path: string, causationId: string | undefined) =>
        Effect.flatMap(options.start({ runId: run.runId, path, causationId }), outcomeOf)
      return Effect.context<R>().pipe(
        Effect.flatMap((context) =>
          run.step<Out, E | E2 | RunCancelled | RunLost | RunNotFound, never>(scope, {
            name: options.name,
            segment,
            input: Exit.isSuccess(input) ? input.value : null,
            codec: options.codec,
            attempt: ({ causationId, idempotencyKey }) =>
              Run.provideCaptured(awaited(pathOf(idempotencyKey), causationId), context),
            onInterrupt: (idempotencyKey) => Run.provideCaptured(options.cancel(idempotencyKey), context),
            idempotent: true,
            waits: true,
            onUnencodable: (issue) => {
              throw new Error(`the outcome of "${options.name}" cannot be encoded: ${String(issue)}`)
            }
          })
        )
      )
    },
    Effect.flatMap(options.start(undefined), (handle) => handle.await)
  )

/**
 * Waits for a child's outcome. That it is no longer carried out here is none: it goes on elsewhere or later, and so does
 * its parent.
 */
const outcomeOf = <Out, E>(handle: RunHandle<Out, E>): Effect.Effect<Out, E | RunCancelled | RunNotFound> =>
  Effect.catch(handle.await as Effect.Effect<Out, any>, (error: unknown): Effect.Effect<Out, E> => {
    if (error instanceof Fenced || error instanceof EngineStopped) return outcomeOf(handle) as Effect.Effect<Out, E>
    if (error instanceof EngineError) return Effect.delay(outcomeOf(handle), "1 second") as Effect.Effect<Out, E>
    if (error instanceof NonDeterminism) return Effect.never
    return Effect.fail(error as E)
  })
