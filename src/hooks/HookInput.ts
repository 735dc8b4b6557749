/** Inputs of agents as hooks are asked about them, and change them: by the schema of a task. */
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as AgentCodec from "../core/AgentCodec.ts"
import type * as Task from "../core/Task.ts"

/** Is this an input of the task? */
export const isOf = (task: Task.Any, input: unknown): boolean =>
  Exit.isSuccess(AgentCodec.ofTask(task).checkInput(input))

/** The input as JSON, if the task allows it. */
export const encode = (task: Task.Any, input: unknown): Exit.Exit<Schema.Json, SchemaIssue.Issue> => {
  const { checkInput, encodeInput } = AgentCodec.ofTask(task)
  const checked = checkInput(input)
  return Exit.isSuccess(checked) ? encodeInput(checked.value) : checked
}

/** As `encode`, without the reason why not. */
export const json = (task: Task.Any, input: unknown): Schema.Json | undefined => {
  const encoded = encode(task, input)
  return Exit.isSuccess(encoded) ? encoded.value : undefined
}

/** What does not fit, and where, as the end of a sentence. */
export const misfit = (task: Task.Any, agent: string, issue: SchemaIssue.Issue): string => {
  const violation = AgentCodec.violation({ agent, task: task.name }, "input", issue)
  const where = violation.path.map((key) => JSON.stringify(key)).join(".")
  return `the changed input does not fit "${task.name}"${where === "" ? "" : ` at ${where}`}: ${violation.issue}`
}
