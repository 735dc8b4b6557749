/** How hooks end a program that they are asked about, and what may be said of a hook that is not there. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Phase } from "./HookConfig.ts"

/**
 * A pre hook refused a call. Nothing of the call ran.
 *
 * @category errors
 * @since 0.1.0
 */
export class HookRefused extends Schema.TaggedError<HookRefused>()("HookRefused", {
  hook: Schema.String,
  /** Whose call it was. */
  agent: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Hook "${this.hook}" refused the call of agent "${this.agent}": ${this.reason}.`
  }
}

/**
 * A hook failed that is required, or an attempt of one that runs through the queue.
 *
 * @category errors
 * @since 0.1.0
 */
export class HookFailed extends Schema.TaggedError<HookFailed>()("HookFailed", {
  hook: Schema.String,
  phase: Phase,
  /** Whose call it was about; of a session the name of the hooked scope, of an event hook the stream. */
  subject: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `Hook "${this.hook}" (${this.phase}) failed for "${this.subject}": ${this.reason}.`
  }
}

/**
 * No hook of this name is registered in this process.
 *
 * @category errors
 * @since 0.1.0
 */
export class HookUnknown extends Schema.TaggedError<HookUnknown>()("HookUnknown", {
  hook: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `There is no hook "${this.hook}" here; there are: ${this.known.join(", ") || "none"}.`
  }
}

/**
 * A configuration that would mean nothing to this hook: nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class HookMisconfigured extends Schema.TaggedError<HookMisconfigured>()("HookMisconfigured", {
  hook: Schema.String,
  phase: Phase,
  /** `match.events`, `delivery`, … */
  fields: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `Hook "${this.hook}" (${this.phase}) cannot be configured by: ${this.fields.join(", ")}.`
  }
}

const Ending = Schema.Union([HookRefused, HookFailed])
type Ending = typeof Ending.Type

/**
 * Under way from a call to the edge of its hooked scope, an ending is a defect: the handlers between know nothing of it. It
 * is plain JSON, so that it is the same when it comes out of the journal, as the defect of a step in whose body it arose.
 */
const mark = "~tutti/hooks/Ending"
const encode = Schema.encodeSync(Schema.toCodecJson(Ending))
const decode = Schema.decodeUnknownOption(Schema.toCodecJson(Ending))

/** Ends the hooked scope. */
export const end = (ending: Ending): Effect.Effect<never> => Effect.die({ [mark]: encode(ending) })

const endingOf = (defect: unknown): Option.Option<Ending> =>
  typeof defect === "object" && defect !== null && mark in defect ? decode(defect[mark]) : Option.none()

/** The ending that lies in a cause, if there is one. */
export const endingIn = (cause: Cause.Cause<unknown>): Ending | undefined => {
  for (const reason of cause.reasons) {
    const ending = Cause.isDieReason(reason) ? endingOf(reason.defect) : Option.none()
    if (Option.isSome(ending)) return ending.value
  }
  return undefined
}

/** Makes endings failures again: the edge of a hooked scope. */
export const typed = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | HookRefused | HookFailed, R> =>
  Effect.catchCause(self, (cause): Effect.Effect<never, E | HookRefused | HookFailed> => {
    const ending = endingIn(cause)
    return ending === undefined ? Effect.failCause(cause) : Effect.fail(ending)
  })
