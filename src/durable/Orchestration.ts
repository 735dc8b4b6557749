/**
 * A program with a durable identity: start it by key, and it ends, whatever happens to the process.
 *
 * The program is an ordinary effect, usually a pattern's `run`. Between its steps it must decide only by its input and
 * by the answers of its steps, signals and timers: on recovery it is executed again, and the journal gives the answers.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { ContractViolation } from "../core/AgentError.ts"
import * as Run from "../core/Run.ts"
import * as Span from "../core/Span.ts"
import * as StepPath from "../core/StepPath.ts"
import * as Task from "../core/Task.ts"
import { ContinueAsNew } from "./ContinueAsNew.ts"
import { Engine } from "./Engine.ts"
import * as OrchestrationCodec from "./OrchestrationCodec.ts"
import type { InvalidInput } from "./OrchestrationCodec.ts"
import type { EngineError, RunCancelled, RunLost, RunNotFound } from "./RunError.ts"
import * as RunHandle from "./RunHandle.ts"

/** Says in the type that an orchestration is registered, so that a start without its layer does not compile. */
export interface Registered<in out Name extends string> {
  readonly "~tutti/durable/Orchestration/Registered": Name
}

export interface Orchestration<Name extends string, In, Out, E, R> {
  readonly name: Name
  readonly version: number
  /** Registers the program with the engine, and takes over its open runs. */
  readonly layer: Layer.Layer<Registered<Name>, EngineError, Engine | R>
  /** Accepts a run, or finds the one that has the same key. Succeeds once it is durable. */
  readonly start: (
    input: In,
    options?: StartOptions
  ) => Effect.Effect<RunHandle.RunHandle<Out, E>, InvalidInput | EngineError, Engine | Registered<Name>>
  /**
   * Starts and awaits. Inside a run: a child, cancelled with its parent, whose outcome is recorded once.
   *
   * **Gotchas** In the body of a step it is a run of its own, which no parent cancels; and one more each time the step is run
   * again, unless it has a key.
   */
  readonly run: (
    input: In,
    options?: StartOptions
  ) => Effect.Effect<Out, E | RunCancelled | RunLost | RunNotFound | InvalidInput, Engine | Registered<Name>>
  /** The handle of a run that was started before. */
  readonly handle: (runId: string) => Effect.Effect<RunHandle.RunHandle<Out, E>, never, Engine>
  /** The id of the run with this key. */
  readonly runId: (key: string) => string
  /**
   * Ends this run's journal and begins it anew with another input: for runs without end. Never inside a transaction, nor in
   * the body of a step, which is a defect.
   */
  readonly continueAsNew: (input: In) => Effect.Effect<never>
}

export interface StartOptions {
  /** The same key is the same run. Default: the orchestration's `key` of the input, else a new run each time. */
  readonly key?: string
  /** What this run belongs to, for the events of it. Default: the run itself. */
  readonly correlationId?: string
}

export { InvalidInput } from "./OrchestrationCodec.ts"

/**
 * Makes an orchestration.
 *
 * **Details**
 *
 * - `version` is stored with each run. A run in flight is carried out only by its own version, or by one that lists it
 *   in `compatibleWith` (see `patched`).
 * - `error` lists the failures of the program; `ContractViolation`, which every agent may fail with, is always one.
 * - `key` names the run: starting twice with the same key is one run.
 * - `startMarkers` writes an event when a step begins, for those who follow the log. It costs one event more per step.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = <
  const Name extends string,
  const I extends Task.SchemaOrFields,
  const O extends Task.SchemaOrFields,
  R,
  E extends Task.ErrorSchema = typeof Schema.Never
>(
  name: Name,
  options: Options<I, O, E, R>
): Orchestration<Name, Task.ToSchema<I>["Type"], Task.ToSchema<O>["Type"], E["Type"] | ContractViolation, R> => {
  const codec = OrchestrationCodec.make(
    Task.toSchema(options.input),
    Task.toSchema(options.output),
    options.error === undefined ? ContractViolation : Schema.Union([options.error, ContractViolation])
  )
  const registered = Context.Service<Registered<Name>, true>(`tutti/durable/Orchestration/Registered/${name}`)
  const version = options.version ?? 1
  const start = starter({ name, version, codec, key: options.key })
  return {
    name,
    version,
    runId: (key) => runIdOf(name, key),
    layer: Layer.effect(registered, Effect.as(register(name, options, codec), true as const)),
    start: (input, startOptions) => start(input, startOptions),
    run: (input, startOptions) =>
      RunHandle.runOrChild({
        name,
        codec: codec.outcome,
        encodedInput: () => codec.encodeInput(input),
        start: (child) => start(input, startOptions, child),
        cancel: (id) => Effect.flatMap(Engine, (engine) => Effect.ignore(engine.cancel(id, "its parent was cancelled")))
      }),
    handle: (id) => Effect.map(Engine, (engine) => handleOf(engine, codec, id)),
    continueAsNew: (input) =>
      Effect.flatMap(Run.isStepBody, (isStepBody) =>
        Effect.die(
          isStepBody
            ? new Error(`"${name}" cannot continue as new in the body of a step: leave that to the program of the run`)
            : new ContinueAsNew(OrchestrationCodec.orDie(codec.encodeInput(input)))
        )
      )
  }
}

/** What an orchestration is made of. */
export interface Options<I extends Task.SchemaOrFields, O extends Task.SchemaOrFields, E extends Task.ErrorSchema, R> {
  /** Default 1. */
  readonly version?: number
  readonly compatibleWith?: ReadonlyArray<number>
  readonly input: I
  readonly output: O
  readonly error?: E
  readonly key?: (input: Task.ToSchema<I>["Type"]) => string
  readonly startMarkers?: boolean
  readonly run: (
    input: Task.ToSchema<I>["Type"]
  ) => Effect.Effect<Task.ToSchema<O>["Type"], E["Type"] | ContractViolation, R>
}

const runIdOf = (name: string, key: string) => `${StepPath.segment(name)}/${key}`

const handleOf = (engine: typeof Engine.Service, codec: OrchestrationCodec.OrchestrationCodec, id: string) =>
  RunHandle.make<any, any>(engine, id, (end) => OrchestrationCodec.outcomeOf(codec, id, end))

/** Makes the program known to the engine, with the services of this place. */
const register = <R>(
  name: string,
  options: Options<any, any, any, R>,
  { decodeInput, encodeError, encodeOutput }: OrchestrationCodec.OrchestrationCodec
) => {
  const inSpan = Span.named(name, { "tutti.orchestration": name })
  const program = (input: Schema.Json): Effect.Effect<Schema.Json, Schema.Json, R> => {
    const run = Effect.suspend(() => options.run(OrchestrationCodec.orDie(decodeInput(input)))).pipe(
      Effect.map((output) => OrchestrationCodec.orDie(encodeOutput(output))),
      Effect.mapError((error) => OrchestrationCodec.orDie(encodeError(error)))
    )
    return Effect.withFiber((fiber) => inSpan(fiber, run))
  }
  return Effect.gen(function* () {
    const engine = yield* Engine
    const context = yield* Effect.context<R>()
    yield* engine.register({
      name,
      version: options.version ?? 1,
      compatibleWith: options.compatibleWith ?? [],
      startMarkers: options.startMarkers ?? false,
      program: (input) => Run.provideCaptured(program(input), context)
    })
  })
}

const starter =
  (definition: {
    readonly name: string
    readonly version: number
    readonly codec: OrchestrationCodec.OrchestrationCodec
    readonly key: ((input: any) => string) | undefined
  }) =>
  (input: unknown, options?: StartOptions, child?: RunHandle.Child) =>
    Effect.gen(function* () {
      const { codec, name, version } = definition
      const engine = yield* Engine
      const encoded = codec.encodeInput(input)
      if (Exit.isFailure(encoded)) {
        return yield* new OrchestrationCodec.InvalidInput({
          orchestration: name,
          issue: OrchestrationCodec.issueOf(encoded.cause)
        })
      }
      const key = options?.key ?? definition.key?.(input)
      const id = child === undefined ? runIdOf(name, key ?? (yield* RunHandle.newKey)) : `${child.runId}/${child.path}`
      yield* engine.start({
        definition: name,
        definitionVersion: version,
        runId: id,
        input: encoded.value,
        key,
        parent: child && { runId: child.runId, path: child.path },
        correlationId: options?.correlationId,
        causationId: child?.causationId
      })
      return handleOf(engine, codec, id)
    })

/**
 * Does the new code behind this patch apply to the current run? Decided once per run and recorded.
 *
 * **Details** A run that has not reached this place yet takes the new branch (`true`); one whose journal was written by
 * the old code beyond this place keeps the old one (`false`). Outside a run: `true`.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const patched = (id: string): Effect.Effect<boolean> =>
  Run.withCurrent(({ run, scope }) => run.patched(scope, id), Effect.succeed(true))
