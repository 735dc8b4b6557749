/**
 * A pattern of your own: options, slots for agents, rules, and the program that makes one agent of them.
 *
 * What comes out is an agent like any other: it nests, is recorded and traced, and carries the errors and needs of those in
 * its slots. A pattern is a value, so it can be listed, described and made from data: see `PatternLibrary`.
 *
 * Invariants (checked by `test/patterns/Pattern.test.ts`):
 *
 *   K1. An instance is made only from options, slots and rules that hold; what does not is reported all at once, each
 *       with its path.
 *   K2. The errors and services of an instance are those that the program lets out, with each slot's name replaced by the
 *       errors and services of those who took it.
 *   K3. An instance is a composed agent: its steps lie in a scope of its name, wherever it stands.
 *   K4. Options left out take their defaults, in code and in data alike.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as Agent from "../core/Agent.ts"
import type * as Task from "../core/Task.ts"
import { type Issue, PatternInvalid } from "./PatternInvalid.ts"
import type * as Slot from "./Slot.ts"

export { type Issue, PatternInvalid } from "./PatternInvalid.ts"
export { list, one, record } from "./Slot.ts"

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
  /** As `make`, for options and agents whose types nobody knows. */
  readonly makeUnknown: (
    name: string,
    options: { readonly [option: string]: unknown },
    slots: { readonly [slot: string]: unknown }
  ) => Result.Result<Agent.Any, PatternInvalid>
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
  /** The program. It is no step: it runs again on replay, and decides by its input and by answers of its agents only. */
  readonly build: (parts: Parts<F, S>) => (input: In) => Effect.Effect<Out, E, R>
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
 *
 * **Errors** `PatternInvalid` — thrown by `make` for a mistake in the program; a value of `makeUnknown`.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const Name extends string, const S extends Slot.Slots, In, Out, E, R, const F extends Fields = {}>(
  name: Name,
  definition: Definition<F, S, In, Out, E, R>
): Pattern<Name, F, S, In, Out, E, R> => {
  const fields = (definition.options ?? {}) as F
  const clash = Object.keys(fields).find((option) => option in definition.slots)
  if (clash !== undefined) throw new Error(`"${clash}" is both an option and a slot of pattern "${name}"`)
  const options = Schema.Struct(fields)
  const instance = (instanceName: string, parts: Result.Result<any, ReadonlyArray<Issue>>) => {
    const issues = Result.isFailure(parts) ? parts.failure : broken(definition, parts.success)
    if (issues.length > 0) return Result.fail(new PatternInvalid({ pattern: name, instance: instanceName, issues }))
    const run = definition.build(Result.getOrThrow(parts))
    return Result.succeed(Agent.compose<any, any, any, any>(instanceName, { pattern: name, run }))
  }
  return {
    [TypeId]: TypeId,
    name,
    description: definition.description ?? "",
    options,
    slots: definition.slots,
    task: definition.task,
    make: (instanceName, config) => {
      const { agents, rest } = separated(definition.slots, config as Record<string, unknown>)
      const made = construct(options, rest)
      return Result.getOrThrow(instance(instanceName, joined(made, occupied(definition.slots, agents)))) as any
    },
    makeUnknown: (instanceName, given, agents) =>
      instance(instanceName, joined(decode(options, given), occupied(definition.slots, agents)))
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
  value: S["Encoded"] & S["~type.make"]
) =>
  Schema.withConstructorDefault<Schema.withDecodingDefaultKey<S>>(Effect.succeed(value))(
    Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)
  )

const separated = (slots: Slot.Slots, config: Readonly<Record<string, unknown>>) => {
  const entries = Object.entries(config)
  return {
    agents: Object.fromEntries(entries.filter(([key]) => key in slots)),
    rest: Object.fromEntries(entries.filter(([key]) => !(key in slots)))
  }
}

type Checked = Result.Result<Readonly<Record<string, unknown>>, ReadonlyArray<Issue>>

const all = { errors: "all", onExcessProperty: "error" } as const

const construct = (schema: Schema.Struct<any>, options: object): Checked =>
  checked(Effect.runSyncExit(schema.makeEffect(options as never, { parseOptions: all })))

const decode = (schema: Schema.Struct<any>, options: object): Checked =>
  checked(SchemaParser.decodeUnknownExit(Schema.toCodecJson(schema) as unknown as Task.DataSchema, all)(options))

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

const checked = (exit: Exit.Exit<any, SchemaIssue.Issue>): Checked => {
  if (Exit.isSuccess(exit)) return Result.succeed(exit.value)
  const issue = Cause.findErrorOption(exit.cause)
  if (issue._tag === "None") throw Cause.squash(exit.cause)
  return Result.fail(
    formatIssue(issue.value).issues.map(({ message, path }) => ({
      path: (path ?? [])
        .map((key) => (typeof key === "object" ? key.key : key))
        .map((key) => (typeof key === "symbol" ? String(key) : key)),
      message
    }))
  )
}

/** Whoever takes the slots, or what is wrong with them. */
const occupied = (slots: Slot.Slots, given: Readonly<Record<string, unknown>>): Checked => {
  const issues = Object.entries(slots).flatMap(([name, slot]) => misplaced(name, slot, given[name]))
  const unknown = Object.keys(given).filter((name) => !(name in slots))
  const all = [...issues, ...unknown.map((name) => ({ path: [name], message: "there is no such slot" }))]
  return all.length > 0 ? Result.fail(all) : Result.succeed(given)
}

const misplaced = (name: string, slot: Slot.Slot, given: unknown): ReadonlyArray<Issue> => {
  if (slot.arity === "One") return Agent.isAgent(given) ? [] : [{ path: [name], message: "an agent is missing" }]
  if (typeof given !== "object" || given === null || Array.isArray(given) !== (slot.arity === "List")) {
    return [
      { path: [name], message: slot.arity === "List" ? "a list of agents is missing" : "agents by name are missing" }
    ]
  }
  const entries: ReadonlyArray<readonly [string | number, unknown]> = Array.isArray(given)
    ? [...given.entries()]
    : Object.entries(given)
  const strangers = entries.flatMap(([key, agent]) =>
    Agent.isAgent(agent) ? [] : [{ path: [name, key], message: "is no agent" }]
  )
  if (entries.length < slot.atLeast)
    return [...strangers, { path: [name], message: `takes ${slot.atLeast} agents or more, got ${entries.length}` }]
  if (entries.length > slot.atMost)
    return [...strangers, { path: [name], message: `takes ${slot.atMost} agents at most, got ${entries.length}` }]
  return strangers
}

const joined = (options: Checked, agents: Checked): Checked => {
  const issues = [options, agents].flatMap((part) => (Result.isFailure(part) ? part.failure : []))
  if (issues.length > 0) return Result.fail(issues)
  return Result.succeed({ ...Result.getOrThrow(options), ...Result.getOrThrow(agents) })
}

const broken = (definition: Definition<any, any, any, any, any, any>, candidate: any): ReadonlyArray<Issue> =>
  Array.from(definition.validate?.(candidate) ?? [], (issue) =>
    typeof issue === "string" ? { path: [], message: issue } : issue
  )
