import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { inspect } from "node:util"
import * as IoRedis from "../../src/backends/IoRedis.ts"
import { meaningOf, type Redis, type RedisError, script } from "../../src/persistence/RedisClient.ts"
import * as TcpProxy from "../proxy/TcpProxy.ts"
import * as Servers from "../servers/Servers.ts"

const timeouts = { connectTimeout: "1 second", responseTimeout: "1 second" } as const

/** Tries until it succeeds, as a caller would who knows that the failure may pass. */
const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, Schedule.spaced("20 millis")).pipe(Effect.timeout("20 seconds"))

const throughProxy = Effect.gen(function* () {
  const proxy = yield* TcpProxy.make((yield* Servers.redis()).port)
  const redis = yield* IoRedis.make({ url: `redis://127.0.0.1:${proxy.port}`, ...timeouts })
  yield* redis.send("PING")
  return { proxy, redis }
})

const isPassing = (error: RedisError) => {
  const { kind, retryable } = meaningOf(error)
  assert.deepStrictEqual({ kind, retryable }, { kind: "Unavailable", retryable: true }, String(error.cause))
}

it.live("R1: a command whose connection died in flight fails, and is not sent again", () =>
  Effect.gen(function* () {
    const { proxy, redis } = yield* throughProxy
    yield* proxy.swallow
    const counting = yield* Effect.forkChild(redis.send("INCR", "counter"), { startImmediately: true })
    assert.isAbove(yield* proxy.cut, 0)
    isPassing(yield* Effect.flip(Fiber.join(counting)))
    yield* proxy.forward
    yield* eventually(redis.send("PING"))
    assert.isNull(yield* redis.send("GET", "counter"))
  })
)

it.live("R2, R3: commands fail while the server is down or silent, and succeed once it is back", () =>
  Effect.gen(function* () {
    const server = yield* Servers.redis()
    const redis = yield* IoRedis.make({ url: server.url, ...timeouts })
    yield* redis.send("SET", "a", "1")
    yield* server.kill
    for (let attempt = 0; attempt < 3; attempt++) isPassing(yield* Effect.flip(redis.send("GET", "a")))
    yield* server.start
    assert.strictEqual(yield* eventually(redis.send("GET", "a")), "1")
    yield* server.freeze
    for (let attempt = 0; attempt < 2; attempt++) isPassing(yield* Effect.flip(redis.send("GET", "a")))
    yield* server.thaw
    assert.strictEqual(yield* eventually(redis.send("GET", "a")), "1")
  })
)

it.live("R2, R3: so it is with all nodes of a cluster", () =>
  Effect.gen(function* () {
    const { nodes, url } = yield* Servers.redisCluster()
    const redis = yield* IoRedis.make({ url, ...timeouts })
    yield* redis.send("SET", "a", "1")
    yield* Effect.forEach(nodes, ({ kill }) => kill)
    for (let attempt = 0; attempt < 3; attempt++) isPassing(yield* Effect.flip(redis.send("GET", "a")))
    yield* Effect.forEach(nodes, ({ start }) => start, { concurrency: "unbounded" })
    assert.strictEqual(yield* eventually(redis.send("GET", "a")), "1")
  })
)

it.live("what an interrupted fiber has to say at its end is sent to a cluster, too", () =>
  Effect.gen(function* () {
    const { url } = yield* Servers.redisCluster()
    const redis = yield* IoRedis.make({ url, ...timeouts })
    const last = Effect.onInterrupt(Effect.never, () => Effect.ignore(redis.send("SET", "last", "words")))
    yield* Fiber.interrupt(yield* Effect.forkChild(last, { startImmediately: true }))
    assert.strictEqual(yield* redis.send("GET", "last"), "words")
  })
)

/** Publishes until it is heard: who subscribes anew may not listen yet. */
const heard = (redis: Redis["Service"], messages: Queue.Dequeue<{ readonly message: string }, RedisError>) =>
  Effect.raceFirst(
    Queue.take(messages),
    Effect.forever(Effect.delay(Effect.ignore(redis.send("PUBLISH", "channel", "hello")), "20 millis"))
  )

it.live("R4: a subscription that lost its connection says so, and goes on", () =>
  Effect.gen(function* () {
    const { proxy, redis } = yield* throughProxy
    const messages = yield* redis.subscribe("channel")
    yield* heard(redis, messages)
    for (let cut = 0; cut < 2; cut++) {
      yield* Queue.clear(messages)
      assert.isAbove(yield* proxy.cut, 1)
      assert.strictEqual((yield* Queue.take(messages)).message, "")
      assert.strictEqual((yield* heard(redis, messages)).message, "hello")
    }
  })
)

it.live("R4: in a cluster, a subscription moves to another node", () =>
  Effect.gen(function* () {
    const { nodes, url } = yield* Servers.redisCluster()
    const redis = yield* IoRedis.make({ url, ...timeouts })
    const messages = yield* redis.subscribe("channel")
    yield* nodes[0]!.kill
    assert.strictEqual((yield* Queue.take(messages)).message, "")
    assert.strictEqual((yield* heard(redis, messages)).message, "hello")
  })
)

const mark = script((key: string) => [key], {
  numberOfKeys: 1,
  lua: "return redis.call('SET', KEYS[1], 1)"
})

it.live("R5: a script runs on every node of a cluster, also after the nodes forgot it", () =>
  Effect.gen(function* () {
    const { nodes, url } = yield* Servers.redisCluster()
    const redis = yield* IoRedis.make({ url, ...timeouts })
    const run = Effect.forEach(["a", "b", "c", "d", "e", "f"], (key) => redis.eval(mark)(key))
    yield* run
    for (const { url } of nodes) {
      const node = yield* IoRedis.make({ url })
      assert.isAbove(yield* node.send<number>("DBSIZE"), 0, "each node has some of the keys")
      yield* node.send("SCRIPT", "FLUSH")
    }
    yield* run
  })
)

it.live("a command follows a slot that moved to another node", () =>
  Effect.gen(function* () {
    const { nodes, url } = yield* Servers.redisCluster()
    const redis = yield* IoRedis.make({ url, ...timeouts })
    assert.isNull(yield* redis.send("GET", "wanderer"))
    const slot = String(yield* redis.send<number>("CLUSTER", "KEYSLOT", "wanderer"))
    const members = yield* Effect.forEach(nodes, ({ url }) => IoRedis.make({ url }))
    const ids = yield* Effect.forEach(members, (node) => node.send<string>("CLUSTER", "MYID"))
    for (const id of ids) {
      yield* Effect.forEach(members, (node) => node.send("CLUSTER", "SETSLOT", slot, "NODE", id))
      yield* redis.send("SET", "wanderer", id)
      assert.strictEqual(yield* members[ids.indexOf(id)]!.send("GET", "wanderer"), id)
      yield* redis.send("DEL", "wanderer")
    }
  })
)

it.live("R6: no error shows the password, or what a command carries", () =>
  Effect.gen(function* () {
    const server = yield* Servers.redis()
    yield* (yield* IoRedis.make({ url: server.url })).send("CONFIG", "SET", "requirepass", "right")
    const wrong = { url: server.url, username: "default", password: Redacted.make("s3cret"), ...timeouts }
    const refused = yield* Effect.flip((yield* IoRedis.make(wrong)).send("SET", "key", "value"))
    assert.strictEqual(meaningOf(refused).detail, "the server does not accept this user name and password")
    const anonymous = yield* Effect.flip((yield* IoRedis.make({ url: server.url })).send("SET", "key", "value"))
    assert.strictEqual(meaningOf(anonymous).detail, "the server wants a password and got none")
    const redis = yield* IoRedis.make({ url: Redacted.make(server.url.replace("//", "//:right@")) })
    const mistaken = yield* Effect.flip(redis.send("SET", "key", "value", "s3cret"))
    const misspelt = yield* Effect.exit(IoRedis.make({ url: "redis//:s3cret@host" }))
    for (const error of [refused, anonymous, mistaken, misspelt])
      assert.notMatch(inspect(error, { depth: 9 }), /s3cret|value/)
    assert.strictEqual(yield* redis.send("SET", "key", "value"), "OK")
  })
)

it.live("a blocking command on a connection of its own holds up nobody, and ends with its scope", () =>
  Effect.gen(function* () {
    const { url } = yield* Servers.redis()
    const redis = yield* IoRedis.make({ url, ...timeouts })
    const blocking = Effect.scoped(Effect.flatMap(redis.reserve, (own) => own.send("BLPOP", "list", "0")))
    const waiting = yield* Effect.forkChild(blocking, { startImmediately: true })
    const clients = Effect.map(redis.send<string>("CLIENT", "LIST"), (list) => list.includes("cmd=blpop"))
    yield* Effect.repeat(clients, { until: (blocked) => blocked })
    yield* Fiber.interrupt(waiting)
    yield* Effect.repeat(clients, { until: (blocked) => !blocked })
    const answered = yield* Effect.forkChild(blocking, { startImmediately: true })
    yield* redis.send("RPUSH", "list", "x")
    assert.deepStrictEqual(yield* Fiber.join(answered), ["list", "x"])
  })
)
