/**
 * A program with a durable identity: start it by key, and it ends, whatever happens to the process.
 *
 * The program is an ordinary effect, usually a pattern's `run`. Between its steps it must decide only by its input and
 * by the answers of its steps, signals and timers: on recovery it is executed again, and the journal gives the answers.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as Run from "../core/Run.ts"
import * as StepPath from "../core/StepPath.ts"
import * as Task from "../core/Task.ts"
import { ContinueAsNew } from "./ContinueAsNew.ts"
import { Engine } from "./Engine.ts"
import type { RunEnd } from "./LiveRun.ts"
import { EngineError, RunCancelled, type RunLost, type RunNotFound } from "./RunError.ts"
import * as RunHandle from "./RunHandle.ts"
import { decodeDefect } from "./StepExecution.ts"

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
  /** Starts and awaits. Inside a run: a child, cancelled with its parent, whose outcome is recorded once. */
  readonly run: (
    input: In,
    options?: StartOptions
  ) => Effect.Effect<Out, E | RunCancelled | RunLost | RunNotFound | InvalidInput, Engine | Registered<Name>>
  /** The handle of a run that was started before. */
  readonly handle: (runId: string) => Effect.Effect<RunHandle.RunHandle<Out, E>, never, Engine>
  /** The id of the run with this key. */
  readonly runId: (key: string) => string
  /** Ends this run's journal and begins it anew with another input: for runs without end. Never inside a transaction. */
  readonly continueAsNew: (input: In) => Effect.Effect<never>
}

export interface StartOptions {
  /** The same key is the same run. Default: the orchestration's `key` of the input, else a new run each time. */
  readonly key?: string
  /** What this run belongs to, for the events of it. Default: the run itself. */
  readonly correlationId?: string
}

/** The input does not match the orchestration's schema; nothing was started. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  orchestration: Schema.String,
  issue: Schema.String
}) {
  override get message(): string {
    return `Orchestration "${this.orchestration}" cannot start with this input: ${this.issue}`
  }
}

/**
 * Makes an orchestration.
 *
 * **Details**
 *
 * - `version` is stored with each run. A run in flight is carried out only by its own version, or by one that lists it
 *   in `compatibleWith` (see `patched`).
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
  options: {
    readonly version?: number
    readonly compatibleWith?: ReadonlyArray<number>
    readonly input: I
    readonly output: O
    readonly error?: E
    readonly key?: (input: Task.ToSchema<I>["Type"]) => string
    readonly startMarkers?: boolean
    readonly run: (
      input: Task.ToSchema<I>["Type"]
    ) => Effect.Effect<Task.ToSchema<O>["Type"], E["Type"], R>
  }
): Orchestration<Name, Task.ToSchema<I>["Type"], Task.ToSchema<O>["Type"], E["Type"], R> => {
  type In = Task.ToSchema<I>["Type"]
  type Out = Task.ToSchema<O>["Type"]
  const version = options.version ?? 1
  const codec = makeCodec(Task.toSchema(options.input), Task.toSchema(options.output), options.error ?? Schema.Never)
  const registered = Context.Service<Registered<Name>, true>(`tutti/durable/Orchestration/Registered/${name}`)
  const span = { attributes: { "tutti.orchestration": name } }

  const program = (input: Schema.Json) =>
    Effect.suspend(() => options.run(orDie(codec.decodeInput(input)))).pipe(
      Effect.map((output) => orDie(codec.encodeOutput(output))),
      Effect.mapError((error) => orDie(codec.encodeError(error))),
      Effect.withSpan(name, span)
    )

  const runId = (key: string) => `${StepPath.segment(name)}/${key}`

  const begin = (input: In, startOptions: StartOptions | undefined, child?: { runId: string; path: string }) =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const encoded = codec.encodeInput(input)
      if (Exit.isFailure(encoded)) return yield* new InvalidInput({ orchestration: name, issue: issueOf(encoded.cause) })
      const key = startOptions?.key ?? options.key?.(input)
      const id = child === undefined ? runId(key ?? (yield* RunHandle.newKey)) : `${child.runId}/${child.path}`
      yield* engine.start({
        definition: name,
        definitionVersion: version,
        runId: id,
        input: encoded.value,
        key,
        parent: child,
        correlationId: startOptions?.correlationId
      })
      return handleOf(engine, id)
    })

  const handleOf = (engine: typeof Engine.Service, id: string): RunHandle.RunHandle<Out, E["Type"]> =>
    RunHandle.make(engine, id, (end) => outcomeOf(codec, id, end))

  const start = (input: In, startOptions?: StartOptions) => begin(input, startOptions)

  return {
    name,
    version,
    runId,
    layer: Layer.effect(
      registered,
      Effect.gen(function*() {
        const engine = yield* Engine
        const context = yield* Effect.context<R>()
        yield* engine.register({
          name,
          version,
          compatibleWith: options.compatibleWith ?? [],
          startMarkers: options.startMarkers ?? false,
          program: (input) => Effect.provideContext(program(input), context)
        })
        return true as const
      })
    ),
    start,
    run: (input, startOptions) => RunHandle.runOrChild({
      name,
      codec: codec.outcome,
      encodedInput: () => codec.encodeInput(input),
      start: (child) => begin(input, startOptions, child)
    }),
    handle: (id) => Effect.map(Engine, (engine) => handleOf(engine, id)),
    continueAsNew: (input) => Effect.suspend(() => Effect.die(new ContinueAsNew(orDie(codec.encodeInput(input)))))
  }
}

type Codec = ReturnType<typeof makeCodec>

const makeCodec = (input: Task.DataSchema, output: Task.DataSchema, error: Task.ErrorSchema) => {
  const json = { input: Schema.toCodecJson(input), output: Schema.toCodecJson(output), error: Schema.toCodecJson(error) }
  return {
    encodeInput: SchemaParser.encodeUnknownExit(json.input),
    decodeInput: SchemaParser.decodeUnknownExit(json.input),
    encodeOutput: SchemaParser.encodeUnknownExit(json.output),
    decodeOutput: SchemaParser.decodeUnknownExit(json.output),
    encodeError: SchemaParser.encodeUnknownExit(json.error),
    decodeError: SchemaParser.decodeUnknownExit(json.error),
    /** Of a child's outcome in its parent's journal, where a child may also end by cancellation. */
    outcome: childOutcome(output, error)
  }
}

const childOutcome = (output: Task.DataSchema, error: Task.ErrorSchema): Run.OutcomeCodec<any, any> => {
  const success = Schema.toCodecJson(output)
  const failure = Schema.toCodecJson(Schema.Union([error, RunCancelled, InvalidInput]))
  return {
    encodeSuccess: SchemaParser.encodeUnknownExit(success),
    decodeSuccess: SchemaParser.decodeUnknownExit(success),
    encodeError: SchemaParser.encodeUnknownExit(failure),
    decodeError: SchemaParser.decodeUnknownExit(failure)
  }
}

const formatIssue = SchemaIssue.makeFormatterDefault()

const issueOf = (cause: Cause.Cause<SchemaIssue.Issue>): string => {
  const issue = Cause.findErrorOption(cause)
  return issue._tag === "Some" ? formatIssue(issue.value) : Cause.pretty(cause)
}

const orDie = <A>(exit: Exit.Exit<A, SchemaIssue.Issue>): A => {
  if (Exit.isSuccess(exit)) return exit.value
  throw new Error(issueOf(exit.cause))
}

const outcomeOf = (codec: Codec, runId: string, end: RunEnd): Effect.Effect<any, any> => {
  switch (end.type) {
    case "RunCompleted":
      return Effect.sync(() => orDie(codec.decodeOutput(end.data.output)))
    case "RunCancelled":
      return Effect.fail(new RunCancelled({ runId, ...(end.data.reason === undefined ? {} : { reason: end.data.reason }) }))
    case "RunFailed":
      return "error" in end.data
        ? Effect.flatMap(Effect.sync(() => orDie(codec.decodeError(end.data.error))), Effect.fail)
        : Effect.die(decodeDefect(end.data.defect))
  }
}

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
