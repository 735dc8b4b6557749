/**
 * A limit on how often something is called, in this process or in all that share a Redis.
 *
 * The buckets are those of Effect's `RateLimiter`; this is the one file that imports that unstable module. Where they are
 * kept is a matter of the layer: `layerMemory` or `layerRedis`.
 *
 * **When to use** For calls to something that limits its callers. What is taken from a `WorkQueue` has a limit of its own.
 *
 * Invariants (checked by `test/policies/RateLimiter.test.ts` and `test/policies/RateLimiter.durable.test.ts`):
 *
 *   L1. At most `limit` calls begin at once, and then one each time `window / limit` has passed.
 *   L2. A call that may not begin within `wait` does not run, and fails with `RateLimited`; it has used nothing up.
 *   L3. Keys do not share a limit.
 *   L4. In a run, admission is a recorded decision: a replay refuses what was refused, and takes nothing from the bucket.
 *   L5. An engine that stops does not wait for those who wait for their turn in the program of a run.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Limiter from "effect/persistence/RateLimiter"
import * as Schema from "effect/Schema"
import type { Redis } from "../persistence/RedisClient.ts"
import * as Decision from "./Decision.ts"
import * as Policy from "./Policy.ts"
import * as Timeout from "./Timeout.ts"

/**
 * The call was refused: there were too many before it.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  name: Schema.String,
  limit: Schema.Int,
  /** No call may begin earlier. */
  retryAfter: Schema.DurationFromMillis
}) {
  override get message(): string {
    return `Rate limit "${this.name}" of ${this.limit} is used up; try again in ${Duration.format(this.retryAfter)}.`
  }
}

/**
 * The store of the buckets could not be reached, so nobody knows whether the call may begin. It did not.
 *
 * @category errors
 * @stability experimental
 * @since 0.1.0
 */
export class RateLimitUnavailable extends Schema.TaggedError<RateLimitUnavailable>()("RateLimitUnavailable", {
  name: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `Rate limit "${this.name}" could not be asked: its store is unavailable.`
  }
}

/** One call at one bucket. */
interface Request {
  readonly name: string
  readonly limit: number
  readonly window: Duration.Duration
}

/**
 * Where the buckets are kept.
 *
 * @category services
 * @stability experimental
 * @since 0.1.0
 */
export class RateLimits extends Context.Service<
  RateLimits,
  {
    /** Takes a token: 0. If there is none, takes nothing: the milliseconds until there is one. */
    readonly take: (request: Request) => Effect.Effect<number, RateLimitUnavailable>
  }
>()("tutti/policies/RateLimits") {}

const fromEffect = Effect.map(Limiter.RateLimiter, (limiter) =>
  RateLimits.of({
    take: ({ limit, name, window }) =>
      limiter.consume({ algorithm: "token-bucket", onExceeded: "fail", key: name, limit, window }).pipe(
        Effect.as(0),
        Effect.catch(({ reason }) =>
          reason._tag === "RateLimitExceeded"
            ? Effect.succeed(Math.max(1, Math.ceil(Duration.toMillis(reason.retryAfter))))
            : Effect.fail(new RateLimitUnavailable({ name, cause: reason.cause ?? reason }))
        )
      )
  })
)

/**
 * Buckets in this process. A restart fills them.
 *
 * @category layers
 * @stability experimental
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<RateLimits> = Layer.effect(RateLimits, fromEffect).pipe(
  Layer.provide(Limiter.layer),
  Layer.provide(Limiter.layerStoreMemory)
)

/**
 * Buckets in Redis, shared by all processes. One round trip per call.
 *
 * @category layers
 * @stability experimental
 * @since 0.1.0
 */
export const layerRedis = (options: { readonly prefix?: string } = {}): Layer.Layer<RateLimits, never, Redis> =>
  Layer.effect(RateLimits, fromEffect).pipe(
    Layer.provide(Limiter.layer),
    Layer.provide(Limiter.layerStoreRedis({ prefix: options.prefix ?? "tutti:rate-limit:" }))
  )

/**
 * How often.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface Options {
  /** So many calls may begin at once; the allowance grows back evenly over `window`. */
  readonly limit: number
  readonly window: Duration.Input
  /** How long a call waits for its turn before it is refused. Default: not at all. */
  readonly wait?: Duration.Input
}

/**
 * A named rate limit. All of one name, in all processes that share the store, are one.
 *
 * @category models
 * @stability experimental
 * @since 0.1.0
 */
export interface RateLimiter extends Request {
  readonly wait: Duration.Duration
}

/**
 * Names a rate limit.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const make = (name: string, options: Options): RateLimiter => {
  const { limit, wait = Duration.zero } = options
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit must be a positive integer, got ${limit}`)
  return { name, limit, window: Timeout.limitOf("window", options.window), wait: Duration.fromInputUnsafe(wait) }
}

/**
 * A rate limit for each key: for each tenant, or host.
 *
 * @category constructors
 * @stability experimental
 * @since 0.1.0
 */
export const keyed = (name: string, options: Options): ((key: string) => RateLimiter) => {
  const limiter = make(name, options)
  return (key) => ({ ...limiter, name: `${name}/${key}` })
}

const Admission = Schema.NullOr(Schema.Union([RateLimited, RateLimitUnavailable]))

/** `null`: admitted. Otherwise why not. */
const admission = Decision.make("rateLimit", Admission, { waits: true })

const refusals = Metric.counter("tutti_rate_limiter_refusals_total", { incremental: true })

const admit = (limiter: RateLimiter, limits: typeof RateLimits.Service): Effect.Effect<typeof Admission.Type> =>
  Effect.gen(function* () {
    const givesUpAt = (yield* Clock.currentTimeMillis) + Duration.toMillis(limiter.wait)
    while (true) {
      const wait = yield* limits.take(limiter)
      if (wait === 0) return null
      const { limit, name } = limiter
      if ((yield* Clock.currentTimeMillis) + wait > givesUpAt) {
        yield* Metric.update(Metric.withAttributes(refusals, { limit: name }), 1)
        return new RateLimited({ name, limit, retryAfter: Duration.millis(wait) })
      }
      yield* Effect.sleep(wait)
    }
  }).pipe(Effect.catch(Effect.succeed))

/**
 * Calls no more often than the limit allows.
 *
 * **Details**
 *
 * - A call that waits asks again each time a token is due, and so do all who wait: they are not let in by their order.
 * - Around an agent that performs a task it is part of the step, and each attempt counts. Around a composed agent or an
 *   effect in a run it is a recorded decision.
 *
 * **Gotchas**
 *
 * - In a run, whoever crashes while he waits, or waits when his engine stops, asks again and may wait for `wait` anew. What he
 *   took from a bucket in Redis at that very moment is used up.
 * - Around an agent that performs a task the wait is part of its step: an engine that stops lets it go on for its `grace`.
 *
 * **Errors** `RateLimited` — its turn would not come within `wait`. `RateLimitUnavailable` — Redis could not be reached.
 *
 * @category combinators
 * @stability experimental
 * @since 0.1.0
 */
export const protect =
  (limiter: RateLimiter) =>
  <T extends Policy.Target>(self: T): Policy.Adding<T, RateLimited | RateLimitUnavailable, RateLimits> =>
    Policy.apply(self, {
      errors: Schema.Union([RateLimited, RateLimitUnavailable]),
      around: (effect) =>
        Effect.flatMap(RateLimits, (limits) =>
          Effect.flatMap(admission(limiter.name, admit(limiter, limits)), (refusal) =>
            refusal === null ? effect : Effect.fail(refusal)
          )
        )
    })
