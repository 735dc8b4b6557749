/** Redis of our own: one server, or a cluster of three. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Binaries from "./Binaries.ts"
import * as Port from "./Port.ts"
import type { ServerError } from "./ServerError.ts"
import * as ServerProcess from "./ServerProcess.ts"

export interface Options {
  /** Settings of `redis.conf`. Default: an append-only file, synced before every answer. */
  readonly settings?: Readonly<Record<string, string | number>>
}

export interface Redis extends ServerProcess.Server {
  readonly url: string
}

export interface RedisCluster {
  /** The URLs of all nodes, separated by commas. */
  readonly url: string
  readonly nodes: ReadonlyArray<Redis>
}

export const wanted: Binaries.Wanted = {
  server: "Redis",
  programs: ["redis-server"],
  debian: "redis-server",
  homebrew: "redis",
  variable: "TUTTI_TEST_REDIS_URL"
}

export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Redis, ServerError, Scope.Scope> {
  const bin = yield* Binaries.find(wanted)
  const port = yield* Port.free
  const directory = yield* place
  const answers = Effect.map(Port.ask(port, "PING\r\n"), (answer) => answer.startsWith("+PONG"))
  return yield* serve({ bin, port, directory, answers, settings: options.settings ?? {} })
})

/**
 * Three masters that share the slots evenly and know each other from the start.
 *
 * A node that was killed is not replaced: it has no replica, and its slots are down until it is started again.
 */
export const cluster = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<RedisCluster, ServerError, Scope.Scope> {
  const bin = yield* Binaries.find({ ...wanted, variable: "TUTTI_TEST_REDIS_CLUSTER_URL" })
  const members: Array<Member> = []
  while (members.length < shares.length) {
    const port = yield* Port.free
    if (!members.some((member) => member.port === port)) members.push({ port, index: members.length })
  }
  const settings = { "cluster-enabled": "yes", "cluster-config-file": "nodes.conf", ...options.settings }
  const nodes = yield* Effect.forEach(
    members,
    Effect.fnUntraced(function* (member) {
      const directory = yield* place
      writeFileSync(join(directory, "data", "nodes.conf"), nodesFile(members, member))
      const answers = Effect.map(Port.ask(member.port, "CLUSTER INFO\r\n"), (answer) =>
        answer.includes("cluster_state:ok")
      )
      return yield* serve({ bin, port: member.port, directory, answers, settings })
    }),
    { concurrency: "unbounded" }
  )
  return { url: nodes.map(({ url }) => url).join(","), nodes }
})

interface Place {
  readonly bin: string
  readonly port: number
  readonly directory: string
  readonly answers: Effect.Effect<boolean>
  readonly settings: Readonly<Record<string, string | number>>
}

const place = Effect.tap(ServerProcess.directory("redis"), (directory) =>
  Effect.sync(() => mkdirSync(join(directory, "data")))
)

const serve = ({ answers, bin, directory, port, settings }: Place): Effect.Effect<Redis, ServerError> => {
  const all = {
    port,
    bind: "127.0.0.1",
    dir: join(directory, "data"),
    save: "",
    appendonly: "yes",
    appendfsync: "always",
    ...settings
  }
  const told = Effect.map(Port.ask(port, "INFO server\r\n"), (answer) => /^run_id:(\w+)/m.exec(answer)?.[1] ?? "")
  return Effect.map(
    ServerProcess.make({
      name: "Redis",
      port,
      directory,
      command: join(bin, "redis-server"),
      args: Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]),
      answers,
      incarnation: told
    }),
    (server) => ({ ...server, url: `redis://127.0.0.1:${port}` })
  )
}

interface Member {
  readonly port: number
  readonly index: number
}

const shares = ["0-5460", "5461-10922", "10923-16383"]

const nodeId = ({ index }: Member) => String(index + 1).repeat(40)

/** A node's memory of its cluster: written beforehand, it needs no introduction of the nodes to each other. */
const nodesFile = (members: ReadonlyArray<Member>, self: Member): string => {
  const lines = members.map((member) => {
    const { index, port } = member
    const flags = member === self ? "myself,master" : "master"
    return `${nodeId(member)} 127.0.0.1:${port}@${port + 10_000} ${flags} - 0 0 ${index + 1} connected ${shares[index]}`
  })
  return [...lines, `vars currentEpoch ${members.length} lastVoteEpoch 0`, ""].join("\n")
}
