/**
 * A token bucket in one number: the instant at which the bucket will be full again.
 *
 * One number fits into a row, a hash field and an atomic step, so that all processes share the limit of a queue and a
 * restart does not refill the bucket. Effect's `RateLimiter` keeps its buckets in memory or in Redis, and takes a token
 * before it is known whether there is an item; here only what is handed out costs one.
 *
 * Source: the generic cell rate algorithm, ITU-T I.371.
 */

/**
 * So many items may begin at once; the allowance grows back evenly over `window`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bucket {
  readonly limit: number
  /** In milliseconds. */
  readonly window: number
}

/** How many items may begin at `now`. None by a clock that is behind the one that spent the last. */
export const available = (bucket: Bucket, fullAt: number, now: number): number =>
  Math.max(0, Math.floor((now + bucket.window - Math.max(fullAt, now)) / interval(bucket) + rounding))

/** The state after so many items have begun. */
export const spend = (
  bucket: Bucket,
  fullAt: number,
  { now, count }: { readonly now: number; readonly count: number }
) => Math.max(fullAt, now) + count * interval(bucket)

/** When the next item may begin. */
export const nextAt = (bucket: Bucket, fullAt: number): number =>
  Math.ceil(fullAt + interval(bucket) - bucket.window - rounding)

const interval = ({ limit, window }: Bucket): number => window / limit

/** Thirds of a window do not add up in binary. */
const rounding = 1e-6
