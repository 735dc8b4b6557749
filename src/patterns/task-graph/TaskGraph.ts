/**
 * A graph of agents that depend on each other's outputs, and that is an agent itself.
 *
 * Nodes run as soon as their dependencies allow, side by side. A node may have a condition, may run once for each item
 * of a list that another node produced, and may start before all of its dependencies are done (`Join`).
 *
 * Invariants (checked by `test/patterns/TaskGraph.test.ts` and, inside a run, by `TaskGraph.durable.test.ts`):
 *
 *   G1. A node starts after its dependencies have met its join, sees their outputs, and runs once.
 *   G2. No more calls are in flight than the limits of the graph and of the fan-out node allow.
 *   G3. Of the nodes that are ready, the one with the higher priority starts first, then the one added first.
 *   G4. The output of a fan-out is in the order of its items, whatever the order in which they end.
 *   G5. A node whose condition does not hold is skipped, and what depends on it too, unless its join accepts that.
 *   G6. A join starts its node at the moment it is met. Losers go on unless it says otherwise, and always go on as long
 *       as another node waits for them.
 *   G7. The failure of a node is the failure of the graph, with its type. The others are interrupted, and waited for.
 *   G8. Interrupting the graph interrupts every node in flight, and waits for it.
 *   G9. Each node has a scope of its own in a run, and each item of a fan-out one in it: `release/measure/web`. A skip
 *       is noted there. Decisions depend on the order of completions and on nothing else.
 */
import * as Result from "effect/Result"
import * as Agent from "../../core/Agent.ts"
import * as Task from "../../core/Task.ts"
import { type GraphNode, NodeList } from "./GraphNode.ts"
import * as GraphPicture from "./GraphPicture.ts"
import * as GraphPlan from "./GraphPlan.ts"
import * as GraphRun from "./GraphRun.ts"
import * as Join from "./Join.ts"

/**
 * A graph under construction, and at the same time the agent that it has become so far.
 *
 * `Outputs` are the outputs of its nodes by name. `Skippable` are the names of those that may be skipped: their outputs
 * may be `undefined` for those who accept that, and in the output of the graph.
 */
export interface TaskGraph<Input, Outputs, E = never, R = never, Skippable = never> extends Agent.Agent<
  Input,
  Output<Outputs, Skippable>,
  E,
  R
> {
  /** Of the graph's own input, for an orchestration that runs it. */
  readonly input: Task.DataSchema
  readonly nodes: ReadonlyArray<GraphNode>

  /**
   * Adds a node: one call of an agent. Returns a new graph.
   *
   * **Details** `when` and `input` must be pure: they run again on replay. What they throw is a defect of the graph.
   */
  add<
    const Name extends string,
    In,
    Out,
    E2,
    R2,
    const After extends ReadonlyArray<keyof Outputs & string> = [],
    J extends Join.Join = Join.All,
    Condition extends boolean = never
  >(
    name: NewName<Name, Outputs>,
    agent: Agent.Agent<In, Out, E2, R2>,
    options: NodeOptions<After, J> & {
      /** Skips the node unless it holds. */
      readonly when?: (dependencies: Seen<Outputs, Skippable, After[number], J>, input: Input) => Condition
      readonly input: (dependencies: Seen<Outputs, Skippable, After[number], J>, input: Input) => NoInfer<In>
    }
  ): TaskGraph<
    Input,
    { readonly [N in keyof Outputs | Name]: N extends keyof Outputs ? Outputs[N] : Out },
    E | E2,
    R | R2,
    Skippable | NewlySkippable<Name, Skippable, After[number], J, Condition>
  >

  /**
   * Adds a node that calls its agent once for each item of a list, side by side. Returns a new graph.
   *
   * **Details**
   *
   * - The output is the array of outputs, in the order of the items. No items: an empty array, at once.
   * - Each item runs in a scope named by `key`, by default its index. With a key of its own an item keeps its recorded
   *   steps even if a later version of the program orders the list otherwise.
   * - `concurrency` limits the calls of this node; each of them also counts against the limit of the graph.
   * - The failure of one item fails the node.
   * - All functions must be pure: they run again on replay. What they throw is a defect of the graph.
   */
  addEach<
    const Name extends string,
    Item,
    In,
    Out,
    E2,
    R2,
    const After extends ReadonlyArray<keyof Outputs & string> = [],
    J extends Join.Join = Join.All,
    Condition extends boolean = never
  >(
    name: NewName<Name, Outputs>,
    agent: Agent.Agent<In, Out, E2, R2>,
    options: NodeOptions<After, J> & {
      /** Skips the node unless it holds. */
      readonly when?: (dependencies: Seen<Outputs, Skippable, After[number], J>, input: Input) => Condition
      readonly over: (dependencies: Seen<Outputs, Skippable, After[number], J>, input: Input) => ReadonlyArray<Item>
      readonly input: (
        item: Item,
        dependencies: Seen<Outputs, Skippable, After[number], J>,
        input: Input
      ) => NoInfer<In>
      readonly key?: (item: Item, index: number) => string
      readonly concurrency?: number
    }
  ): TaskGraph<
    Input,
    { readonly [N in keyof Outputs | Name]: N extends keyof Outputs ? Outputs[N] : ReadonlyArray<Out> },
    E | E2,
    R | R2,
    Skippable | NewlySkippable<Name, Skippable, After[number], J, Condition>
  >
}

/** What a node is besides its work. */
export interface NodeOptions<After, J> {
  /** Nodes it depends on. Default: none. */
  readonly after?: After
  /** Default: `Join.all`. */
  readonly join?: J
  /** Higher starts first among the nodes that are ready. Default 0. */
  readonly priority?: number
  /** Of running it, in any unit, for `plan`. Default 1. */
  readonly cost?: number
}

/** Any graph, for constraints. */
export interface Any extends Agent.Any {
  readonly input: Task.DataSchema
  readonly nodes: ReadonlyArray<GraphNode>
}

/** The output of a graph: that of each node by name, `undefined` for a node that was skipped. */
export type Output<Outputs, Skippable> = {
  readonly [Name in keyof Outputs]: Name extends Skippable ? Outputs[Name] | undefined : Outputs[Name]
}

/** What a node sees of its dependencies, by its join. */
export type Seen<Outputs, Skippable, After extends keyof Outputs, J> = {
  readonly [Name in After]: J extends Join.All
    ? Outputs[Name]
    : J extends Join.Settled
      ? Name extends Skippable
        ? Outputs[Name] | undefined
        : Outputs[Name]
      : Outputs[Name] | undefined
}

type NewName<Name extends string, Outputs> = Name extends keyof Outputs
  ? `The graph has a node "${Name}" already`
  : Name

/** The node itself if it can be skipped, and the dependencies that its join may interrupt. */
type NewlySkippable<Name, Skippable, After, J, Condition> =
  | ([Condition] extends [never] ? (CanBeSkipped<Skippable, After, J> extends true ? Name : never) : Name)
  | (J extends Join.First<number, "interrupt"> ? After : never)

type CanBeSkipped<Skippable, After, J> = J extends Join.Settled
  ? false
  : J extends Join.First<1>
    ? [After] extends [Skippable]
      ? true
      : false
    : [Extract<After, Skippable>] extends [never]
      ? false
      : true

export interface Options<Input extends Task.SchemaOrFields> {
  /** A schema, or the fields of a struct. */
  readonly input: Input
  /** How many calls of agents may be in flight. Default: no limit. */
  readonly concurrency?: number | "unbounded"
  /**
   * What the failure of a node does to the others. `failFast`, the default, interrupts them. `finishIndependent` lets
   * everything run that does not need the failed node, and fails then, with all failures in one cause.
   */
  readonly onFailure?: GraphRun.OnFailure
}

/**
 * Makes a graph without nodes.
 *
 * **Details**
 *
 * - The schema is the type of what conditions and inputs see as the graph's input. Nothing is checked against it here:
 *   each agent checks what it is given.
 * - A graph in a graph counts as one call against the limit of the outer one and has its own limit inside.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = <const Input extends Task.SchemaOrFields>(
  name: string,
  options: Options<Input>
): TaskGraph<Task.ToSchema<Input>["Type"], {}> =>
  build(new NodeList(), {
    name,
    input: Task.toSchema(options.input),
    concurrency: atLeastOne("concurrency", options.concurrency),
    onFailure: options.onFailure ?? "failFast"
  }) as any

/**
 * Plans the graph: its levels, width, and critical path by the costs of its nodes.
 *
 * **When to use** For a graph made by `make`. One that is data is planned, and validated, by `GraphPlan.make`.
 *
 * @category converting
 * @stability experimental
 * @since 0.1.0
 */
export const plan = (graph: Any): GraphPlan.GraphPlan =>
  // Nodes depend on nodes added before them, so there is nothing to find.
  Result.getOrThrow(GraphPlan.make(graph.nodes, { name: graph.name }))

/**
 * Draws the graph in Mermaid: conditional nodes as a rhombus, fan-outs with double sides, and dashed edges to joins
 * that do not wait for every dependency. `states` colours nodes.
 *
 * @category converting
 * @stability experimental
 * @since 0.1.0
 */
export const toMermaid = (graph: Any, options?: GraphPicture.PictureOptions): string =>
  GraphPicture.toMermaid(
    graph.nodes.map(({ after, id, join, when, work }) => ({
      id,
      after,
      kind: when !== undefined ? "Conditional" : work._tag === "Each" ? "FanOut" : "Plain",
      join: join._tag === "First" ? (join.count === 1 ? "any" : `first ${join.count}`) : undefined
    })),
    options
  )

interface Settings {
  readonly name: string
  readonly input: Task.DataSchema
  readonly concurrency: number
  readonly onFailure: GraphRun.OnFailure
}

/** Options as they arrive, their types forgotten. */
type AnyNodeOptions = NodeOptions<ReadonlyArray<string>, Join.Join> & {
  readonly when?: any
  readonly over?: any
  readonly input: any
  readonly key?: any
  readonly concurrency?: number
}

const build = (list: NodeList, settings: Settings): TaskGraph<any, any, any, any, any> => {
  let compiled: GraphRun.Compiled | undefined
  const append = (node: GraphNode) => build(list.append(checked(list, node)), settings)
  return {
    ...Agent.compose<any, any, any, any>(settings.name, {
      pattern: "TaskGraph",
      run: (input) => GraphRun.run((compiled ??= GraphRun.compile(list.nodes, settings)), input)
    }),
    input: settings.input,
    get nodes() {
      return list.nodes
    },
    add: (name: string, agent: Agent.Any, options: AnyNodeOptions) =>
      append({ id: name, agent, ...common(options), work: { _tag: "One", input: options.input } }) as any,
    addEach: (name: string, agent: Agent.Any, options: AnyNodeOptions) =>
      append({
        id: name,
        agent,
        ...common(options),
        work: {
          _tag: "Each",
          over: options.over,
          input: options.input,
          key: options.key ?? ((_: unknown, index: number) => String(index)),
          concurrency: atLeastOne("concurrency", options.concurrency)
        }
      }) as any
  }
}

const common = (options: AnyNodeOptions) => ({
  after: [...new Set(options.after)],
  join: options.join ?? Join.all,
  when: options.when,
  priority: options.priority ?? 0,
  cost: options.cost ?? 1
})

/** The types say the same. This is for those who came around them. */
const checked = (list: NodeList, node: GraphNode): GraphNode => {
  if (list.has(node.id)) throw new Error(`node "${node.id}" is in the graph already`)
  const unknown = node.after.find((dependency) => !list.has(dependency))
  if (unknown !== undefined) throw new Error(`node "${node.id}" depends on "${unknown}", which is not in the graph`)
  if (node.join._tag === "First" && node.join.count > node.after.length) {
    throw new RangeError(`node "${node.id}" waits for ${node.join.count} of ${node.after.length} dependencies`)
  }
  if (!(node.cost >= 0 && node.cost < Infinity)) {
    throw new RangeError(`cost of node "${node.id}" must be a finite number from 0, got ${node.cost}`)
  }
  return node
}

const atLeastOne = (option: string, limit: number | "unbounded" = "unbounded"): number => {
  if (limit === "unbounded") return Infinity
  if (limit === Infinity || (Number.isInteger(limit) && limit >= 1)) return limit
  throw new RangeError(`${option} must be an integer from 1, got ${limit}`)
}
