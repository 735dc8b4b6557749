/** Asks pre hooks about a call: each sees the input as those before it left it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Result from "effect/Result"
import * as AgentCodec from "../core/AgentCodec.ts"
import type { Call as Intercepted } from "../core/Interceptor.ts"
import type * as Task from "../core/Task.ts"
import type { Call, PreHook, Ruling } from "./HookDefinition.ts"
import { end, HookFailed, HookRefused } from "./HookError.ts"
import { inContextOf } from "./HookHandling.ts"
import * as HookInput from "./HookInput.ts"
import * as HookMatch from "./HookMatch.ts"
import type { Active, Registry } from "./HookRegistry.ts"
import * as HookStep from "./HookStep.ts"

/** A call, and who is to be asked about it. */
export interface Asking extends Pick<HookStep.Question<never>, "isFor"> {
  readonly active: ReadonlyArray<Active>
  readonly call: Intercepted
}

interface Asked extends Pick<Asking, "isFor"> {
  readonly hook: PreHook<unknown, never>
  readonly active: Active
  readonly passed: Result.Result<boolean, unknown>
}

/** The input with which the call goes on, as these hooks leave it. */
export const askAll = (
  registry: Registry,
  place: HookStep.Place,
  { active, call, isFor }: Asking
): Effect.Effect<unknown> =>
  Effect.reduce(
    active,
    () => call.input,
    (input, active) => {
      const hook = registry.find(active.name, "pre")
      const now = { ...call, input }
      if (hook.task !== undefined && !HookInput.isOf(hook.task, input)) return Effect.succeed(input)
      const passed = HookMatch.passes(hook.where, callOf(now))
      return HookMatch.isPassedOver(passed)
        ? Effect.succeed(input)
        : askOne(registry, place, { asked: { hook, active, passed, isFor }, call: now })
    }
  )

const callOf = (call: Intercepted): Call<unknown> => ({
  agent: call.agent,
  pattern: HookMatch.patternOf(call),
  capabilities: call.capabilities,
  input: call.input
})

const askOne = Effect.fnUntraced(function* (
  registry: Registry,
  place: HookStep.Place,
  { asked: { active, hook, isFor, passed }, call }: { readonly asked: Asked; readonly call: Intercepted }
): Effect.fn.Return<unknown> {
  // The agent's own task has the last word about what the agent takes.
  const task = call.task ?? hook.task
  const { agent } = call
  const answer = yield* HookStep.ask(registry, place, {
    ...active,
    isFor,
    subject: agent,
    facts: (task && HookInput.json(task, call.input)) ?? null,
    run: (info) =>
      Effect.fromResult(passed).pipe(
        Effect.andThen(() => inContextOf(registry.context)(hook.run(callOf(call), info))),
        Effect.flatMap((ruling) => answerOf(task, agent, ruling))
      ),
    answerOf: (answer) => answer
  })
  if (answer.outcome === "Refused") {
    return yield* end(new HookRefused({ hook: hook.name, agent, reason: answer.reason! }))
  }
  if (answer.outcome === "Failed" && active.config.required) {
    return yield* end(new HookFailed({ hook: hook.name, phase: "pre", subject: agent, reason: answer.reason! }))
  }
  return answer.outcome === "Changed" ? yield* inputOf(task!, hook.name, answer) : call.input
})

const answerOf = (
  task: Task.Any | undefined,
  agent: string,
  ruling: Ruling<unknown>
): Effect.Effect<HookStep.Said, string> => {
  if (ruling._tag === "Pass") return Effect.succeed({ outcome: "Passed" })
  if (ruling._tag === "Refuse") return Effect.succeed({ outcome: "Refused", reason: ruling.reason })
  if (task === undefined) {
    return Effect.fail(
      `it changes the input of "${agent}", which is no leaf: its option "input" must say of what schema`
    )
  }
  const encoded = HookInput.encode(task, ruling.input)
  if (Exit.isSuccess(encoded)) return Effect.succeed({ outcome: "Changed", input: encoded.value })
  const issue = Cause.findErrorOption(encoded.cause)
  return issue._tag === "Some"
    ? Effect.fail(HookInput.misfit(task, agent, issue.value))
    : Effect.failCause(encoded.cause as Cause.Cause<never>)
}

const inputOf = (task: Task.Any, hook: string, { input }: HookStep.Answer): Effect.Effect<unknown> => {
  const decoded = AgentCodec.ofTask(task).decodeInput(input)
  return Exit.isSuccess(decoded)
    ? Effect.succeed(decoded.value)
    : Effect.die(new Error(`the input recorded by hook "${hook}" does not fit "${task.name}" any more`))
}
