/**
 * What can be said about a hook without touching its code: whether, for whom, in which order, and how patiently it runs.
 *
 * The code of a hook states a configuration; what is stored about the hook changes single fields of it.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { type CallMatch, HookMatch } from "./HookMatch.ts"

/**
 * When a hook is asked.
 *
 * - `"pre"`: before a call of an agent.
 * - `"post"`: after it.
 * - `"session"`: around all calls of a hooked scope.
 * - `"event"`: when an event is in the log.
 *
 * @category models
 * @since 0.1.0
 */
export const Phase = Schema.Literals(["pre", "post", "session", "event"])
export type Phase = typeof Phase.Type

/**
 * When a hook that failed is tried again: `times` more, after `delay`, then `factor` times as long, at most 5 minutes.
 *
 * @category models
 * @since 0.1.0
 */
export const Retry = Schema.Struct({
  times: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  delay: Schema.DurationFromMillis,
  factor: Schema.Number.check(Schema.isGreaterThanOrEqualTo(1))
})
export type Retry = typeof Retry.Type

const settings = {
  /** Which calls, scopes or events the hook is for. */
  match: HookMatch,
  /** The lower goes first; among equals, by name. */
  order: Schema.Number,
  /** Its failure is a failure of the hooked scope. */
  required: Schema.Boolean,
  /** For one attempt. */
  timeout: Schema.DurationFromMillis,
  retry: Retry,
  /** Of a post hook: `"inline"`, while the caller waits, or through the work `"queue"`. */
  delivery: Schema.Literals(["inline", "queue"])
}

/**
 * How a hook runs.
 *
 * @category models
 * @since 0.1.0
 */
export const HookConfig = Schema.Struct({ enabled: Schema.Boolean, ...settings })
export type HookConfig = typeof HookConfig.Type

/** The fields that were set from outside. `enabled` stands beside them: it is the one that is set in a hurry. */
export const Overrides = Schema.Struct({
  match: Schema.optionalKey(settings.match),
  order: Schema.optionalKey(settings.order),
  required: Schema.optionalKey(settings.required),
  timeout: Schema.optionalKey(settings.timeout),
  retry: Schema.optionalKey(settings.retry),
  delivery: Schema.optionalKey(settings.delivery)
})
export type Overrides = typeof Overrides.Type

/** What each phase can be matched by, and which settings beside `match` and `enabled` mean something to it. */
const applicable: {
  readonly [P in Phase]: {
    readonly match: ReadonlyArray<keyof HookMatch>
    readonly settings: ReadonlyArray<keyof Overrides>
  }
} = {
  pre: {
    match: ["agents", "patterns", "capabilities", "scopes", "runs"],
    settings: ["order", "required", "timeout", "retry"]
  },
  post: {
    match: ["agents", "patterns", "capabilities", "scopes", "runs"],
    settings: ["order", "required", "timeout", "retry", "delivery"]
  },
  session: { match: ["scopes", "runs"], settings: ["order", "required", "timeout", "retry"] },
  event: { match: ["events", "streams"], settings: ["order", "timeout", "retry"] }
}

/** The fields that mean nothing to a hook of this phase: `match.events` of a pre hook. */
export const inapplicable = (phase: Phase, { match = {}, ...settings }: Overrides): ReadonlyArray<string> => {
  const { match: conditions, settings: known } = applicable[phase]
  return [
    ...Object.keys(match)
      .filter((name) => !conditions.some((one) => one === name))
      .map((name) => `match.${name}`),
    ...Object.keys(settings).filter((name) => !known.some((one) => one === name))
  ]
}

const StoredOverrides = Schema.toCodecJson(Overrides)
const decodeOverrides = Schema.decodeUnknownOption(StoredOverrides, { onExcessProperty: "error" })

/** As JSON. */
export const encodeOverrides = Schema.encodeSync(StoredOverrides) as (overrides: Overrides) => Schema.Json

/** The overrides that are stored. Nothing, if they are none, or none for a hook of this phase. */
export const readOverrides = (phase: Phase, stored: Schema.Json): Option.Option<Overrides> =>
  Option.filter(decodeOverrides(stored), (overrides) => inapplicable(phase, overrides).length === 0)

/**
 * Fields of the configuration to be set. The others stay as they are.
 *
 * @category models
 * @since 0.1.0
 */
export type HookChanges = Overrides & { readonly enabled?: boolean }

/**
 * The configuration as the code of a hook states it. All but what it says is the default.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Default `true`. */
  readonly enabled?: boolean
  /** Default: every call. */
  readonly match?: CallMatch
  /** The lower goes first; among equals, by name. Default 0. */
  readonly order?: number
  /** Its failure is a failure of the hooked scope. Default `false`. */
  readonly required?: boolean
  /** For one attempt. Default 10 seconds. */
  readonly timeout?: Duration.Input
  /** Default: through the queue 9 times, from one second on, doubling; else never. */
  readonly retry?: { readonly times: number; readonly delay?: Duration.Input; readonly factor?: number }
}

const never: Retry = { times: 0, delay: Duration.seconds(1), factor: 2 }
const patient: Retry = { ...never, times: 9 }
const longestDelay = "5 minutes"

interface Stated extends Omit<Options, "match"> {
  readonly match?: HookMatch
  readonly delivery?: HookConfig["delivery"]
}

/** The configuration that the code of a hook states. */
export const stated = (phase: Phase, name: string, options: Stated): HookConfig => {
  const { delivery = phase === "event" ? "queue" : "inline", match = {} } = options
  const [foreign] = inapplicable(phase, { match })
  if (foreign !== undefined) throw new Error(`"${foreign}" means nothing to the ${phase} hook "${name}"`)
  const unstated = delivery === "queue" ? patient : never
  return {
    enabled: options.enabled ?? true,
    match,
    order: options.order ?? 0,
    required: options.required ?? false,
    timeout: timeoutOf(name, options.timeout ?? "10 seconds"),
    retry: options.retry === undefined ? unstated : retryOf(name, options.retry),
    delivery
  }
}

const timeoutOf = (name: string, stated: Duration.Input): Duration.Duration => {
  const timeout = Duration.fromInputUnsafe(stated)
  if (Duration.toMillis(timeout) > 0 && Duration.isFinite(timeout)) return timeout
  throw new RangeError(`the timeout of hook "${name}" must be positive and finite, got ${Duration.format(timeout)}`)
}

const retryOf = (name: string, { delay = "1 second", factor = 2, times }: NonNullable<Options["retry"]>): Retry => {
  if (!(Number.isInteger(times) && times >= 0)) {
    throw new RangeError(`hook "${name}" must be retried a whole number of times, got ${times}`)
  }
  if (!(factor >= 1)) throw new RangeError(`the retry factor of hook "${name}" must be at least 1, got ${factor}`)
  return { times, delay: Duration.fromInputUnsafe(delay), factor }
}

/** The schedule of a retry. */
export const scheduleOf = ({ delay, factor, times }: Retry): Schedule.Schedule<unknown> =>
  Schedule.min([Schedule.exponential(delay, factor), Schedule.spaced(longestDelay)]).pipe(Schedule.upTo({ times }))
