/**
 * When a node of a `TaskGraph` starts, as a matter of its dependencies.
 *
 * | policy | starts when | sees | is skipped when |
 * | --- | --- | --- | --- |
 * | `all` (default) | every dependency has completed | their outputs | one was skipped |
 * | `settled` | every dependency has completed or was skipped | outputs, `undefined` for the skipped | never |
 * | `any`, `first(n)` | one, n of them have completed | outputs so far, `undefined` for the others | too few are left |
 *
 * The dependencies that `any` and `first` did not wait for go on, because their outputs are part of the graph's output.
 * `race`, and `first(n, { losers: "interrupt" })`, interrupt those that no other node still waits for.
 */

/** Every dependency has completed. */
export interface All {
  readonly _tag: "All"
}

/** Every dependency has completed or was skipped. */
export interface Settled {
  readonly _tag: "Settled"
}

/** As many dependencies have completed. */
export interface First<
  out Count extends number = number,
  out Losers extends "finish" | "interrupt" = "finish" | "interrupt"
> {
  readonly _tag: "First"
  readonly count: Count
  /** What becomes of the dependencies that were not waited for. */
  readonly losers: Losers
}

export type Join = All | Settled | First

/**
 * Waits for every dependency, and is skipped if one is. The default.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const all: All = { _tag: "All" }

/**
 * Waits until every dependency has completed or was skipped, and runs in any case.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const settled: Settled = { _tag: "Settled" }

/**
 * Starts as soon as `count` dependencies have completed. A count below 1 is a defect.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const first = <const Count extends number, const Losers extends "finish" | "interrupt" = "finish">(
  count: Count,
  options?: { readonly losers?: Losers }
): First<Count, Losers> => {
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`count must be an integer from 1, got ${count}`)
  return { _tag: "First", count, losers: (options?.losers ?? "finish") as Losers }
}

/**
 * Starts as soon as one dependency has completed.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const any: First<1, "finish"> = first(1)

/**
 * Starts as soon as one dependency has completed, and interrupts the others unless another node waits for them.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const race: First<1, "interrupt"> = first(1, { losers: "interrupt" })
