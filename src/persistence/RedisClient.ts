/**
 * What the Redis stores are written on: Effect's `Redis` service, what its failures mean, and what to do while the
 * server is away.
 *
 * The one file that imports the unstable module; `backends/IoRedis.ts` implements the service.
 *
 * A command whose connection died has an unknown outcome. Nobody below repeats it; the stores do, when they are told to
 * wait, for all that they send can be repeated: an append is known again by its event ids, a put by its token.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { make, Redis, RedisError, script } from "effect/persistence/Redis"

export { make, Redis, RedisError, script }

/**
 * What to do while Redis cannot be reached, loads its data, fails over, or is full.
 *
 * @category models
 * @since 0.1.0
 */
export interface Patience {
  /**
   * `"wait"` (default): try again, with growing pauses, and go on as if nothing had been. `"fail"`: fail with a
   * retryable error. In both cases the connection is made anew by itself.
   */
  readonly whenDown?: "fail" | "wait"
  /** How long an operation waits at most before it fails all the same. Default 5 minutes. */
  readonly waitAtMost?: Duration.Input
}

/**
 * What a failure of Redis means.
 *
 * @category models
 * @since 0.1.0
 */
export interface Meaning {
  readonly kind: "Unavailable" | "Corrupt"
  readonly retryable: boolean
  /** Why, as the second half of a sentence. */
  readonly detail: string
}

const unavailable = (retryable: boolean, detail: string): Meaning => ({ kind: "Unavailable", retryable, detail })

/** Redis begins an error with a word of its own. */
const replies: ReadonlyMap<string, Meaning> = new Map([
  ["LOADING", unavailable(true, "the server has just started and is still loading its data")],
  ["BUSY", unavailable(true, "the server is busy with a script that does not end")],
  ["READONLY", unavailable(true, "the server is a replica and takes no writes; a failover may be under way")],
  ["MASTERDOWN", unavailable(true, "the server is a replica that has lost its master")],
  ["NOREPLICAS", unavailable(true, "fewer replicas are connected than the server demands for a write")],
  ["CLUSTERDOWN", unavailable(true, "the cluster is down: some of its slots are served by nobody")],
  ["TRYAGAIN", unavailable(true, "the keys are being moved to another node of the cluster")],
  ["OOM", unavailable(true, "the server has reached its maxmemory and may not evict anything")],
  ["MISCONF", unavailable(true, "the server cannot write to its disk, and so takes no writes")],
  ["NOAUTH", unavailable(false, "the server wants a password and got none")],
  ["WRONGPASS", unavailable(false, "the server does not accept this user name and password")],
  ["NOPERM", unavailable(false, "the user may not run this command or touch these keys")],
  ["CROSSSLOT", unavailable(false, "the keys lie in different slots of the cluster")],
  ["WRONGTYPE", { kind: "Corrupt", retryable: false, detail: "a key below the prefix holds something else" }]
])

/** What scripts of ours say of data that cannot be. */
const corruption = "TUTTI "

/** What the system and ioredis say of connections, and a server that has too many. */
const connections =
  /ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|^ERR max number of clients|^(?![A-Z]+ ).*([Cc]onnection|timeout|timed out|aborted|slots cache|startup nodes|no node|Cluster)/

/**
 * What a failure of Redis means to a store.
 *
 * @category getters
 * @since 0.1.0
 */
export const meaningOf = (error: RedisError): Meaning => {
  const message = error.cause instanceof Error ? error.cause.message : String(error.cause)
  const known = replies.get(message.split(" ", 1)[0]!)
  if (known !== undefined) return known
  if (message.startsWith(corruption)) {
    return { kind: "Corrupt", retryable: false, detail: message.slice(corruption.length) }
  }
  return connections.test(message)
    ? unavailable(true, `the server cannot be reached (${message})`)
    : unavailable(false, `the server answered "${message}"`)
}

const isRetryable = (error: RedisError): boolean => meaningOf(error).retryable

/**
 * Repeats what can be repeated while Redis is away, if that is wanted.
 *
 * @category combinators
 * @since 0.1.0
 */
export const patiently = (
  options: Patience
): (<A, R>(effect: Effect.Effect<A, RedisError, R>) => Effect.Effect<A, RedisError, R>) => {
  if (options.whenDown === "fail") return (effect) => effect
  const schedule = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
    Schedule.jittered,
    Schedule.upTo({ duration: options.waitAtMost ?? Duration.minutes(5) })
  )
  return (effect) =>
    Effect.catchIf(effect, isRetryable, (error) =>
      Effect.andThen(
        Effect.logWarning(`Waiting for Redis: ${meaningOf(error).detail}`),
        Effect.retry(effect, { while: isRetryable, schedule })
      )
    )
}

/**
 * A script that runs all the time, with as little around it as can be: once it was loaded, its digest is remembered here.
 * Its arguments are the number of keys, the keys, and what else it takes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resident = <A>(
  redis: Redis["Service"],
  lua: string
): ((...args: ReadonlyArray<string>) => Effect.Effect<A, RedisError>) => {
  let digest: string | undefined
  const load = redis.send<string>("SCRIPT", "LOAD", lua)
  return (...args) => {
    const run = (loaded: string) => {
      digest = loaded
      return redis.send<A>("EVALSHA", loaded, ...args)
    }
    const loadAndRun = Effect.flatMap(load, run)
    return Effect.suspend(() =>
      digest === undefined ? loadAndRun : Effect.catchIf(run(digest), isUnloaded, () => loadAndRun)
    )
  }
}

/** The server was started anew, or its scripts were flushed, or another node took over. */
const isUnloaded = ({ cause }: RedisError): boolean => cause instanceof Error && cause.message.startsWith("NOSCRIPT")

/**
 * What all keys of a store begin with. The braces keep them on one node of a cluster.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keyPrefix = (name = "tutti"): string => (name.includes("{") ? name : `{${name}}`)
