/**
 * What can be said about a hook without touching its code: whether, for whom, in which order, and how patiently it runs.
 *
 * The code of a hook states a configuration; what is stored about the hook changes single fields of it.
 */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { HookMatch } from "./HookMatch.ts"

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
  /** Which calls, or events, the hook is for. */
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
  readonly match?: HookMatch
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

/** The configuration that the code of a hook states. */
export const stated = (name: string, options: Options, delivery: HookConfig["delivery"]): HookConfig => {
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "10 seconds")
  if (!(Duration.toMillis(timeout) > 0 && Duration.isFinite(timeout))) {
    throw new RangeError(`the timeout of hook "${name}" must be positive and finite, got ${Duration.format(timeout)}`)
  }
  const unstated = delivery === "queue" ? patient : never
  return {
    enabled: options.enabled ?? true,
    match: options.match ?? {},
    order: options.order ?? 0,
    required: options.required ?? false,
    timeout,
    retry: options.retry === undefined ? unstated : retryOf(name, options.retry),
    delivery
  }
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
