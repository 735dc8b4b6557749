/**
 * Patterns and templates by name: listed, described, and made into agents from data.
 *
 * Data names patterns, templates and agents; nothing in it is code. So an orchestration can be written in YAML, kept in a
 * database or drawn by an editor, and is checked as a whole before any of it runs.
 *
 * Invariants (checked by `test/patterns/PatternLibrary.test.ts`):
 *
 *   N1. A name stands for one pattern, one template, one agent: a second one is refused. One that stands for nothing does not
 *       compile in code, and is a `PatternUnknown` in data.
 *   N2. Data that describes a valid instance makes an agent that answers as the one made in code does.
 *   N3. Data that does not, makes nothing: all that is wrong is reported at once, each with its path, and nothing else.
 *   N4. What is described is what is accepted: options by their JSON Schema, slots by arity, counts and tasks.
 *   N5. An agent made from data takes and gives JSON, or what `task` says; the rest is a `ContractViolation`. Its type has
 *       the errors and services of all that the data could name.
 *   N6. Data that contains itself, or leads back to itself, is reported, never followed.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Agent from "../../core/Agent.ts"
import type { ContractViolation } from "../../core/AgentError.ts"
import type * as Task from "../../core/Task.ts"
import * as Contract from "../pattern/Contract.ts"
import * as Document from "./Document.ts"
import { type DocumentUnreadable, InstanceInvalid, PatternUnknown } from "./LibraryError.ts"
import type * as Pattern from "../pattern/Pattern.ts"
import { assemble, standIn } from "./PatternAssembly.ts"
import * as PatternDescription from "./PatternDescription.ts"
import type { Issue } from "../pattern/PatternInvalid.ts"
import type * as PatternTemplate from "./PatternTemplate.ts"
import type { SlotError, SlotServices } from "../pattern/Slot.ts"
import * as Gatherings from "../built-in/Gatherings.ts"
import { taskGraph } from "../built-in/Graphs.ts"
import { handoff } from "../built-in/Handoffs.ts"
import { verifyLoop } from "../built-in/Loops.ts"
import { approval } from "../built-in/People.ts"
import * as Sequences from "../built-in/Sequences.ts"
import { supervisor } from "../built-in/Supervised.ts"
import * as Templates from "../built-in/Templates.ts"

export type { Document, Instance } from "./Instance.ts"
export { DocumentUnreadable, InstanceInvalid, PatternUnknown } from "./LibraryError.ts"
export type { PatternDescription, TemplateDescription } from "./PatternDescription.ts"

const TypeId = "~tutti/patterns/PatternLibrary"

/**
 * Patterns and templates, each under its own name.
 *
 * @category models
 * @since 0.1.0
 */
export interface PatternLibrary<out P extends Pattern.Any = Pattern.Any> {
  readonly [TypeId]: typeof TypeId
  readonly patterns: ReadonlyArray<P>
  readonly templates: ReadonlyArray<PatternTemplate.Any>
  /** The pattern of this name, for names the compiler knows. For others there is `find`. */
  readonly get: <const Name extends Literal<P["name"]>>(name: Name) => Extract<P, { readonly name: Name }>
}

/** Names that the compiler knows one by one. */
type Literal<Name extends string> = string extends Name ? never : Name

/** The errors of a pattern's own, whoever takes its slots. */
type OwnErrors<P> =
  P extends Pattern.Pattern<any, any, any, any, any, infer E, any> ? Exclude<E, SlotError<any>> : never

/** The services of a pattern's own, whoever takes its slots. */
type OwnServices<P> =
  P extends Pattern.Pattern<any, any, any, any, any, any, infer R> ? Exclude<R, SlotServices<any>> : never

/**
 * An agent made from data: by patterns of `P`, of agents of `A`, for the task `T`.
 *
 * **Details** Nobody knows before the data is read which of them it names. So its errors and services are those that any of
 * them could have: more than will occur, but never less.
 *
 * @category models
 * @since 0.1.0
 */
export type Made<P extends Pattern.Any, A extends Agent.Any, T extends Task.Any | undefined = undefined> = Agent.Agent<
  T extends Task.Any ? Task.Input<T> : Schema.Json,
  T extends Task.Any ? Task.Output<T> : Schema.Json,
  OwnErrors<P> | Agent.Error<A> | ContractViolation,
  OwnServices<P> | Agent.Services<A>
>

const indexed = <A extends { readonly name: string }>(
  kind: string,
  values: ReadonlyArray<A>
): ReadonlyMap<string, A> => {
  const byName = new Map<string, A>()
  for (const value of values) {
    if ((byName.get(value.name) ?? value) !== value) throw new Error(`two ${kind} are named "${value.name}"`)
    byName.set(value.name, value)
  }
  return byName
}

/**
 * Makes a library.
 *
 * **Details** Of several libraries one is made by their patterns: `make([...PatternLibrary.builtIn.patterns, Polished])`. A
 * name that stands for two of them throws.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const P extends Pattern.Any = never>(
  patterns: ReadonlyArray<P>,
  options?: { readonly templates?: ReadonlyArray<PatternTemplate.Any> }
): PatternLibrary<P> => {
  const templates = options?.templates ?? []
  const byName = indexed("patterns", patterns)
  indexed("templates", templates)
  return {
    [TypeId]: TypeId,
    patterns,
    templates,
    get: (name) => Result.getOrThrow(found(byName, name)) as Extract<P, { readonly name: typeof name }>
  }
}

/**
 * The pattern of a name that is data: chosen by a user, read from a file.
 *
 * **Details** `path` is where the name stands in that data, for the error.
 *
 * @category getters
 * @stability experimental
 * @since 0.1.0
 */
export const find = <P extends Pattern.Any>(
  self: PatternLibrary<P>,
  name: string,
  options?: { readonly path?: Issue["path"] }
): Result.Result<P, PatternUnknown> => found(indexed("patterns", self.patterns), name, options?.path)

const found = <P extends Pattern.Any>(
  patterns: ReadonlyMap<string, P>,
  name: string,
  path: Issue["path"] = []
): Result.Result<P, PatternUnknown> => {
  const pattern = patterns.get(name)
  if (pattern !== undefined) return Result.succeed(pattern)
  return Result.fail(new PatternUnknown({ pattern: name, path, patterns: [...patterns.keys()] }))
}

/**
 * The patterns of this package that data can describe, with templates for common set-ups.
 *
 * **Details**
 *
 * - Patterns: `Approval`, `Cascade`, `Debate`, `Handoff`, `MapReduce`, `Pipeline`, `Race`, `Router`, `Supervisor`, `Swarm`, `TaskGraph`, `VerifyLoop`.
 * - Templates: `CheapFirst`, `DraftAndVerify`, `MajorityOfThree`, `SupervisedPool`.
 *
 * **When to use** For data. In code, the patterns' own modules know the types of what goes in and out.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const builtIn = /* @__PURE__ */ make(
  [
    approval,
    Sequences.cascade,
    Gatherings.debate,
    handoff,
    Gatherings.mapReduce,
    Sequences.pipeline,
    Gatherings.race,
    Sequences.router,
    supervisor,
    Gatherings.swarm,
    taskGraph,
    verifyLoop
  ],
  { templates: Object.values(Templates) }
)

/**
 * Describes all that is in the library, as JSON.
 *
 * @category converting
 * @stability experimental
 * @since 0.1.0
 */
export const describe = (
  self: PatternLibrary
): {
  readonly patterns: ReadonlyArray<PatternDescription.PatternDescription>
  readonly templates: ReadonlyArray<PatternDescription.TemplateDescription>
} => ({
  patterns: self.patterns.map(PatternDescription.ofPattern),
  templates: self.templates.map(PatternDescription.ofTemplate)
})

/**
 * Reads a document: JSON or YAML.
 *
 * @category converting
 * @stability experimental
 * @since 0.1.0
 */
export const parse: (text: string) => Result.Result<unknown, DocumentUnreadable> = Document.read

/**
 * Makes an agent of a document: see `Document` for its shape.
 *
 * **Details**
 *
 * - Slots name agents of `agents`, by the names they bear, or instances of the document's `where`, or hold instances.
 * - The agent takes and gives JSON: as the task of its pattern encodes, if it has one. With `task` it takes and gives the
 *   values of that task. Either way both are checked.
 * - Its type has the errors and services of all agents and patterns that the data could name.
 * - An instance of `where` is made once: whoever names it, gets the same agent.
 *
 * **Gotchas** An agent in a slot without a task is called with whatever its pattern passes it; one that performs a task
 * checks that itself.
 *
 * **Errors** `InstanceInvalid` — with all that is wrong.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const instantiate = <
  P extends Pattern.Any,
  const A extends Agent.Any = never,
  T extends Task.Any | undefined = undefined
>(
  self: PatternLibrary<P>,
  document: unknown,
  options?: { readonly agents?: ReadonlyArray<A>; readonly task?: T }
): Result.Result<Made<P, A, T>, InstanceInvalid> => {
  const agents = indexed("agents", options?.agents ?? [])
  const { agent, issues, pattern } = assemble(known(self, agents), document)
  const [first, ...rest] = issues
  if (first !== undefined) return Result.fail(new InstanceInvalid({ ...nameOf(document), issues: [first, ...rest] }))
  const task: Task.Any | undefined = options?.task
  return Result.succeed(
    task === undefined ? Contract.overJson(agent, pattern?.task) : Contract.hold(agent, task)
  ) as any
}

/**
 * What is wrong with a document, for those who have only the names of the agents.
 *
 * **Details** Patterns are built, of agents that have no more than their names, so rules that look for more may object.
 *
 * @category validating
 * @stability experimental
 * @since 0.1.0
 */
export const validate = (
  self: PatternLibrary,
  document: unknown,
  options?: { readonly agents?: ReadonlyArray<string> }
): ReadonlyArray<Issue> => {
  const agents = (options?.agents ?? []).map((name) => standIn(name).agent)
  return assemble(known(self, indexed("agents", agents)), document).issues
}

const known = (self: PatternLibrary, agents: ReadonlyMap<string, Agent.Any>) => ({
  patterns: indexed("patterns", self.patterns),
  templates: indexed("templates", self.templates),
  agents
})

const nameOf = (document: unknown): { readonly instance?: string } => {
  const name = (document as { readonly name?: unknown } | null | undefined)?.name
  return typeof name === "string" ? { instance: name } : {}
}
