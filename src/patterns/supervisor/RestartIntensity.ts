/**
 * How often may a supervisor restart? At most `restarts` times within any window of `within`.
 *
 * Source: Erlang/OTP Design Principles, "Supervisor Behaviour", maximum restart intensity (`add_restart/1` in
 * supervisor.erl): the restart that would be one too many within the period is the one that fails.
 */
import * as Duration from "effect/Duration"

export interface Options {
  /** So many restarts are allowed within the period. OTP's default is 1. Default here: 3. */
  readonly restarts: number
  /** Default 5 seconds, as in OTP. */
  readonly within: Duration.Input
}

export interface Limit {
  readonly restarts: number
  /** Milliseconds. */
  readonly within: number
}

export const limit = (options: Options = { restarts: 3, within: "5 seconds" }): Limit => {
  const within = Duration.toMillis(Duration.fromInputUnsafe(options.within))
  if (!Number.isInteger(options.restarts) || options.restarts < 0) {
    throw new RangeError(`restarts must be a natural number, got ${options.restarts}`)
  }
  if (!(within > 0)) throw new RangeError(`within must be positive, got ${within} ms`)
  return { restarts: options.restarts, within }
}

/** Moments of the restarts that still count, oldest first. Never longer than `restarts`. */
export type Window = ReadonlyArray<number>

export const empty: Window = []

/** The restarts that still count at `now`: one stops to count when `within` has passed since. */
export const current = (limit: Limit, window: Window, now: number): Window =>
  window.filter((at) => now - at < limit.within)

/** Adds a restart. `undefined`: it is one too many. */
export const add = (limit: Limit, window: Window, now: number): Window | undefined => {
  const recent = current(limit, window, now)
  return recent.length < limit.restarts ? [...recent, now] : undefined
}
