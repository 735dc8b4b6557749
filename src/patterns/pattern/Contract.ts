/** Holds an agent to a task where types cannot: at the slots of an instance made from data, and at its own boundary. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import type * as Agent from "../../core/Agent.ts"
import * as AgentCodec from "../../core/AgentCodec.ts"
import type { ContractViolation } from "../../core/AgentError.ts"
import * as Task from "../../core/Task.ts"

type Check = (value: unknown) => Exit.Exit<any, SchemaIssue.Issue>

const anyJson = Task.make("Json", { input: Schema.Json, output: Schema.Json })

/** The same agent; values that its task does not allow become a `ContractViolation`, on both sides. */
export const hold = (agent: Agent.Any, task: Task.Any): Agent.Any => {
  const { checkInput, checkOutput } = AgentCodec.ofTask(task)
  return bounded(agent, { task: task.name, input: checkInput, output: checkOutput })
}

/** The same agent over JSON: that of the task, or any. */
export const overJson = (agent: Agent.Any, task: Task.Any = anyJson): Agent.Any => {
  const { decodeInput, encodeOutput } = AgentCodec.ofTask(task)
  return bounded(agent, { task: task.name, input: decodeInput, output: encodeOutput })
}

const bounded = (
  agent: Agent.Any,
  boundary: { readonly task: string; readonly input: Check; readonly output: Check }
): Agent.Any => {
  const owner: AgentCodec.Owner = { agent: agent.name, task: boundary.task }
  const pass = (
    side: "input" | "output",
    exit: Exit.Exit<any, SchemaIssue.Issue>
  ): Exit.Exit<any, ContractViolation> => {
    if (Exit.isSuccess(exit)) return Exit.succeed(exit.value)
    const issue = Cause.findErrorOption(exit.cause)
    if (issue._tag === "None") return Exit.die(Cause.squash(exit.cause))
    return Exit.fail(AgentCodec.violation(owner, side, issue.value))
  }
  const run = (input: unknown) =>
    pass("input", boundary.input(input)).pipe(
      Effect.flatMap(agent.run),
      Effect.flatMap((output) => pass("output", boundary.output(output)))
    )
  return { ...agent, run: (input: unknown) => Effect.suspend(() => run(input)) }
}
