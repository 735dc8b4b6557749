/** Tells post hooks of a call that has ended. What they do cannot change its outcome. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as AgentCodec from "../core/AgentCodec.ts"
import type { Call as Intercepted } from "../core/Interceptor.ts"
import type * as Task from "../core/Task.ts"
import type { CallEnded, CallOutcome, PostHook } from "./HookDefinition.ts"
import { endingIn, HookFailed } from "./HookError.ts"
import { inContextOf, messageOf } from "./HookHandling.ts"
import * as HookInput from "./HookInput.ts"
import * as HookMatch from "./HookMatch.ts"
import type { HookQueues } from "./HookQueue.ts"
import type { Active, Registry } from "./HookRegistry.ts"
import * as HookStep from "./HookStep.ts"

/** A call that has ended. */
export interface Ended {
  readonly scope: string
  readonly call: Intercepted
  readonly exit: Exit.Exit<unknown, unknown>
  readonly duration: Duration.Duration
}

/** What it takes to tell them. */
export interface Telling extends Pick<HookStep.Question<never>, "isFor"> {
  readonly registry: Registry
  readonly queues: HookQueues
  readonly active: ReadonlyArray<Active>
  /** A required hook failed. */
  readonly onFailed: (failed: HookFailed) => void
}

/** Tells all, one after the other. */
export const tellAll = (
  { active, isFor, onFailed, queues, registry }: Telling,
  place: HookStep.Place,
  ended: Ended
): Effect.Effect<void> =>
  Effect.forEach(
    active,
    (active) => {
      const hook = registry.find(active.name, "post")
      const call = callEnded(hook, place, ended)
      const passed = HookMatch.passes(hook.where, call)
      if (HookMatch.isPassedOver(passed)) return Effect.void
      return Effect.map(
        tell({ registry, queues, isFor }, place, { hook, active, passed, call }),
        ({ outcome, reason }) => {
          if (outcome !== "Failed" || !active.config.required) return
          onFailed(new HookFailed({ hook: hook.name, phase: "post", subject: call.agent, reason: reason! }))
        }
      )
    },
    { discard: true }
  )

/** An offer that does not get through is tried twice more, while the caller waits. */
const offering = { times: 2, delay: Duration.millis(100), factor: 2 }

interface About {
  readonly hook: PostHook<never>
  readonly active: Active
  readonly passed: Result.Result<boolean, unknown>
  readonly call: CallEnded
}

const tell = (
  { isFor, queues, registry }: Pick<Telling, "registry" | "queues" | "isFor">,
  place: HookStep.Place,
  { active, call, hook, passed }: About
): Effect.Effect<HookStep.Answer> => {
  const isQueued = active.config.delivery === "queue"
  return HookStep.ask(registry, place, {
    ...active,
    isFor,
    ...(isQueued && { retry: offering }),
    subject: call.agent,
    facts: null,
    run: (info) =>
      Effect.andThen(Effect.fromResult(passed), (): Effect.Effect<unknown, unknown> =>
        isQueued ? queues.offerCall(hook.name, call, info) : inContextOf(registry.context)(hook.run(call, info))
      ),
    answerOf: () => ({ outcome: isQueued ? "Queued" : "Observed" })
  })
}

const callEnded = (hook: PostHook<never>, place: HookStep.Place, ended: Ended): CallEnded => {
  const { call, duration, exit, scope } = ended
  const { task } = call
  const input = hook.values ? (task === undefined ? ifJson(call.input) : HookInput.json(task, call.input)) : undefined
  return {
    agent: call.agent,
    pattern: HookMatch.patternOf(call),
    capabilities: call.capabilities,
    scope,
    ...(place !== undefined && { runId: place.run.runId }),
    ...(input !== undefined && { input }),
    outcome: outcomeOf(exit, hook.values ? (output) => outputOf(task, output) : () => undefined),
    duration
  }
}

const outcomeOf = (
  exit: Exit.Exit<unknown, unknown>,
  encode: (output: unknown) => Schema.Json | undefined
): CallOutcome => {
  if (Exit.isSuccess(exit)) {
    const output = encode(exit.value)
    return { _tag: "Success", ...(output !== undefined && { output }) }
  }
  const failure = Option.getOrElse(Cause.findErrorOption(exit.cause), () => endingIn(exit.cause))
  if (failure === undefined) return { _tag: "Defect", message: messageOf(Cause.squash(exit.cause)) }
  return { _tag: "Failure", error: tagOf(failure), message: messageOf(failure) }
}

const tagOf = (failure: unknown): string =>
  typeof failure === "object" && failure !== null && "_tag" in failure ? String(failure._tag) : typeof failure

const isJson = Schema.is(Schema.Json)

/** Without a schema only what is JSON already. */
const ifJson = (value: unknown): Schema.Json | undefined => (isJson(value) ? value : undefined)

const outputOf = (task: Task.Any | undefined, value: unknown): Schema.Json | undefined => {
  if (task === undefined) return ifJson(value)
  const encoded = AgentCodec.ofTask(task).encodeOutput(value)
  return Exit.isSuccess(encoded) ? encoded.value : undefined
}
