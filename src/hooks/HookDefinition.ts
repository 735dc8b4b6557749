/** A hook as its code states it: when it is asked, about what, what it does, and with which configuration it begins. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Task from "../core/Task.ts"
import type { StoredEvent } from "../event-store/Envelope.ts"
import type { HookConfig, Phase } from "./HookConfig.ts"

/**
 * A call of an agent that is about to be made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call<out In> {
  readonly agent: string
  /** `"Leaf"`, `"Composition"`, or what the agent is made by: `"Supervisor"`, … */
  readonly pattern: string
  readonly capabilities: ReadonlyArray<string>
  readonly input: In
}

/**
 * What a handler may know about itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Info {
  /** The first is 1. */
  readonly attempt: number
  /** The same for every attempt, before and after a crash. Empty outside a run. */
  readonly idempotencyKey: string
}

/**
 * What a pre hook says to a call: see `pass`, `change` and `refuse`.
 *
 * @category models
 * @since 0.1.0
 */
export type Ruling<In> =
  | { readonly _tag: "Pass" }
  | { readonly _tag: "Change"; readonly input: In }
  | { readonly _tag: "Refuse"; readonly reason: string }

/**
 * What became of a call. An interrupted one has no outcome.
 *
 * **Details** `output` is there if the hook asked for `values` and the value is JSON, or has a schema.
 *
 * @category models
 * @since 0.1.0
 */
export const CallOutcome = Schema.Union([
  Schema.TaggedStruct("Success", { output: Schema.optionalKey(Schema.Json) }),
  /** `error`: the tag of the typed failure. */
  Schema.TaggedStruct("Failure", { error: Schema.String, message: Schema.String }),
  Schema.TaggedStruct("Defect", { message: Schema.String })
])
export type CallOutcome = typeof CallOutcome.Type

/**
 * A call that has ended, as post hooks see it: plain data, so that it can wait in a queue.
 *
 * @category models
 * @since 0.1.0
 */
export const CallEnded = Schema.Struct({
  agent: Schema.String,
  pattern: Schema.String,
  capabilities: Schema.Array(Schema.String),
  /** Name of the hooked scope. */
  scope: Schema.String,
  runId: Schema.optionalKey(Schema.String),
  /** As `output` of the outcome. */
  input: Schema.optionalKey(Schema.Json),
  outcome: CallOutcome,
  duration: Schema.DurationFromMillis
})
export type CallEnded = typeof CallEnded.Type

/**
 * A hooked scope that is entered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  /** Name of the hooked scope. */
  readonly scope: string
  /** `"Review/7"`: run `7` of the orchestration `Review`. */
  readonly runId: string | undefined
}

interface Common {
  readonly name: string
  /** What holds as long as nothing else is stored. */
  readonly config: HookConfig
}

/**
 * Asked before a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface PreHook<in In, out R> extends Common {
  readonly phase: "pre"
  /** Its input is what the hook is for, and may change. */
  readonly task: Task.Any | undefined
  readonly where: ((call: Call<In>) => boolean) | undefined
  readonly run: (call: Call<In>, info: Info) => Effect.Effect<Ruling<unknown>, unknown, R>
}

/**
 * Told after a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface PostHook<out R> extends Common {
  readonly phase: "post"
  readonly values: boolean
  readonly where: ((call: Omit<CallEnded, "duration">) => boolean) | undefined
  readonly run: (call: CallEnded, info: Info) => Effect.Effect<unknown, unknown, R>
}

/**
 * Open for as long as a hooked scope.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionHook<out R> extends Common {
  readonly phase: "session"
  readonly where: ((session: Session) => boolean) | undefined
  readonly open: (session: Session) => Effect.Effect<unknown, unknown, R | Scope.Scope>
}

/**
 * Told of events in the log.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventHook<out R> extends Common {
  readonly phase: "event"
  readonly where: ((event: StoredEvent) => boolean) | undefined
  readonly run: (event: StoredEvent, info: Info) => Effect.Effect<unknown, unknown, R>
}

/**
 * Any hook.
 *
 * @category models
 * @since 0.1.0
 */
// `any`: which inputs a pre hook is for is checked when it is asked.
export type Hook<R> = PreHook<any, R> | PostHook<R> | SessionHook<R> | EventHook<R>

/** A hook of one phase. */
export type OfPhase<P extends Phase, R> = {
  readonly pre: PreHook<any, R>
  readonly post: PostHook<R>
  readonly session: SessionHook<R>
  readonly event: EventHook<R>
}[P]

/** What the handlers of hooks need. */
export type Services<H> = H extends Hook<infer R> ? R : never
