/** Key prefixes on the shared Redis, each for one test. */
import { Effect, Layer } from "effect"
import { randomUUID } from "node:crypto"
import * as IoRedis from "../src/backends/IoRedis.ts"
import type * as Redis from "../src/backends/Redis.ts"
import { Redis as RedisService, script } from "../src/persistence/RedisClient.ts"
import * as Servers from "./servers/Servers.ts"

/** What lies below a prefix: removed in one script, which a cluster runs where those keys are. */
const removeAll = script((key: string) => [key], {
  numberOfKeys: 1,
  lua: `
local cursor = '0'
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', KEYS[1] .. '*', 'COUNT', 1000)
  cursor = page[1]
  if #page[2] > 0 then redis.call('DEL', unpack(page[2])) end
until cursor == '0'`
})

/** A prefix of one's own on the shared server of a kind. Its keys are removed when the scope closes. */
export const temporaryPrefix = (kind: "redis" | "redis-cluster") =>
  Effect.gen(function* () {
    const url = yield* Servers.url(kind)
    const prefix = `{test-${randomUUID()}}`
    const client = yield* Layer.build(IoRedis.layer({ url }))
    yield* Effect.addFinalizer(() =>
      RedisService.use((redis) => redis.eval(removeAll)(prefix)).pipe(Effect.provide(client), Effect.orDie)
    )
    return { url, prefix, durability: "ignore" } satisfies Redis.Options
  })
