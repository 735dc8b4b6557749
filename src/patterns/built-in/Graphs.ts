/** `TaskGraph` as it is made from data: what a node takes follows from what it depends on. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Agent from "../../core/Agent.ts"
import * as GraphPlan from "../task-graph/GraphPlan.ts"
import * as Pattern from "../pattern/Pattern.ts"
import * as TaskGraph from "../task-graph/TaskGraph.ts"
import { unknownName } from "../library/UnknownName.ts"
import { strangers } from "./Names.ts"
import { Count } from "./Quantities.ts"
import type { Whoever } from "./Whoever.ts"

type Dependencies = { readonly [node: string]: ReadonlyArray<string> }

const planOf = (nodes: { readonly [name: string]: Agent.Any }, after: Dependencies) =>
  GraphPlan.make(
    Object.keys(nodes).map((id) => ({ id, after: Object.hasOwn(after, id) ? [...new Set(after[id])] : [] })),
    { name: "graph" }
  )

const problems = (nodes: { readonly [name: string]: Agent.Any }, after: Dependencies): ReadonlyArray<Pattern.Issue> => {
  const plan = planOf(nodes, after)
  if (Result.isSuccess(plan)) return []
  return plan.failure.problems.flatMap((problem) => {
    const node = Object.keys(nodes)[Number(problem.path[0])]!
    switch (problem._tag) {
      case "CycleFound":
        return [{ path: ["after", node], message: `cycle ${problem.cycle.join(" -> ")}` }]
      case "SelfDependency":
        return [{ path: ["after", node], message: "depends on itself" }]
      case "UnknownNode":
        return [{ path: ["after", node], message: unknownName("node", problem.dependency, Object.keys(nodes)) }]
      default:
        return []
    }
  })
}

export const taskGraph = Pattern.make("TaskGraph", {
  description:
    "Agents that depend on each other's outputs. One without dependencies takes the input, one with one its output, one with several all of theirs by name.",
  options: {
    /** By node: those it waits for. */
    after: Pattern.optional(Schema.Record(Schema.String, Schema.Array(Schema.String)), {}),
    concurrency: Schema.optionalKey(Count),
    onFailure: Pattern.optional(Schema.Literals(["failFast", "finishIndependent"]), "failFast")
  },
  slots: { nodes: Pattern.record() },
  validate: ({ after, nodes }) => [
    ...strangers(["after"], after, { kind: "node", known: Object.keys(nodes) }),
    ...problems(nodes, after)
  ],
  build: ({ after, concurrency, nodes, onFailure }, name): Whoever<"nodes"> =>
    Result.getOrThrow(planOf(nodes, after)).order.reduce<any>(
      (graph, node) =>
        graph.add(node, nodes[node]!, {
          after: Object.hasOwn(after, node) ? after[node]! : [],
          input: inputOf
        }),
      TaskGraph.make(name, {
        input: Schema.Any,
        ...(concurrency === undefined ? {} : { concurrency }),
        onFailure
      })
    )
})

const inputOf = (dependencies: { readonly [node: string]: unknown }, input: unknown): unknown => {
  const outputs = Object.values(dependencies)
  if (outputs.length === 0) return input
  return outputs.length === 1 ? outputs[0] : dependencies
}
