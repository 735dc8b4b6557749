import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redis from "../../src/backends/Redis.ts"
import * as TcpProxy from "../proxy/TcpProxy.ts"
import * as Port from "../servers/Port.ts"
import * as Servers from "../servers/Servers.ts"
import * as Faults from "./ServerFaults.ts"
import * as Storm from "./Storm.ts"

const prefix = "storm"

const options = (url: string, whenDown: "wait" | "fail"): Redis.Options => ({
  url,
  prefix,
  whenDown,
  responseTimeout: "2 seconds",
  connectTimeout: "2 seconds",
  engine: { lease: "3 seconds", grace: "1 second" }
})

const proxied = (proxy: TcpProxy.TcpProxy) => `redis://127.0.0.1:${proxy.port}`

describe("redis", () => {
  for (const whenDown of ["wait", "fail"] as const) {
    it.live(`X1-X6: the server is killed, restarted and frozen; clients ${whenDown}`, () =>
      Effect.gen(function* () {
        const server = yield* Servers.redis({ settings: { appendfsync: "always" } })
        const { refused } = yield* Storm.run({
          deployment: Redis.layer(options(server.url, whenDown)),
          log: Redis.stores({ url: server.url, prefix }),
          faults: () => [Faults.killed(server), Faults.restarted(server), Faults.frozen(server)]
        })
        if (whenDown === "fail") assert.isAbove(refused, 0)
        else assert.strictEqual(refused, 0)
      })
    )

    it.live(`X1-X6: connections are cut, refused, half-open, stalled and slow; clients ${whenDown}`, () =>
      Effect.gen(function* () {
        const server = yield* Servers.redis()
        const proxy = yield* TcpProxy.make(server.port)
        const { refused } = yield* Storm.run({
          deployment: Redis.layer(options(proxied(proxy), whenDown)),
          log: Redis.stores({ url: server.url, prefix }),
          faults: () => [
            Faults.cut(proxy),
            Faults.unreachable(proxy),
            Faults.halfOpen(proxy),
            Faults.stalled(proxy),
            Faults.slow(proxy)
          ]
        })
        if (whenDown === "fail") assert.isAbove(refused, 0)
        else assert.strictEqual(refused, 0)
      })
    )
  }
})

describe("redis cluster", () => {
  it.live("X1-X6: the node that has the log, and one that has not, are killed and frozen", () =>
    Effect.gen(function* () {
      const cluster = yield* Servers.redisCluster()
      const owner = yield* ownerOf(cluster.nodes)
      const other = cluster.nodes.find((node) => node !== owner)!
      yield* Storm.run({
        deployment: Redis.layer(options(cluster.url, "wait")),
        log: Redis.stores({ url: cluster.url, prefix }),
        faults: () => [
          Faults.killed(owner),
          Faults.frozen(owner),
          { ...Faults.killed(other), name: "another node is killed", stopsWrites: false }
        ]
      })
    })
  )
})

/** The node with the slot of the prefix: any other one says where it is. */
const ownerOf = (nodes: Servers.RedisCluster["nodes"]) =>
  Effect.gen(function* () {
    const answer = yield* Port.ask(nodes[0]!.port, `TYPE {${prefix}}:log\r\n`)
    const moved = /^-MOVED \d+ 127\.0\.0\.1:(\d+)/.exec(answer)
    return moved === null ? nodes[0]! : nodes.find(({ port }) => port === Number(moved[1]))!
  })
