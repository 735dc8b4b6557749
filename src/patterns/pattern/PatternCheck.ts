/** What is wrong with the options and the slots of an instance, each by themselves. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as Agent from "../../core/Agent.ts"
import type * as Task from "../../core/Task.ts"
import type { Issue } from "./PatternInvalid.ts"
import type * as Slot from "./Slot.ts"
import { unknownName } from "../library/UnknownName.ts"

export type Values = { readonly [name: string]: unknown }
export type Checked = Result.Result<Values, ReadonlyArray<Issue>>

const strict = { errors: "all", onExcessProperty: "error" } as const

/** Checks options given as values, and adds defaults. */
export const construct = (schema: Schema.Struct<any>, options: Values): Checked =>
  fielded(schema, options, {
    kind: "option",
    read: (known) => Effect.runSyncExit(schema.makeEffect(known as never, { parseOptions: strict }))
  })

/** Reads options given as JSON, and adds defaults. `kind`: what an option is called there. */
export const decode = (schema: Schema.Struct<any>, kind = "option"): ((options: Values) => Checked) => {
  let decoder: ((options: unknown) => Exit.Exit<any, SchemaIssue.Issue>) | undefined
  return (options) => {
    decoder ??= SchemaParser.decodeUnknownExit(Schema.toCodecJson(schema) as unknown as Task.DataSchema, strict)
    return fielded(schema, options, { kind, read: decoder })
  }
}

/** Names that are no fields are looked for here: a struct without fields would let them pass. */
const fielded = (
  { fields }: Schema.Struct<any>,
  given: Values,
  { kind, read }: { readonly kind: string; readonly read: (known: Values) => Exit.Exit<any, SchemaIssue.Issue> }
): Checked => {
  const entries = Object.entries(given)
  const strangers = entries.flatMap(([name]) =>
    Object.hasOwn(fields, name) ? [] : [{ path: [name], message: unknownName(kind, name, Object.keys(fields)) }]
  )
  const exit = read(Object.fromEntries(entries.filter(([name]) => Object.hasOwn(fields, name))))
  const issues = [...strangers, ...issuesOf(exit)]
  return issues.length > 0 ? Result.fail(issues) : Result.succeed(Exit.getSuccess(exit).pipe(Option.getOrThrow))
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

const issuesOf = (exit: Exit.Exit<unknown, SchemaIssue.Issue>): ReadonlyArray<Issue> => {
  if (Exit.isSuccess(exit)) return []
  const issue = Cause.findErrorOption(exit.cause)
  if (issue._tag === "None") throw Cause.squash(exit.cause)
  return formatIssue(issue.value).issues.map(({ message, path }) => ({
    path: (path ?? []).map((key) => pathKey(typeof key === "object" ? key.key : key)),
    message
  }))
}

const pathKey = (key: PropertyKey): string | number => (typeof key === "symbol" ? String(key) : key)

/** Whoever takes the slots, or what is wrong with them. */
export const occupy = (slots: Slot.Slots, given: Values): Checked => {
  const issues = Object.entries(slots).flatMap(([name, slot]) =>
    misplaced(slot, Object.hasOwn(given, name) ? given[name] : undefined).map(({ message, path }) => ({
      path: [name, ...path],
      message
    }))
  )
  const strangers = Object.keys(given).filter((name) => !Object.hasOwn(slots, name))
  const all = [
    ...issues,
    ...strangers.map((name) => ({ path: [name], message: unknownName("slot", name, Object.keys(slots)) }))
  ]
  return all.length > 0 ? Result.fail(all) : Result.succeed(given)
}

const misplaced = (slot: Slot.Slot, given: unknown): ReadonlyArray<Issue> => {
  if (slot.arity === "One") return Agent.isAgent(given) ? [] : [{ path: [], message: "takes one agent" }]
  const entries = entriesOf(slot.arity, given)
  if (entries === undefined) {
    return [{ path: [], message: slot.arity === "List" ? "takes a list of agents" : "takes agents by name" }]
  }
  const strangers = entries.flatMap(([key, agent]) =>
    Agent.isAgent(agent) ? [] : [{ path: [key], message: "is no agent" }]
  )
  const { length } = entries
  if (length < slot.atLeast)
    return [...strangers, { path: [], message: `takes ${slot.atLeast} or more, got ${length}` }]
  if (length > slot.atMost) return [...strangers, { path: [], message: `takes ${slot.atMost} at most, got ${length}` }]
  return strangers
}

/** What stands in a slot for several, by index or name. `undefined`: it has not the shape of the slot. */
const entriesOf = (
  arity: "List" | "Record",
  given: unknown
): ReadonlyArray<readonly [string | number, unknown]> | undefined => {
  if (typeof given !== "object" || given === null || Agent.isAgent(given)) return undefined
  if (Array.isArray(given)) return arity === "List" ? [...given.entries()] : undefined
  return arity === "Record" ? Object.entries(given) : undefined
}
