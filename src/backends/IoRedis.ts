/**
 * Effect's `Redis` service on ioredis: one server or a Redis Cluster.
 *
 * Invariants (checked by `test/backends/RedisConnection.test.ts`):
 *
 *   R1. Nothing is sent twice. A command whose connection died in flight fails, and its outcome is unknown; ioredis'
 *       own repetition is switched off. Only what Redis certainly did not run (MOVED, ASK, TRYAGAIN) goes on elsewhere.
 *   R2. No command waits for ever: not for a server that is down, nor for one that is silent.
 *   R3. The connection comes back by itself, for as long as the scope is open.
 *   R4. After a lost connection each subscription gets one empty message, once it listens again: what was published
 *       meanwhile is lost.
 *   R5. A script is known to every master of a cluster before it is called.
 *   R6. No error carries a password or the arguments of a command.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Cluster, Redis as IoRedis, type RedisOptions } from "ioredis"
import type { ConnectionOptions } from "node:tls"
import { make as makeRedis, Redis, RedisError } from "../persistence/RedisClient.ts"

/**
 * Where Redis is, and how long to wait for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * `redis://user:password@host:port/database`, or `rediss://` for TLS. Several, separated by commas, are nodes of a
   * Redis Cluster; user, password and TLS are those of the first. Default `redis://127.0.0.1:6379`.
   */
  readonly url?: string | Redacted.Redacted
  readonly username?: string
  readonly password?: Redacted.Redacted
  /** Treat a single `url` as a node of a Redis Cluster. Default: only if there are several. */
  readonly cluster?: boolean
  /** For `rediss://`: certificates and the like. */
  readonly tls?: ConnectionOptions
  /** How long one attempt to connect may take. Default 5 seconds. */
  readonly connectTimeout?: Duration.Input
  /** A server that owes an answer and is silent for so long is taken for dead. Default 10 seconds. */
  readonly responseTimeout?: Duration.Input
  /** Connections for blocking commands (`Redis.reserve`) at a time. Default 10. */
  readonly maxReserved?: number
}

interface Settings {
  readonly nodes: readonly [Node, ...Array<Node>]
  readonly isCluster: boolean
  readonly connection: Connection
  readonly responseTimeout: Duration.Duration
}

type Connection = Pick<
  RedisOptions,
  | "username"
  | "password"
  | "tls"
  | "db"
  | "connectTimeout"
  | "lazyConnect"
  | "enableReadyCheck"
  | "autoResendUnfulfilledCommands"
>

interface Node {
  readonly host: string
  readonly port: number
}

type Client = IoRedis | Cluster
type Send = Redis["Service"]["send"]

/**
 * Opens connections for the current scope. Does not wait for the server: the first command finds out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Redis["Service"], never, Scope.Scope> {
  const settings = settingsOf(options)
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => open(settings, "shared")),
    (client) => Effect.sync(() => client.disconnect())
  )
  return yield* makeRedis({
    send: sender(client, settings),
    connect: Effect.sync(() => {
      const reserved = open(settings, "reserved")
      return { send: sender(reserved, settings), close: Effect.sync(() => reserved.disconnect()) }
    }),
    pool: { maxConnections: options.maxReserved ?? 10 },
    subscribe: (channel, onMessage) =>
      subscribe(client, settings, (message) => onMessage({ channel, message }))(channel)
  })
})

/**
 * The service for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Redis> => Layer.effect(Redis, make(options))

/** The next attempt to connect comes after 50, 100, 200 … milliseconds, and at least every second (R3). */
const retryDelay = (attempt: number): number => Math.min(50 * 2 ** Math.min(attempt - 1, 10), 1000)

const settingsOf = (options: Options): Settings => {
  const url = options.url ?? "redis://127.0.0.1:6379"
  const urls = (Redacted.isRedacted(url) ? Redacted.value(url) : url).split(",").map(parse)
  const first = urls[0]!
  const nodes = urls.map(({ hostname, port }): Node => ({
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? 6379 : Number(port)
  }))
  const username = options.username ?? decodeURIComponent(first.username)
  const password = options.password ? Redacted.value(options.password) : decodeURIComponent(first.password)
  const responseTimeout = Duration.fromInputUnsafe(options.responseTimeout ?? "10 seconds")
  return {
    nodes: nodes as [Node, ...Array<Node>],
    isCluster: options.cluster ?? nodes.length > 1,
    responseTimeout,
    connection: {
      ...(username !== "" && { username }),
      ...(password !== "" && { password }),
      ...(first.protocol === "rediss:" && { tls: options.tls ?? {} }),
      db: Number(first.pathname.slice(1)),
      connectTimeout: Duration.toMillis(options.connectTimeout ?? "5 seconds"),
      lazyConnect: true,
      // A server that loads its data says so, which is better than silence.
      enableReadyCheck: false,
      autoResendUnfulfilledCommands: false
    }
  }
}

/** R6: the error that `URL` throws shows what it was given. */
const parse = (url: string): URL => {
  const text = url.trim()
  if (/^rediss?:\/\//.test(text) && URL.canParse(text)) return new URL(text)
  throw new Error("the url of Redis must be redis://host:port or rediss://host:port, or several separated by commas")
}

const open = (settings: Settings, use: "shared" | "reserved"): Client => {
  const { connection, isCluster, nodes, responseTimeout } = settings
  // R2: a blocking command is silent by intent.
  const silence = use === "shared" ? { socketTimeout: Duration.toMillis(responseTimeout) } : {}
  if (!isCluster) {
    return new IoRedis({
      ...connection,
      ...nodes[0],
      ...silence,
      // R1, R2: what was under way or waits when a connection or an attempt to connect ends is failed, not repeated.
      maxRetriesPerRequest: 0,
      retryStrategy: use === "shared" ? retryDelay : null,
      // A master that became a replica: its name may lead elsewhere by now.
      reconnectOnError: ({ message }) => message.startsWith("READONLY")
    })
  }
  return new Cluster([...nodes], {
    redisOptions: { ...connection, ...silence, db: 0 },
    lazyConnect: true,
    enableReadyCheck: false,
    clusterRetryStrategy: retryDelay,
    retryDelayOnFailover: 0, // R1
    slotsRefreshInterval: 2000
  })
}

const sender = (client: Client, { isCluster, responseTimeout }: Settings): Send => {
  let trouble: unknown
  const remember = (cause: unknown) => void (trouble = cause)
  client.on("error", remember)
  client.on("node error", remember)
  client.on("ready", () => remember(undefined))
  const send: Send = <A>(command: string, ...args: ReadonlyArray<string>) =>
    Effect.tryPromise({
      try: () => (isScriptLoad(client, command, args) ? loadEverywhere(client, args) : client.call(command, [...args])),
      catch: (cause) => failure(cause, trouble)
    }) as Effect.Effect<A, RedisError>
  if (!isCluster) return send
  const silence = Effect.fail(failure(new Error("no node of the cluster answered"), undefined))
  const refresh = Effect.sync(() => (client as Cluster).refreshSlotsCache())
  // R2: ioredis keeps commands while no node of the cluster answers, without limit.
  return <A>(command: string, ...args: ReadonlyArray<string>) =>
    send<A>(command, ...args).pipe(
      Effect.timeoutOrElse({ duration: responseTimeout, orElse: () => silence }),
      Effect.tapError(() => refresh)
    )
}

const isScriptLoad = (client: Client, command: string, args: ReadonlyArray<string>): client is Cluster =>
  client instanceof Cluster && command === "SCRIPT" && args[0] === "LOAD"

/** R5. A master that is down cannot be called either. */
const loadEverywhere = async (cluster: Cluster, args: ReadonlyArray<string>): Promise<unknown> => {
  // Asks any node for nothing, so that the nodes are known.
  if (cluster.nodes("master").length === 0 || cluster.status !== "ready") await cluster.call("PING")
  return Promise.any(cluster.nodes("master").map((node) => node.call("SCRIPT", [...args])))
}

/** R6: ioredis attaches the command, with what it carries, to its errors. */
const failure = (cause: unknown, trouble: unknown): RedisError => {
  const text = textOf(cause)
  // ioredis says that it gave up; what went wrong before says more.
  const isLoss = /Connection is closed|max retries/.test(text)
  return new RedisError({ cause: new Error(isLoss ? textOf(trouble ?? "the connection was lost") : text) })
}

/** Of attempts at several addresses or nodes, the first says enough. */
const textOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  const error = cause instanceof AggregateError ? (cause.errors[0] as Error) : cause
  const code = "code" in error ? String(error.code) : error.name
  return error.message === "" ? code : error.message
}

const subscribe = (client: Client, settings: Settings, onMessage: (message: string) => void) =>
  Effect.fnUntraced(function* (channel: string) {
    let current: IoRedis | undefined
    let attempts = 0
    const disconnect = () => current?.disconnect()
    yield* Effect.addFinalizer(() => Effect.sync(disconnect))
    const listen = Effect.tryPromise({
      try: async () => {
        disconnect()
        const node = nodeFor(client, settings, attempts++)
        const connection = new IoRedis({
          ...settings.connection,
          ...node,
          retryStrategy: null,
          maxRetriesPerRequest: 0
        })
        current = connection
        connection.on("error", () => undefined)
        connection.on("message", (_, message) => onMessage(message))
        await connection.subscribe(channel)
        return connection
      },
      catch: (cause) => failure(cause, undefined)
    })
    let connection = yield* listen
    return Effect.gen(function* () {
      while (true) {
        yield* lost(connection)
        connection = yield* Effect.retry(listen, reconnecting)
        onMessage("") // R4
      }
    })
  })

const reconnecting = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

const lost = (connection: IoRedis): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (connection.status === "end") return resume(Effect.void)
    connection.once("end", () => resume(Effect.void))
  })

/** Every node of a cluster hears what is published at any of them. */
const nodeFor = (client: Client, { nodes }: Settings, attempt: number): Partial<Node> => {
  if (!(client instanceof Cluster)) return nodes[0]
  const known = client.nodes().map(({ options }) => ({ host: options.host!, port: options.port! }))
  const all = known.length === 0 ? nodes : known
  return all[attempt % all.length]!
}
