/**
 * What a Redis server would lose of what it has acknowledged, judged by its settings.
 *
 * Asked once, when a deployment connects; a setting changed later goes unnoticed. Of a cluster, one node is asked.
 */
import * as Effect from "effect/Effect"
import { EventStoreError, StoreUnavailable } from "../event-store/EventStoreError.ts"
import type { Redis } from "../persistence/RedisClient.ts"

/**
 * What to do about a server that may lose what it has acknowledged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `"warn"` (default): log it. `"require"`: fail, also if the server does not tell. `"ignore"`: do not ask. */
  readonly durability?: "warn" | "require" | "ignore"
}

/** The settings that matter, as `CONFIG GET` answers them; `undefined` if it may not be asked. */
type Settings = ReadonlyMap<string, string> | undefined

/**
 * Judges the server's settings, and logs, fails, or does nothing.
 *
 * **Errors**
 *
 * `StoreUnavailable`, if `durability` is `"require"` and the server may lose acknowledged writes, or does not tell.
 *
 * @category constructors
 * @since 0.1.0
 */
export const check = (
  redis: Redis["Service"],
  { durability = "warn" }: Options
): Effect.Effect<void, EventStoreError> =>
  durability === "ignore"
    ? Effect.void
    : Effect.flatMap(settings(redis), (found) => {
        const risks = risksOf(found)
        if (risks.length === 0) return Effect.void
        const detail = risks.join("; ")
        return durability === "require"
          ? Effect.fail(insufficient(detail))
          : Effect.logWarning(`Redis may lose what it has acknowledged: ${detail}.`)
      })

/**
 * What may be lost, each as a sentence without its full stop.
 *
 * @category getters
 * @since 0.1.0
 */
export const risksOf = (settings: Settings): ReadonlyArray<string> => {
  if (settings === undefined)
    return ["the server does not tell its settings (CONFIG GET), so it is not known what it keeps"]
  const risks: Array<string> = []
  const is = (name: string, value: string) => settings.get(name) === value
  if (!is("appendonly", "yes")) {
    risks.push("appendonly is off: when the server stops, everything since its last snapshot is gone")
  } else if (is("appendfsync", "everysec")) {
    risks.push("appendfsync is everysec: when the machine stops, the last second or two are gone")
  } else if (!is("appendfsync", "always")) {
    risks.push("appendfsync is no: when the machine stops, what the system had not written yet is gone")
  }
  const policy = settings.get("maxmemory-policy") ?? "noeviction"
  // Our keys have no time to live, so only these policies may evict them.
  if (policy.startsWith("allkeys-")) {
    risks.push(`maxmemory-policy is ${policy}: when memory runs out, keys of the store are evicted`)
  }
  return risks
}

const settings = (redis: Redis["Service"]): Effect.Effect<Settings> =>
  Effect.all([
    redis.send<ReadonlyArray<string>>("CONFIG", "GET", "append*"),
    redis.send<ReadonlyArray<string>>("CONFIG", "GET", "maxmemory-policy")
  ]).pipe(
    Effect.map((answers) => {
      const flat = answers.flat()
      const pairs: Array<[string, string]> = []
      for (let index = 0; index + 1 < flat.length; index += 2) pairs.push([flat[index]!, flat[index + 1]!])
      return new Map(pairs)
    }),
    // Managed servers forbid it.
    Effect.catch(() => Effect.succeed(undefined))
  )

const insufficient = (detail: string): EventStoreError =>
  new EventStoreError({
    reason: new StoreUnavailable({
      operation: "promise that what it acknowledges is durable",
      retryable: false,
      detail,
      cause: new Error(detail)
    })
  })
