/**
 * A pattern of your own: options, slots for agents, rules, and the program that makes one agent of them.
 *
 * What comes out is an agent like any other: it nests, is recorded and traced, and carries the errors and needs of those in
 * its slots. A pattern is a value, so it can be listed, described and made from data: see `PatternLibrary`.
 *
 * Invariants (checked by `test/patterns/Pattern.test.ts`, `Pattern.durable.test.ts` and `Pattern.spans.test.ts`):
 *
 *   K1. An instance is made only from options, slots and rules that hold; what does not is reported all at once, each
 *       with its path.
 *   K2. The errors and services of an instance are those that the program lets out, with each slot's name replaced by the
 *       errors and services of those who took it.
 *   K3. An instance is a composed agent: its steps lie in a scope of its name, and the spans of its agents below its own,
 *       wherever it stands.
 *   K4. Options left out take their defaults, in code and in data alike.
 *   K5. Where types cannot speak for them, an instance and those in its slots are held to the pattern's tasks: what does not
 *       match is a `ContractViolation`.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Agent from "../../core/Agent.ts"
import type * as Task from "../../core/Task.ts"
import * as Contract from "./Contract.ts"
import * as PatternCheck from "./PatternCheck.ts"
import { type Issue, PatternInvalid } from "./PatternInvalid.ts"
import type * as Slot from "./Slot.ts"

export { type Issue, PatternInvalid } from "./PatternInvalid.ts"
export { list, one, record, type SlotError, type SlotServices } from "./Slot.ts"

const TypeId = "~tutti/patterns/Pattern"

/** Fields of a pattern's options. */
export type Fields = { readonly [option: string]: Task.DataSchema }

/** Options as the program sees them: all there. */
export type Options<F extends Fields> = Schema.Struct<F>["Type"]

/** What an instance is made of: options, those with a default optional, and agents for the slots. */
export type Config<F extends Fields, S extends Slot.Slots> = Schema.Struct<F>["~type.make.in"] & {
  readonly [Name in keyof S]: Slot.Fill<S[Name]>
}

/** What the program of a pattern is made of. */
export type Parts<F extends Fields, S extends Slot.Slots> = Options<F> & {
  readonly [Name in keyof S & string]: Slot.Inside<S[Name], Name>
}

/** What the rules of a pattern see: options that match their schemas, and whoever takes the slots. */
export type Candidate<F extends Fields, S extends Slot.Slots> = Options<F> & {
  readonly [Name in keyof S]: S[Name]["arity"] extends "One"
    ? Agent.Any
    : S[Name]["arity"] extends "List"
      ? ReadonlyArray<Agent.Any>
      : { readonly [name: string]: Agent.Any }
}

/**
 * A way to make one agent of several.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pattern<
  out Name extends string,
  F extends Fields,
  S extends Slot.Slots,
  in In,
  out Out,
  out E,
  out R
> {
  readonly [TypeId]: typeof TypeId
  readonly name: Name
  readonly description: string
  readonly options: Schema.Struct<F>
  readonly slots: S
  /** What an instance takes and gives, if the pattern says so. */
  readonly task: Task.Any | undefined
  /** Makes an instance. Throws `PatternInvalid`. */
  readonly make: <const Given extends Config<F, S>>(
    name: string,
    config: Given
  ) => Agent.Agent<In, Out, Slot.ResolveErrors<E, S, Given>, Slot.ResolveServices<R, Given>>
  /**
   * As `make`, for options and agents whose types nobody knows: options are JSON, paths begin with `options` or `slots`.
   * Those in slots with a task, and the instance if the pattern has one, are held to it.
   */
  readonly makeUnknown: (name: string, parts: UnknownParts) => Result.Result<Agent.Any, PatternInvalid>
  /** What is wrong with options and slots by themselves. The rules are not asked, and nothing is built. */
  readonly inspect: (parts: UnknownParts) => ReadonlyArray<Issue>
}

/** What an instance is made of, if nobody knows the types. */
export interface UnknownParts {
  /** JSON. */
  readonly options: { readonly [option: string]: unknown }
  /** Agents, lists of agents and records of agents. */
  readonly slots: { readonly [slot: string]: unknown }
}

/** Any pattern, for constraints. */
export type Any = Pattern<string, any, any, any, any, any, any>

/**
 * What a pattern is defined by.
 *
 * @category models
 * @since 0.1.0
 */
export interface Definition<F extends Fields, S extends Slot.Slots, In, Out, E, R> {
  /** One sentence for whoever chooses a pattern. */
  readonly description?: string
  /** Fields of its options. `Pattern.optional` gives one a default. */
  readonly options?: F
  /** Places for agents: `Pattern.one`, `Pattern.list`, `Pattern.record`. */
  readonly slots: S
  /** What an instance takes and gives: part of the pattern's description. */
  readonly task?: Task.Task<string, Schema.ConstraintCodec<In, any>, Schema.ConstraintCodec<Out, any>, any>
  /** Rules beyond the schemas: what is wrong with this instance, if anything. Must be pure. */
  readonly validate?: (candidate: Candidate<F, S>) => Iterable<Issue | string>
  /**
   * The program, or an agent of the instance's name whose program it is. It is no step: it runs again on replay, and
   * decides by its input and by answers of its agents only.
   */
  readonly build: (
    parts: Parts<F, S>,
    name: string
  ) => ((input: In) => Effect.Effect<Out, E, R>) | Agent.Agent<In, Out, E, R>
}

/**
 * Defines a pattern.
 *
 * **Details**
 *
 * - Options and slots share one namespace: a name is an option or a slot.
 * - In `build`, whoever takes the slot `writer` fails with its task's own errors and `SlotError<"writer">`. Catch it, and it
 *   is gone from every instance; let it through, and an instance fails as its writer does.
 * - `make` checks options against their schemas and slots against their counts, then asks `validate`.
 * - A program is put into a scope of the instance's name. An agent has one, so a pattern can be made of one that exists:
 *   `build: ({ agents }, name) => Supervisor.make(name, …)`.
 *
 * **Errors** `PatternInvalid` — thrown by `make` for a mistake in the program; a value of `makeUnknown`, which has what
 * `build` throws as an issue, too.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const Name extends string, const S extends Slot.Slots, In, Out, E, R, const F extends Fields = {}>(
  name: Name,
  definition: Definition<F, S, In, Out, E, R>
): Pattern<Name, F, S, In, Out, E, R> => {
  const { slots, task } = definition
  const fields = (definition.options ?? {}) as F
  const clash = Object.keys(fields).find((option) => Object.hasOwn(slots, option))
  if (clash !== undefined) throw new Error(`"${clash}" is both an option and a slot of pattern "${name}"`)
  const options = Schema.Struct(fields)
  const decode = PatternCheck.decode(options)
  const obeyed = (parts: any): PatternCheck.Checked => {
    const issues = Array.from(definition.validate?.(parts) ?? [], asIssue)
    return issues.length > 0 ? Result.fail(issues) : Result.succeed(parts)
  }
  const build = (instance: string, parts: any): Agent.Any => {
    const made: Agent.Any | ((input: any) => Effect.Effect<any, any, any>) = definition.build(parts, instance)
    if (!Agent.isAgent(made)) return Agent.compose<any, any, any, any>(instance, { pattern: name, run: made })
    if (made.name === instance) return made
    throw new Error(`pattern "${name}" made an agent "${made.name}" when asked for "${instance}"`)
  }
  const inspected = (given: UnknownParts) =>
    joined(within("options", decode(given.options)), within("slots", PatternCheck.occupy(slots, given.slots)))
  const invalid = (instance: string, issues: ReadonlyArray<Issue>) =>
    new PatternInvalid({ pattern: name, instance, issues })
  return {
    [TypeId]: TypeId,
    name,
    description: definition.description ?? "",
    options,
    slots,
    task,
    make: (instance, config) => {
      const given = separated(slots, config as PatternCheck.Values)
      const parts = joined(PatternCheck.construct(options, given.options), PatternCheck.occupy(slots, given.slots))
      const ruled = Result.flatMap(parts, obeyed)
      if (Result.isFailure(ruled)) throw invalid(instance, ruled.failure)
      return build(instance, ruled.success) as any
    },
    makeUnknown: (instance, given) => {
      const ruled = Result.flatMap(inspected(given), (parts) =>
        Result.mapError(obeyed(parts), (issues) => issues.map((issue) => relocated(slots, fields, issue)))
      )
      if (Result.isFailure(ruled)) return Result.fail(invalid(instance, ruled.failure))
      const made = Result.try({
        try: () => build(instance, { ...ruled.success, ...held(slots, ruled.success) }),
        catch: (cause) => refused(name, instance, cause)
      })
      return task === undefined ? made : Result.map(made, (agent) => Contract.hold(agent, task))
    },
    inspect: (given) => {
      const parts = inspected(given)
      return Result.isFailure(parts) ? parts.failure : []
    }
  }
}

/**
 * An option that may be left out, and then is this.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const optional = <S extends Task.DataSchema & Schema.WithoutConstructorDefault>(
  schema: S,
  value: S["Type"] & S["~type.make.in"]
): Schema.withConstructorDefault<Schema.withDecodingDefaultTypeKey<S>> =>
  Schema.withConstructorDefault<Schema.withDecodingDefaultTypeKey<S>>(Effect.succeed(value))(
    Schema.withDecodingDefaultTypeKey<S>(Effect.succeed(value))(schema)
  )

const asIssue = (issue: Issue | string): Issue => (typeof issue === "string" ? { path: [], message: issue } : issue)

const separated = (slots: Slot.Slots, config: PatternCheck.Values) => {
  const entries = Object.entries(config)
  return {
    slots: Object.fromEntries(entries.filter(([key]) => Object.hasOwn(slots, key))),
    options: Object.fromEntries(entries.filter(([key]) => !Object.hasOwn(slots, key)))
  }
}

const joined = (options: PatternCheck.Checked, agents: PatternCheck.Checked): PatternCheck.Checked => {
  const issues = [options, agents].flatMap((part) => (Result.isFailure(part) ? part.failure : []))
  if (issues.length > 0) return Result.fail(issues)
  return Result.succeed({ ...Result.getOrThrow(options), ...Result.getOrThrow(agents) })
}

const below = (key: string, { message, path }: Issue): Issue => ({ path: [key, ...path], message })

const within = (key: string, checked: PatternCheck.Checked): PatternCheck.Checked =>
  Result.mapError(checked, (issues) => issues.map((issue) => below(key, issue)))

/** A rule names an option or a slot; in data they stand apart. */
const relocated = (slots: Slot.Slots, fields: Fields, issue: Issue): Issue => {
  const first = String(issue.path[0])
  if (Object.hasOwn(slots, first)) return below("slots", issue)
  return Object.hasOwn(fields, first) ? below("options", issue) : issue
}

/** Whoever takes a slot with a task, held to it. */
const held = (slots: Slot.Slots, parts: PatternCheck.Values): PatternCheck.Values =>
  Object.fromEntries(
    Object.entries(slots).map(([name, { task }]) => [
      name,
      task === undefined ? parts[name] : mapAgents(parts[name], (agent) => Contract.hold(agent, task))
    ])
  )

const mapAgents = (given: unknown, f: (agent: Agent.Any) => Agent.Any): unknown => {
  if (Agent.isAgent(given)) return f(given)
  if (Array.isArray(given)) return given.map(f)
  return Object.fromEntries(Object.entries(given as { [name: string]: Agent.Any }).map(([key, one]) => [key, f(one)]))
}

const refused = (pattern: string, instance: string, cause: unknown): PatternInvalid => {
  const message = cause instanceof Error ? cause.message : String(cause)
  return new PatternInvalid({ pattern, instance, issues: [{ path: [], message }], cause })
}
