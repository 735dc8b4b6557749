/** Buckets in Redis: shared by processes, and what happens when the server is away. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import { make, Redis, RedisError } from "../../src/persistence/RedisClient.ts"
import * as RateLimiter from "../../src/policies/RateLimiter.ts"
import { temporaryPrefix } from "../redis.ts"

const limit = RateLimiter.make("api", { limit: 2, window: "1 hour" })
const call = Effect.match(Effect.void.pipe(RateLimiter.protect(limit)), {
  onSuccess: () => "began",
  onFailure: ({ _tag }) => _tag as string
})

it.live("L1: processes that share a Redis share the limit", () =>
  Effect.gen(function* () {
    const { prefix, url } = yield* temporaryPrefix("redis")
    const inProcess = Effect.provide(
      Effect.all([call, call]),
      Layer.fresh(RateLimiter.layerRedis({ prefix }).pipe(Layer.provide(IoRedis.layer({ url })))),
      { local: true }
    )
    assert.deepStrictEqual(yield* inProcess, ["began", "began"])
    assert.deepStrictEqual(yield* inProcess, ["RateLimited", "RateLimited"])
  }).pipe(Effect.scoped)
)

const away = Effect.suspend(() => Effect.fail(new RedisError({ cause: new Error("connection lost") })))
const layerAway = Layer.effect(Redis, make({ send: () => away, subscribe: () => away, connect: away }))

it.effect("a server that cannot be asked is a typed failure", () =>
  Effect.gen(function* () {
    assert.strictEqual(yield* call, "RateLimitUnavailable")
  }).pipe(Effect.provide(RateLimiter.layerRedis().pipe(Layer.provide(layerAway))))
)
