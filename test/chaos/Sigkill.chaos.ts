/** The process is killed, the server lives. On a file: `test/durable/sigkill`. */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { survives } from "../durable/sigkill/survives.ts"
import * as Servers from "../servers/Servers.ts"
import { rounds } from "./Storm.ts"

const kills = 5 * rounds

describe("a process is killed again and again", () => {
  it.live("K1-K5: on Postgres", () =>
    Effect.flatMap(Servers.url("postgres"), (url) => survives({ kind: "postgres", url, schema: "sigkill" }, kills))
  )

  it.live("K1-K5: on Redis", () =>
    Effect.flatMap(Servers.url("redis"), (url) => survives({ kind: "redis", url, prefix: "sigkill" }, kills))
  )
})
