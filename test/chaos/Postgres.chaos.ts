import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Postgres from "../../src/backends/Postgres.ts"
import * as TcpProxy from "../proxy/TcpProxy.ts"
import * as Servers from "../servers/Servers.ts"
import * as Faults from "./ServerFaults.ts"
import * as Storm from "./Storm.ts"

const url = (port: number) => Redacted.make(`postgres://tutti@127.0.0.1:${port}/postgres`)

const options = (port: number, whenDown: "wait" | "fail"): Postgres.Options => ({
  url: url(port),
  whenDown,
  timeout: "2 seconds",
  connectTimeout: "2 seconds",
  engine: { lease: "3 seconds", grace: "1 second" }
})

describe("postgres", () => {
  for (const whenDown of ["wait", "fail"] as const) {
    it.live(`X1-X6: the server is killed, restarted and frozen; clients ${whenDown}`, () =>
      Effect.gen(function* () {
        const server = yield* Servers.postgres({ fsync: true })
        const { refused } = yield* Storm.run({
          deployment: Postgres.layer(options(server.port, whenDown)),
          log: Postgres.stores({ url: url(server.port) }),
          faults: () => [Faults.killed(server), Faults.restarted(server), Faults.frozen(server)]
        })
        if (whenDown === "fail") assert.isAbove(refused, 0)
        else assert.strictEqual(refused, 0)
      })
    )

    it.live(`X1-X6: connections are cut, refused, half-open, stalled and slow; clients ${whenDown}`, () =>
      Effect.gen(function* () {
        const server = yield* Servers.postgres()
        const proxy = yield* TcpProxy.make(server.port)
        const { refused } = yield* Storm.run({
          deployment: Postgres.layer(options(proxy.port, whenDown)),
          log: Postgres.stores({ url: url(server.port) }),
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
