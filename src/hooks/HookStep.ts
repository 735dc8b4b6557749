/**
 * What a hook said, recorded: in a run it is a step, answered from the journal ever after, whatever became of the hook.
 *
 * As `Decision`, with the idempotency key of the step for the handler.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as PatternEvent from "../core/PatternEvent.ts"
import * as Run from "../core/Run.ts"
import * as StepPath from "../core/StepPath.ts"
import type { HookConfig } from "./HookConfig.ts"
import type { Info } from "./HookDefinition.ts"
import { Execution } from "./HookExecution.ts"
import { handle } from "./HookHandling.ts"
import type { HookMatch } from "./HookMatch.ts"
import type { Active, Registry } from "./HookRegistry.ts"

/** What is recorded of an execution: enough to go on without the hook. */
export const Answer = Schema.Struct({
  /** `"Skipped"`: the hook was not there for it any more, and nothing was executed. */
  outcome: Schema.Literals([...Execution.fields.outcome.literals, "Skipped"]),
  /** Of a hook that changed the input. */
  input: Schema.optionalKey(Schema.Json),
  /** Why it failed, or refused. */
  reason: Schema.optionalKey(Schema.String)
})
export type Answer = typeof Answer.Type

/** The answer of a hook that was executed. */
export interface Said extends Answer {
  readonly outcome: Execution["outcome"]
}

const codec: Run.OutcomeCodec<Answer, never> = {
  encodeSuccess: SchemaParser.encodeUnknownExit(Answer) as Run.OutcomeCodec<Answer, never>["encodeSuccess"],
  decodeSuccess: SchemaParser.decodeUnknownExit(Answer),
  encodeError: () => Exit.succeed(null),
  decodeError: () => Exit.die(new Error("a hook cannot have failed otherwise than with an answer"))
}

/** A place in a run. `undefined`: outside of every run. */
export type Place = Run.Current | undefined

/** The place below this one, counted by name as calls are. */
export const below = (place: Place, segment: string): Place =>
  place && { run: place.run, scope: StepPath.makeScope(StepPath.next(place.scope, segment)) }

/** A hook that is asked at a place, and what about. */
export interface Question<A> extends Active {
  /** Is the hook still there for it, by what is configured now? */
  readonly isFor: (match: HookMatch) => boolean
  /** In place of the one that is configured. */
  readonly retry?: HookConfig["retry"]
  /** The agent whose call it is about; of a session the hooked scope. */
  readonly subject: string
  /** Checked on replay: the answer was given about these. */
  readonly facts: Schema.Json
  readonly run: (info: Info) => Effect.Effect<A, unknown>
  readonly answerOf: (value: A) => Said
}

/** Asks, or answers from the journal, and states it in the run. */
export const ask = <A>(registry: Registry, place: Place, question: Question<A>): Effect.Effect<Answer> => {
  const { facts, name, phase, subject } = question
  if (place === undefined) return askNow(registry, question, { runId: undefined, idempotencyKey: "" })
  const { run, scope } = place
  const answer = run.step<Answer, never, never>(scope, {
    name,
    segment: StepPath.segment(name),
    input: facts,
    codec,
    attempt: ({ idempotencyKey }) => askNow(registry, question, { runId: run.runId, idempotencyKey }),
    idempotent: true,
    // An answer is always JSON.
    onUnencodable: (issue) => issue as never
  })
  return Effect.tap(answer, ({ outcome }) =>
    outcome === "Skipped"
      ? Effect.void
      : PatternEvent.state({ _tag: "HookExecuted", hook: name, phase, subject, outcome }).pipe(
          Effect.provideService(Run.CurrentRun, place)
        )
  )
}

const askNow = Effect.fnUntraced(function* <A>(
  registry: Registry,
  { answerOf, config, isFor, name, phase, retry, run, subject }: Question<A>,
  { idempotencyKey, runId }: { readonly runId: string | undefined; readonly idempotencyKey: string }
): Effect.fn.Return<Answer> {
  // H1: of a hook that the program has no more, there is only what was recorded.
  const now = (yield* registry.current(name, phase)) ?? config
  if (!(now.enabled && isFor(now.match))) return { outcome: "Skipped" }
  const patience = { hook: name, limits: registry.limits, timeout: now.timeout, retry: retry ?? now.retry }
  const { attempts, duration, result } = yield* handle(patience, (attempt) => run({ attempt, idempotencyKey }))
  const said: Said = Result.match(result, {
    onSuccess: answerOf,
    onFailure: (reason) => ({ outcome: "Failed", reason })
  })
  const { outcome, reason } = said
  yield* registry.executions.record({
    hook: name,
    phase,
    outcome,
    subject,
    attempts,
    duration,
    at: yield* Clock.currentTimeMillis,
    ...(runId !== undefined && { runId }),
    ...(reason !== undefined && { reason })
  })
  return said
})

/**
 * A part of a call that nothing may interrupt but the loss of its run. What hooks do after a call is such: between the
 * success of a step and the registration of its undo, no interruption may strike.
 */
export const unhurt = <A>(place: Place, self: Effect.Effect<A>): Effect.Effect<A> =>
  Effect.uninterruptible(Effect.provideService(self, Run.InterruptibleBody, place?.run.whileOwned))
