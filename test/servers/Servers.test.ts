import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Binaries from "./Binaries.ts"
import * as Port from "./Port.ts"
import type { ServerError } from "./ServerError.ts"
import type { Server } from "./ServerProcess.ts"
import * as Servers from "./Servers.ts"
import { onWallClock } from "./wallClock.ts"

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Asks until the answer is yes. */
const eventually = (check: Effect.Effect<boolean>) =>
  Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("20 millis") }).pipe(
    Effect.timeout("20 seconds"),
    onWallClock
  )

const surviveKill = Effect.fnUntraced(function* (server: Server) {
  const first = yield* server.pid
  const incarnation = yield* server.incarnation
  assert.notStrictEqual(incarnation, "")
  assert.strictEqual(yield* server.incarnation, incarnation)
  yield* server.kill
  assert.isFalse(lives(first))
  assert.isFalse(yield* server.answers)
  const twice = yield* Effect.flip(server.kill)
  assert.include(twice.message, "is not running")
  yield* server.start
  assert.isTrue(yield* server.answers)
  assert.notStrictEqual(yield* server.pid, first)
  assert.notStrictEqual(yield* server.incarnation, incarnation)
  assert.include((yield* Effect.flip(server.start)).message, "is running already")
})

const surviveFreeze = Effect.fnUntraced(function* (server: Server) {
  yield* server.freeze
  assert.isFalse(yield* server.answers)
  yield* server.thaw
  assert.isTrue(yield* server.answers)
})

describe("servers of one's own", () => {
  it.effect("V1, V3: PostgreSQL is killed, started again and frozen", () =>
    Effect.gen(function* () {
      const server = yield* Servers.postgres()
      yield* surviveKill(server)
      yield* surviveFreeze(server)
    })
  )

  it.effect("V1, V3: Redis is killed, started again with its data, and frozen", () =>
    Effect.gen(function* () {
      const server = yield* Servers.redis()
      assert.strictEqual(yield* Port.ask(server.port, "SET key value\r\n"), "+OK\r\n")
      yield* surviveKill(server)
      assert.strictEqual(yield* Port.ask(server.port, "GET key\r\n"), "$5\r\nvalue\r\n")
      yield* surviveFreeze(server)
    })
  )

  it.effect("V1: a node of the cluster comes back to it", () =>
    Effect.gen(function* () {
      const { nodes, url } = yield* Servers.redisCluster()
      assert.lengthOf(url.split(","), 3)
      // Slot of "key": 12539, of the third node.
      assert.strictEqual(
        yield* Port.ask(nodes[0]!.port, "SET key value\r\n"),
        `-MOVED 12539 127.0.0.1:${nodes[2]!.port}\r\n`
      )
      assert.strictEqual(yield* Port.ask(nodes[2]!.port, "SET key value\r\n"), "+OK\r\n")
      yield* surviveKill(nodes[2]!)
      assert.strictEqual(yield* Port.ask(nodes[2]!.port, "GET key\r\n"), "$5\r\nvalue\r\n")
    })
  )

  const servers: Record<string, Effect.Effect<Server, ServerError, Scope.Scope>> = {
    postgres: Servers.postgres(),
    redis: Servers.redis()
  }
  for (const [kind, start] of Object.entries(servers)) {
    it.effect(`V2: ${kind} and its data are gone when the scope closes, frozen or not`, () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const server: Server = yield* Scope.provide(start, scope)
        const pid = yield* server.pid
        assert.isTrue(existsSync(server.directory))
        yield* server.freeze
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(existsSync(server.directory))
        assert.isFalse(lives(pid))
      })
    )
  }

  it.effect("V2: servers end with the process that started them, even if it is killed", () =>
    Effect.gen(function* () {
      const owner = spawn(
        process.execPath,
        [
          "--conditions=tutti-source",
          "--disable-warning=ExperimentalWarning",
          fileURLToPath(new URL("owner.ts", import.meta.url))
        ],
        { stdio: ["pipe", "pipe", "inherit"] }
      )
      const ended = new Promise<unknown>((resolve) => owner.once("exit", (_, signal) => resolve(signal)))
      const started = yield* Effect.promise(
        () => new Promise<string>((resolve) => owner.stdout.once("data", (bytes) => resolve(String(bytes))))
      )
      const servers = JSON.parse(started) as ReadonlyArray<{ readonly pid: number; readonly directory: string }>
      assert.lengthOf(servers, 2)
      for (const { pid } of servers) assert.isTrue(lives(pid))
      owner.kill("SIGKILL")
      assert.strictEqual(yield* Effect.promise(() => ended), "SIGKILL")
      yield* eventually(Effect.sync(() => servers.every((one) => !lives(one.pid) && !existsSync(one.directory))))
    })
  )
})

describe("the shared servers", () => {
  for (const kind of ["postgres", "redis", "redis-cluster"] as const) {
    it.effect(`${kind} is the same for all who ask`, () =>
      Effect.gen(function* () {
        const [one, other] = yield* Effect.all([Servers.url(kind), Servers.url(kind)], { concurrency: 2 })
        assert.strictEqual(one, other)
        assert.match(one, kind === "postgres" ? /^postgres:/ : /^redis:/)
      })
    )
  }
})

/** Sets a variable of the environment for as long as the scope lives. */
const variable = (name: string, value: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env[name]
      process.env[name] = value
      return before
    }),
    (before) =>
      Effect.sync(() => {
        if (before === undefined) delete process.env[name]
        else process.env[name] = before
      })
  )

describe("servers that the environment names", () => {
  for (const [kind, name] of [
    ["postgres", "TUTTI_TEST_POSTGRES_URL"],
    ["redis", "TUTTI_TEST_REDIS_URL"],
    ["redis-cluster", "TUTTI_TEST_REDIS_CLUSTER_URL"]
  ] as const) {
    it.effect(`${name} takes precedence over ours`, () =>
      Effect.gen(function* () {
        yield* variable(name, "redis://elsewhere:1")
        assert.strictEqual(yield* Servers.url(kind), "redis://elsewhere:1")
      })
    )
  }

  it.effect("a host that cannot have a server is a failure, not a skip", () =>
    Effect.gen(function* () {
      yield* variable("TUTTI_TEST_REDIS_URL", "")
      yield* variable(Servers.hostVariable, "http://127.0.0.1:1")
      const failure = yield* Effect.flip(Servers.url("redis"))
      assert.include(failure.message, "did not answer")
    })
  )
})

describe("binaries", () => {
  const wanted: Binaries.Wanted = {
    server: "ThingDB",
    programs: ["thing-server"],
    debian: "thing",
    homebrew: "thing-brew",
    variable: "TUTTI_TEST_THING_URL"
  }
  const emptyDirectory = Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "tutti-bin-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  const put = (directory: string) => {
    writeFileSync(join(directory, "thing-server"), "")
    chmodSync(join(directory, "thing-server"), 0o755)
  }

  it.effect("a missing one is a failure that says how to get it", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(
        Binaries.find(wanted, { directories: () => ["/nowhere"], install: () => Effect.fail("only root may") })
      )
      assert.strictEqual(
        failure.message,
        'ThingDB is needed by the tests and was not found (only root may): install it with "apt-get install thing" or ' +
          '"brew install thing-brew", or set TUTTI_TEST_THING_URL to the URL of a server that they may write to.'
      )
    })
  )

  it.effect("a missing one is installed where that may be done, and looked for again", () =>
    Effect.gen(function* () {
      const directory = yield* emptyDirectory
      const install = (name: string) =>
        name === "thing" ? Effect.sync(() => put(directory)) : Effect.fail(`asked for ${name}`)
      assert.strictEqual(yield* Binaries.find(wanted, { directories: () => ["/no", directory], install }), directory)
    })
  )

  it.effect("an installation that does not bring it is a failure, too", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(
        Binaries.find(wanted, { directories: () => ["/nowhere"], install: () => Effect.void })
      )
      assert.include(failure.message, "did not bring it")
    })
  )
})
