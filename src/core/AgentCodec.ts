/**
 * Codecs of an agent's boundary, built once: building one per call is most of the cost of a step.
 */
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import { ContractViolation } from "./AgentError.ts"
import type { OutcomeCodec } from "./Run.ts"
import type * as Task from "./Task.ts"

type Check = (value: unknown) => Exit.Exit<any, SchemaIssue.Issue>

/** Codecs of a task: input and output, checked as values and turned into JSON. */
export interface TaskCodec {
  readonly checkInput: Check
  readonly checkOutput: Check
  /** Of a value that was checked. */
  readonly encodeInput: (value: unknown) => Exit.Exit<Schema.Json, SchemaIssue.Issue>
  readonly decodeInput: Check
  readonly encodeOutput: (value: unknown) => Exit.Exit<Schema.Json, SchemaIssue.Issue>
  readonly decodeOutput: Check
}

const tasks = new WeakMap<Task.Any, TaskCodec>()

export const ofTask = (task: Task.Any): TaskCodec => {
  const known = tasks.get(task)
  if (known !== undefined) return known
  const input = Schema.toCodecJson(task.input)
  const output = Schema.toCodecJson(task.output)
  const checkedInput = Schema.toType(task.input)
  const codec: TaskCodec = {
    checkInput: SchemaParser.decodeUnknownExit(checkedInput),
    checkOutput: SchemaParser.decodeUnknownExit(Schema.toType(task.output)),
    // A checked value that is its own JSON needs no second pass. Outputs get one: the log must not share them.
    encodeInput: input.ast === checkedInput.ast ? Exit.succeed<any> : SchemaParser.encodeUnknownExit(input),
    decodeInput: SchemaParser.decodeUnknownExit(input),
    encodeOutput: SchemaParser.encodeUnknownExit(output),
    decodeOutput: SchemaParser.decodeUnknownExit(output)
  }
  tasks.set(task, codec)
  return codec
}

const outcomes = new WeakMap<Task.Any, WeakMap<Task.ErrorSchema, OutcomeCodec<any, any>>>()

/** Codec of a step that performs `task` and may fail with `errors`. */
export const ofOutcome = (task: Task.Any, errors: Task.ErrorSchema): OutcomeCodec<any, any> => {
  const known = outcomes.get(task)?.get(errors)
  if (known !== undefined) return known
  const { decodeOutput, encodeOutput } = ofTask(task)
  const error = Schema.toCodecJson(errors)
  const codec: OutcomeCodec<any, any> = {
    encodeSuccess: encodeOutput,
    decodeSuccess: decodeOutput,
    encodeError: SchemaParser.encodeUnknownExit(error),
    decodeError: SchemaParser.decodeUnknownExit(error)
  }
  const ofThisTask = outcomes.get(task) ?? new WeakMap<Task.ErrorSchema, OutcomeCodec<any, any>>()
  outcomes.set(task, ofThisTask.set(errors, codec))
  return codec
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

/** Whose boundary it is. */
export interface Owner {
  readonly agent: string
  readonly task: string
}

/** Names the agent and the place in the value. The value itself stays out: it may be a secret. */
export const violation = (owner: Owner, side: "input" | "output", issue: SchemaIssue.Issue): ContractViolation => {
  const first = formatIssue(issue).issues[0]
  const path = (first?.path ?? []).map((key) => (typeof key === "object" ? key.key : key))
  return new ContractViolation({
    ...owner,
    side,
    path: path.map((key) => (typeof key === "symbol" ? String(key) : key)),
    issue: first?.message ?? "does not match its schema"
  })
}
