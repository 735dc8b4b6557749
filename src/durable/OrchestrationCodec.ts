/** The codecs of an orchestration's input and outcome, built once. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import type * as Run from "../core/Run.ts"
import type * as Task from "../core/Task.ts"
import type { RunEnd } from "./RunEnd.ts"
import { RunCancelled } from "./RunError.ts"
import * as AnyError from "../core/AnyError.ts"

/** The input does not match the orchestration's schema; nothing was started. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  orchestration: Schema.String,
  issue: Schema.String
}) {
  override get message(): string {
    return `Orchestration "${this.orchestration}" cannot start with this input: ${this.issue}`
  }
}

export type OrchestrationCodec = ReturnType<typeof make>

export const make = (input: Task.DataSchema, output: Task.DataSchema, error: Task.ErrorSchema) => {
  const json = {
    input: Schema.toCodecJson(input),
    output: Schema.toCodecJson(output),
    error: Schema.toCodecJson(error)
  }
  return {
    encodeInput: SchemaParser.encodeUnknownExit(json.input),
    decodeInput: SchemaParser.decodeUnknownExit(json.input),
    encodeOutput: SchemaParser.encodeUnknownExit(json.output),
    decodeOutput: SchemaParser.decodeUnknownExit(json.output),
    encodeError: SchemaParser.encodeUnknownExit(json.error),
    decodeError: SchemaParser.decodeUnknownExit(json.error),
    /** Of a child's outcome in its parent's journal, where a child may also end by cancellation. */
    outcome: childOutcome(output, error)
  }
}

const childOutcome = (output: Task.DataSchema, error: Task.ErrorSchema): Run.OutcomeCodec<any, any> => {
  const success = Schema.toCodecJson(output)
  const failure = Schema.toCodecJson(Schema.Union([error, RunCancelled, InvalidInput]))
  return {
    encodeSuccess: SchemaParser.encodeUnknownExit(success),
    decodeSuccess: SchemaParser.decodeUnknownExit(success),
    encodeError: SchemaParser.encodeUnknownExit(failure),
    decodeError: SchemaParser.decodeUnknownExit(failure)
  }
}

const formatIssue = SchemaIssue.makeFormatterDefault()

export const issueOf = (cause: Cause.Cause<SchemaIssue.Issue>): string => {
  const issue = Cause.findErrorOption(cause)
  return issue._tag === "Some" ? formatIssue(issue.value) : Cause.pretty(cause)
}

/** For values that the types guarantee: an issue is a bug. */
export const orDie = <A>(exit: Exit.Exit<A, SchemaIssue.Issue>): A => {
  if (Exit.isSuccess(exit)) return exit.value
  throw new Error(issueOf(exit.cause))
}

/** The outcome that the end of a run tells. */
export const outcomeOf = (codec: OrchestrationCodec, runId: string, end: RunEnd): Effect.Effect<any, any> => {
  switch (end.type) {
    case "RunCompleted":
      return Effect.sync(() => orDie(codec.decodeOutput(end.data.output)))
    case "RunCancelled":
      return Effect.fail(
        new RunCancelled({ runId, ...(end.data.reason === undefined ? {} : { reason: end.data.reason }) })
      )
    case "RunFailed":
      return "error" in end.data
        ? Effect.flatMap(
            Effect.sync(() => orDie(codec.decodeError(end.data.error))),
            Effect.fail
          )
        : Effect.die(AnyError.decode(end.data.defect ?? null))
  }
}
