/**
 * An agent is a named, typed, observable function; a pattern turns agents into an agent.
 *
 * Two kinds share one type. A *leaf* performs a task: any effect, run as one step, recorded as a whole. A *composed*
 * agent is a program of agents: it opens a scope, and the leaves in it are the steps. Which of the two an agent is can
 * be told from its `name` only in the journal.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import type * as Layer from "effect/Layer"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as AgentCodec from "./AgentCodec.ts"
import { AgentTimedOut, ContractViolation, UnknownOutcome } from "./AgentError.ts"
import * as DurableRetry from "./DurableRetry.ts"
import * as Interceptor from "./Interceptor.ts"
import * as Leaf from "./Leaf.ts"
import * as Run from "./Run.ts"
import * as Span from "./Span.ts"
import type * as Task from "./Task.ts"

const TypeId = "~tutti/core/Agent"

export interface Agent<in In, out Out, out E = never, out R = never> extends Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly capabilities: ReadonlyArray<string>
  /** The pattern it is made by: `Supervisor`, `TaskGraph`, … `undefined`: a leaf, or a bare composition. */
  readonly pattern: string | undefined
  readonly run: (input: In) => Effect.Effect<Out, E, R>
}

/** Any agent, for constraints. */
export type Any = Agent<any, any, any, any>
export type Input<A> = A extends Agent<infer In, any, any, any> ? In : never
export type Output<A> = A extends Agent<any, infer Out, any, any> ? Out : never
export type Error<A> = A extends Agent<any, any, infer E, any> ? E : never
export type Services<A> = A extends Agent<any, any, any, infer R> ? R : never

const leaves = new WeakMap<object, Leaf.Leaf>()

/** How an agent presents itself. */
interface Face {
  readonly name: string
  readonly capabilities: ReadonlyArray<string>
  readonly pattern: string | undefined
}

const make_ = <In, Out, E, R>(
  { capabilities, name, pattern }: Face,
  run: (input: In) => Effect.Effect<Out, E, R>
): Agent<In, Out, E, R> => ({
  [TypeId]: TypeId,
  name,
  capabilities,
  pattern,
  run,
  pipe() {
    return pipeArguments(this, arguments)
  }
})

const ofLeaf = (name: string, capabilities: ReadonlyArray<string>, leaf: Leaf.Leaf): Agent<any, any, any, any> => {
  const owner: AgentCodec.Owner = { agent: name, task: leaf.task.name }
  const inSpan = Span.named(name)
  let plain: ReturnType<typeof Leaf.runPlain> | undefined
  let step: ReturnType<typeof Leaf.runAsStep> | undefined
  const callee: Interceptor.Callee = { agent: name, pattern: undefined, capabilities, task: leaf.task }
  const perform = (fiber: Fiber.Fiber<unknown, unknown>, input: unknown) => {
    Run.witnessed(fiber, name)
    const current = fiber.getRef(Run.CurrentRun)
    return current === undefined
      ? (plain ??= Leaf.runPlain(owner, leaf))(input)
      : (step ??= Leaf.runAsStep(owner, leaf))(current, input)
  }
  const call = Interceptor.interceptable(callee, perform)
  const agent = make_<any, any, any, any>({ name, capabilities, pattern: undefined }, (input) =>
    Effect.withFiber((fiber) => inSpan(fiber, call(fiber, input)))
  )
  leaves.set(agent, leaf)
  return agent
}

const union = (...schemas: ReadonlyArray<Task.ErrorSchema>): Task.ErrorSchema => Schema.Union(schemas) as any

/**
 * Makes an agent that performs a task.
 *
 * **Details**
 *
 * - The input is checked before `run`, the output after it, against the task's schemas: `ContractViolation` names the
 *   agent, the side and the path in the value.
 * - `errors` lists failures beyond the task's own, as a schema, so that they survive a restart. An error without a
 *   schema does not compile.
 * - Inside a run the whole of `run` is one step: recorded once, never run again after that. A crash before the record
 *   runs it again with the same `info.idempotencyKey`. Agents called *inside* `run` are part of this step.
 * - `idempotent: false` says that running it twice does harm: its start is then durable before it begins, and after a
 *   crash in between `reconcile` is asked. If that is missing, or answers `Unknown`, the step fails with
 *   `UnknownOutcome`.
 * - Opens a span named after the agent.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = <
  T extends Task.Any,
  Errors extends Task.ErrorSchema = typeof Schema.Never,
  R = never,
  const Idempotent extends boolean = true
>(
  name: string,
  options: {
    readonly task: T
    readonly errors?: Errors
    readonly capabilities?: ReadonlyArray<string>
    readonly idempotent?: Idempotent
    readonly reconcile?: (idempotencyKey: string) => Effect.Effect<Run.Reconciled<Task.Output<T>>, never, NoInfer<R>>
    readonly run: (
      input: Task.Input<T>,
      info: Run.StepInfo
    ) => Effect.Effect<Task.Output<T>, Task.Error<T> | Errors["Type"], R>
  }
): Agent<
  Task.Input<T>,
  Task.Output<T>,
  Task.Error<T> | Errors["Type"] | ContractViolation | (Idempotent extends false ? UnknownOutcome : never),
  R
> =>
  ofLeaf(name, options.capabilities ?? [], {
    task: options.task,
    errors: union(
      options.task.error,
      options.errors ?? Schema.Never,
      ContractViolation,
      options.idempotent === false ? UnknownOutcome : Schema.Never
    ),
    body: options.run,
    idempotent: options.idempotent ?? true,
    ...(options.reconcile === undefined ? {} : { reconcile: options.reconcile })
  })

/**
 * Makes an agent out of a program of agents. This is what a pattern is.
 *
 * **Details** `run` is not a step: it is executed again on replay, and the agents, signals and timers in it answer from
 * the journal. Between them it must decide only by its input and by their answers.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const compose = <In, Out, E, R>(
  name: string,
  options: {
    readonly capabilities?: ReadonlyArray<string>
    /** Name of the pattern, for whoever looks at the program. */
    readonly pattern?: string
    readonly run: (input: In) => Effect.Effect<Out, E, R>
  }
): Agent<In, Out, E, R> => {
  const face: Face = { name, capabilities: options.capabilities ?? [], pattern: options.pattern }
  const callee: Interceptor.Callee = {
    agent: name,
    pattern: face.pattern,
    capabilities: face.capabilities,
    task: undefined
  }
  const call = Interceptor.interceptable(callee, inScope(name, options.run))
  const inSpan = Span.named(name)
  return make_(face, (input) => Effect.withFiber((fiber) => inSpan(fiber, call(fiber, input))))
}

/** What a composed agent does: its program, in a scope named after it. */
const inScope = <In, Out, E, R>(name: string, program: (input: In) => Effect.Effect<Out, E, R>) => {
  const scoped = Run.scoped(name)
  return (fiber: Fiber.Fiber<unknown, unknown>, input: In): Effect.Effect<Out, E, R> => {
    Run.witnessed(fiber, name)
    return scoped(Effect.suspend(() => program(input)))
  }
}

/** The same agent to everyone outside, with another program: its calls lie in a scope below the one of this name. */
const recomposed = <In, Out, E, R, E2, R2>(
  self: Agent<In, Out, E, R>,
  program: (input: In) => Effect.Effect<Out, E2, R2>
): Agent<In, Out, E2, R2> => {
  const inSpan = Span.named(self.name)
  const run = inScope(self.name, program)
  return make_<In, Out, E2, R2>(self, (input) => Effect.withFiber((fiber) => inSpan(fiber, run(fiber, input))))
}

/** Calls the agent. `Agent.run(alice, input)` and `alice.run(input)` are the same. */
export const run: {
  <In>(input: In): <Out, E, R>(self: Agent<In, Out, E, R>) => Effect.Effect<Out, E, R>
  <In, Out, E, R>(self: Agent<In, Out, E, R>, input: In): Effect.Effect<Out, E, R>
} = dual(2, <In, Out, E, R>(self: Agent<In, Out, E, R>, input: In) => self.run(input))

/**
 * Tries again by the schedule, which may look at the typed error.
 *
 * **Details** In a run each failed attempt of a leaf is journaled with its error and the moment of the next try, so a
 * crash during the backoff resumes there. The attempts of a composed agent are calls of it, each with its own scope.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const retry: {
  <E, R2>(
    schedule: Schedule.Schedule<unknown, NoInfer<E>, never, R2>
  ): <In, Out, R>(self: Agent<In, Out, E, R>) => Agent<In, Out, E, R | R2>
  <In, Out, E, R, R2>(
    self: Agent<In, Out, E, R>,
    schedule: Schedule.Schedule<unknown, NoInfer<E>, never, R2>
  ): Agent<In, Out, E, R | R2>
} = dual(2, <In, Out, E, R, R2>(self: Agent<In, Out, E, R>, schedule: Schedule.Schedule<unknown, E, never, R2>) => {
  const leaf = leaves.get(self)
  if (leaf !== undefined && leaf.retry === undefined) {
    return ofLeaf(self.name, self.capabilities, { ...leaf, retry: schedule })
  }
  return recomposed<In, Out, E, R, E, R | R2>(self, (input) => DurableRetry.retry(self.run(input), schedule))
})

/**
 * Interrupts the agent after a time and fails with `AgentTimedOut`.
 *
 * **Details** The limit is for one attempt if it stands before `retry` and for all of them if it stands after.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const timeout: {
  (duration: Duration.Input): <In, Out, E, R>(self: Agent<In, Out, E, R>) => Agent<In, Out, E | AgentTimedOut, R>
  <In, Out, E, R>(self: Agent<In, Out, E, R>, duration: Duration.Input): Agent<In, Out, E | AgentTimedOut, R>
} = dual(2, <In, Out, E, R>(self: Agent<In, Out, E, R>, duration: Duration.Input): Agent<In, Out, any, R> => {
  const limit = Duration.fromInputUnsafe(duration)
  const timedOut = Effect.suspend(() => Effect.fail(new AgentTimedOut({ agent: self.name, timeout: limit })))
  const leaf = leaves.get(self)
  if (leaf !== undefined && leaf.retry === undefined) {
    return ofLeaf(self.name, self.capabilities, {
      ...leaf,
      errors: union(leaf.errors, AgentTimedOut),
      body: (input, info) => Effect.timeoutOrElse(leaf.body(input, info), { duration: limit, orElse: () => timedOut })
    })
  }
  return recomposed<In, Out, E, R, E | AgentTimedOut, R>(self, (input) =>
    Run.withCurrent(
      ({ run, scope }) =>
        Effect.raceFirst(self.run(input), Effect.andThen(run.sleep(scope, "timeout", limit), timedOut)),
      Effect.timeoutOrElse(self.run(input), { duration: limit, orElse: () => timedOut })
    )
  )
})

/**
 * Calls another agent with the same input when this one fails.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const orElse: {
  <In2, Out2, E2, R2>(
    that: Agent<In2, Out2, E2, R2>
  ): <In, Out, E, R>(self: Agent<In, Out, E, R>) => Agent<In & In2, Out | Out2, E2, R | R2>
  <In, Out, E, R, In2, Out2, E2, R2>(
    self: Agent<In, Out, E, R>,
    that: Agent<In2, Out2, E2, R2>
  ): Agent<In & In2, Out | Out2, E2, R | R2>
} = dual(2, <In, Out, E, R, In2, Out2, E2, R2>(self: Agent<In, Out, E, R>, that: Agent<In2, Out2, E2, R2>) =>
  make_<In & In2, Out | Out2, E2, R | R2>(self, (input) => Effect.catch(self.run(input), () => that.run(input)))
)

/**
 * Takes another input and turns it into the agent's own. The function must be pure: it runs again on replay.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const mapInput: {
  <In2, In>(f: (input: In2) => In): <Out, E, R>(self: Agent<In, Out, E, R>) => Agent<In2, Out, E, R>
  <In, Out, E, R, In2>(self: Agent<In, Out, E, R>, f: (input: In2) => In): Agent<In2, Out, E, R>
} = dual(2, <In, Out, E, R, In2>(self: Agent<In, Out, E, R>, f: (input: In2) => In) =>
  make_<In2, Out, E, R>(self, (input) => Effect.suspend(() => self.run(f(input))))
)

/**
 * Turns the agent's output into another. The function must be pure: it runs again on replay.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const mapOutput: {
  <Out, Out2>(f: (output: Out) => Out2): <In, E, R>(self: Agent<In, Out, E, R>) => Agent<In, Out2, E, R>
  <In, Out, E, R, Out2>(self: Agent<In, Out, E, R>, f: (output: Out) => Out2): Agent<In, Out2, E, R>
} = dual(2, <In, Out, E, R, Out2>(self: Agent<In, Out, E, R>, f: (output: Out) => Out2) =>
  make_<In, Out2, E, R>(self, (input) => Effect.map(self.run(input), f))
)

/**
 * Provides services the agent needs. The layer is built for each call, once for all calls under one run of a program.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const provide: {
  <ROut, RIn>(
    layer: Layer.Layer<ROut, never, RIn>
  ): <In, Out, E, R>(self: Agent<In, Out, E, R>) => Agent<In, Out, E, RIn | Exclude<R, ROut>>
  <In, Out, E, R, ROut, RIn>(
    self: Agent<In, Out, E, R>,
    layer: Layer.Layer<ROut, never, RIn>
  ): Agent<In, Out, E, RIn | Exclude<R, ROut>>
} = dual(2, <In, Out, E, R, ROut, RIn>(self: Agent<In, Out, E, R>, layer: Layer.Layer<ROut, never, RIn>) =>
  transform(self, Effect.provide(layer))
)

/**
 * Transforms the effect of each call: for what Effect can do to an effect and has no combinator here. What it adds
 * must not decide anything: it runs again on replay.
 *
 * @category combinators
 * @stability stable
 * @since 0.1.0
 */
export const transform: {
  <Out, E, R, Out2, E2, R2>(
    f: (effect: Effect.Effect<Out, E, R>) => Effect.Effect<Out2, E2, R2>
  ): <In>(self: Agent<In, Out, E, R>) => Agent<In, Out2, E2, R2>
  <In, Out, E, R, Out2, E2, R2>(
    self: Agent<In, Out, E, R>,
    f: (effect: Effect.Effect<Out, E, R>) => Effect.Effect<Out2, E2, R2>
  ): Agent<In, Out2, E2, R2>
} = dual(
  2,
  <In, Out, E, R, Out2, E2, R2>(
    self: Agent<In, Out, E, R>,
    f: (effect: Effect.Effect<Out, E, R>) => Effect.Effect<Out2, E2, R2>
  ) => make_<In, Out2, E2, R2>(self, (input) => f(self.run(input)))
)

/**
 * Puts a policy around the agent's work, as part of it: what `retry` and `timeout` do, for policies of your own.
 *
 * **Details**
 *
 * - Around a leaf it becomes part of the step: `around` runs outside any run, once for each attempt, and what it fails
 *   with is recorded by the schema `errors`. A replay does not run it.
 * - Around a composed agent, or a leaf that has a retry already, it is around the call: in a run `around` runs again on
 *   replay, so what it decides by the state of the process must be recorded (`Step.run`).
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const within: {
  <Errors extends Task.ErrorSchema, Out, E, R, R2>(options: {
    readonly errors: Errors
    readonly around: (effect: Effect.Effect<Out, E, R>) => Effect.Effect<Out, E | Errors["Type"], R2>
  }): <In>(self: Agent<In, Out, E, R>) => Agent<In, Out, E | Errors["Type"], R2>
  <In, Out, E, R, Errors extends Task.ErrorSchema, R2>(
    self: Agent<In, Out, E, R>,
    options: {
      readonly errors: Errors
      readonly around: (effect: Effect.Effect<Out, E, R>) => Effect.Effect<Out, E | Errors["Type"], R2>
    }
  ): Agent<In, Out, E | Errors["Type"], R2>
} = dual(2, (self: Any, options: { readonly errors: Task.ErrorSchema; readonly around: (effect: any) => any }): Any => {
  const leaf = leaves.get(self)
  return leaf !== undefined && leaf.retry === undefined
    ? ofLeaf(self.name, self.capabilities, {
        ...leaf,
        errors: union(leaf.errors, options.errors),
        body: (input, info) => options.around(leaf.body(input, info))
      })
    : recomposed(self, (input) => options.around(self.run(input)))
})

/**
 * Is this value an agent?
 *
 * @category guards
 * @stability stable
 * @since 0.1.0
 */
export const isAgent = (value: unknown): value is Any => typeof value === "object" && value !== null && TypeId in value

/**
 * What an agent declares with schemas.
 *
 * @category models
 * @since 0.1.0
 */
export interface Declaration {
  readonly output: Task.DataSchema
  /** Every failure it can have, those of its policies included. */
  readonly errors: Task.ErrorSchema
}

/**
 * What an agent that performs a task declares. `undefined`: it is a program, or changed by `mapInput`, `transform` and the
 * like; what comes of it only its type knows.
 *
 * @category getters
 * @stability experimental
 * @since 0.1.0
 */
export const declarationOf = (self: Any): Declaration | undefined => {
  const leaf = leaves.get(self)
  return leaf === undefined ? undefined : { output: leaf.task.output, errors: leaf.errors }
}
