/** For which calls, and which events, a hook is there. Data, so that it can be stored. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Interceptor from "../core/Interceptor.ts"
import type { StoredEvent } from "../event-store/Envelope.ts"

const oneOf = Schema.optionalKey(Schema.Array(Schema.String))

/**
 * Conditions that must all hold; a list holds if one of its members does, and a condition that is left out always.
 *
 * **Details**
 *
 * - `scopes` and `runs` are about hooked scopes, and so about all calls in them: their names, and how the id of the run
 *   begins (`"Review/"` for all runs of the orchestration `Review`). Outside of every run no condition on `runs` holds.
 * - `agents`, `patterns` and `capabilities` are about calls. A leaf has the pattern `"Leaf"`, a bare composition
 *   `"Composition"`, any other agent that of its maker: `"Supervisor"`, `"TaskGraph"`, …
 * - `events` and `streams` are about events: types, and how the name of the stream begins (`"run/"`, `"order/"`).
 *
 * @category models
 * @since 0.1.0
 */
export const HookMatch = Schema.Struct({
  agents: oneOf,
  patterns: oneOf,
  /** Tags that an agent carries. */
  capabilities: oneOf,
  scopes: oneOf,
  runs: oneOf,
  events: oneOf,
  streams: oneOf
})
export type HookMatch = typeof HookMatch.Type

/** Conditions that can hold for a hooked scope. */
export type ScopeMatch = Pick<HookMatch, "scopes" | "runs">

/** Conditions that can hold for a call in a hooked scope. */
export type CallMatch = ScopeMatch & Pick<HookMatch, "agents" | "patterns" | "capabilities">

/** The pattern of a call, as conditions name it. */
export const patternOf = ({ pattern, task }: Pick<Interceptor.Call, "pattern" | "task">): string =>
  pattern ?? (task === undefined ? "Composition" : "Leaf")

const holds = (wanted: ReadonlyArray<string> | undefined, is: (member: string) => boolean): boolean =>
  wanted === undefined || wanted.some(is)

/** Is the hook there for this scope, and what is called in it? */
export const ofScope = (
  { runs, scopes }: ScopeMatch,
  { runId, scope }: { readonly scope: string; readonly runId: string | undefined }
): boolean =>
  holds(scopes, (name) => name === scope) && holds(runs, (prefix) => runId !== undefined && runId.startsWith(prefix))

/** Is the hook there for this call, wherever it is made? */
export const ofCall = ({ agents, capabilities, patterns }: HookMatch, call: Interceptor.Call): boolean =>
  holds(agents, (name) => name === call.agent) &&
  holds(patterns, (pattern) => pattern === patternOf(call)) &&
  holds(capabilities, (capability) => call.capabilities.includes(capability))

/** Does the predicate of a hook let this pass? A failure: it threw. Then the hook is asked all the same, and has failed. */
export const passes = <A>(where: ((subject: A) => boolean) | undefined, subject: A): Result.Result<boolean, unknown> =>
  where === undefined ? Result.succeed(true) : Result.try(() => where(subject))

/** Nothing more is to be said: the hook is not there for this. */
export const isPassedOver = (passed: Result.Result<boolean, unknown>): boolean =>
  Result.isSuccess(passed) && !passed.success

/** Is the hook there for this event? */
export const ofEvent = ({ events, streams }: HookMatch, event: StoredEvent): boolean =>
  holds(events, (type) => type === event.type) && holds(streams, (prefix) => event.stream.startsWith(prefix))
