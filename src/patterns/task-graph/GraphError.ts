/** What can be wrong with a graph that was defined by data. */
import * as Schema from "effect/Schema"

/** Where in the list of nodes, from the outside in: `[3, "after", 0]`. */
const Path = Schema.Array(Schema.Union([Schema.String, Schema.Number]))

/** Each node of the cycle depends on the one before it, and the first, which is named again at the end, on the last. */
export const CycleFound = Schema.TaggedStruct("CycleFound", { path: Path, cycle: Schema.Array(Schema.String) })
/** A dependency that is no node of the graph. */
export const UnknownNode = Schema.TaggedStruct("UnknownNode", {
  path: Path,
  node: Schema.String,
  dependency: Schema.String
})
export const DuplicateNode = Schema.TaggedStruct("DuplicateNode", { path: Path, node: Schema.String })
export const SelfDependency = Schema.TaggedStruct("SelfDependency", { path: Path, node: Schema.String })
/** The node reads the output of one it does not depend on, so nothing says that the output is there. */
export const DanglingReference = Schema.TaggedStruct("DanglingReference", {
  path: Path,
  node: Schema.String,
  reference: Schema.String
})
/** A cost is a finite number from 0. */
export const CostOutOfRange = Schema.TaggedStruct("CostOutOfRange", {
  path: Path,
  node: Schema.String,
  cost: Schema.String
})

export const GraphProblem = Schema.Union([
  CycleFound,
  UnknownNode,
  DuplicateNode,
  SelfDependency,
  DanglingReference,
  CostOutOfRange
])
export type GraphProblem = typeof GraphProblem.Type

const describe = (problem: GraphProblem): string => {
  switch (problem._tag) {
    case "CycleFound":
      return `cycle ${problem.cycle.join(" -> ")}`
    case "UnknownNode":
      return `node "${problem.node}" depends on "${problem.dependency}", which does not exist`
    case "DuplicateNode":
      return `node "${problem.node}" is defined twice`
    case "SelfDependency":
      return `node "${problem.node}" depends on itself`
    case "DanglingReference":
      return `node "${problem.node}" reads "${problem.reference}", which it does not depend on`
    case "CostOutOfRange":
      return `node "${problem.node}" has cost ${problem.cost}, which is not a finite number from 0`
  }
}

/** The graph cannot be planned. All of its problems at once. */
export class GraphInvalid extends Schema.TaggedError<GraphInvalid>()("GraphInvalid", {
  graph: Schema.String,
  problems: Schema.NonEmptyArray(GraphProblem)
}) {
  override get message(): string {
    const problems = this.problems.map((problem) => `${describe(problem)} (at ${problem.path.join(".")})`)
    return `Graph "${this.graph}" is invalid: ${problems.join("; ")}.`
  }
}
