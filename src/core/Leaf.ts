/** How an agent that performs a task is carried out: directly, or as one step of a run. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schedule from "effect/Schedule"
import * as AgentCodec from "./AgentCodec.ts"
import { UnknownOutcome } from "./AgentError.ts"
import type * as Run from "./Run.ts"
import * as StepPath from "./StepPath.ts"
import type * as Task from "./Task.ts"

/** What a leaf is made of, so that retry and timeout can become part of the step. */
export interface Leaf {
  readonly task: Task.Any
  readonly errors: Task.ErrorSchema
  readonly body: (input: any, info: Run.StepInfo) => Effect.Effect<any, any, any>
  readonly retry?: Schedule.Schedule<unknown, any, never, any>
  readonly idempotent: boolean
  readonly reconcile?: (idempotencyKey: string) => Effect.Effect<Run.Reconciled<any>, never, any>
}

const outsideRun: Run.StepInfo = { attempt: 1, idempotencyKey: "" }

type Side = Parameters<typeof AgentCodec.violation>[1]

const violated = (owner: AgentCodec.Owner, side: Side, exit: Exit.Failure<any, any>) => {
  const issue = Cause.findErrorOption(exit.cause)
  return issue._tag === "Some" ? Exit.fail(AgentCodec.violation(owner, side, issue.value)) : Exit.failCause(exit.cause)
}

/** One attempt of the body with its output checked: in a run and outside, the same contract holds. */
const attemptOf = (owner: AgentCodec.Owner, leaf: Leaf) => {
  const { checkOutput } = AgentCodec.ofTask(leaf.task)
  const check = (output: unknown) => {
    const checked = checkOutput(output)
    return Exit.isSuccess(checked) ? checked : violated(owner, "output", checked)
  }
  return (input: unknown, info: Run.StepInfo) => Effect.flatMap(leaf.body(input, info), check)
}

/** Runs the leaf outside any run. */
export const runPlain = (owner: AgentCodec.Owner, leaf: Leaf) => {
  const { checkInput } = AgentCodec.ofTask(leaf.task)
  const attempt = attemptOf(owner, leaf)
  return (input: unknown) => {
    const checked = checkInput(input)
    if (Exit.isFailure(checked)) return violated(owner, "input", checked)
    if (leaf.retry === undefined) return attempt(checked.value, outsideRun)
    let attempts = 0
    return Effect.retry(
      Effect.suspend(() => attempt(checked.value, { ...outsideRun, attempt: ++attempts })),
      leaf.retry
    )
  }
}

/** Hands the leaf to the run as one step. */
export const runAsStep = (owner: AgentCodec.Owner, leaf: Leaf) => {
  const name = owner.agent
  const segment = StepPath.segment(name)
  const { checkInput, encodeInput } = AgentCodec.ofTask(leaf.task)
  const attempt = attemptOf(owner, leaf)
  const codec = AgentCodec.ofOutcome(leaf.task, leaf.errors)
  const onUnencodable = (issue: any) => AgentCodec.violation(owner, "output", issue)
  const onUnknown = leaf.idempotent
    ? undefined
    : (info: { path: string; idempotencyKey: string; startedAt: number }) =>
        new UnknownOutcome({ agent: name, ...info })
  return ({ run, scope }: Run.Current, input: unknown) => {
    const checked = checkInput(input)
    if (Exit.isFailure(checked)) return violated(owner, "input", checked)
    const encoded = encodeInput(checked.value)
    if (Exit.isFailure(encoded)) return violated(owner, "input", encoded)
    return run.step(scope, {
      name,
      segment,
      input: encoded.value,
      codec,
      attempt: (info) => attempt(checked.value, info),
      retry: leaf.retry,
      idempotent: leaf.idempotent,
      reconcile: leaf.reconcile,
      onUnknown,
      onUnencodable
    })
  }
}
