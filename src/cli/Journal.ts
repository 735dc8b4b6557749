/** The journal that the verbs work on: a file, or a database that several processes share. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Embedded from "../backends/Embedded.ts"
import type { Engine } from "../durable/Engine.ts"
import type { EngineError, RunNotFound } from "../durable/RunError.ts"
import { type Arguments, type CliError, sentenceOf, workError } from "./Verb.ts"

type Journal = Layer.Layer<Embedded.Services, CliError>
type Stores = Layer.Layer<Exclude<Embedded.Services, Engine>, CliError>

export const defaultFile = Path.join(".tutti", "journal.db")

/** A path, or a URL of Postgres or Redis. */
export const placeOf = (args: Arguments): string => {
  const { db } = args.options
  return typeof db === "string" ? db : defaultFile
}

/** The engine on an existing journal: to look at runs and to talk to them. It carries out none. */
export const existing = (args: Arguments): Journal => ifExisting(args, open)

/** The engine on a journal, made if there is none. */
export const open = (place: string): Journal =>
  orFailed(Layer.suspend(() => serverOf(place)?.layer(place) ?? Embedded.layer({ filename: place })))

/** The stores of an existing journal, without an engine: to read the log as such. */
export const existingStores = (args: Arguments): Stores => ifExisting(args, stores)

/** The stores of a journal, made if there is none. */
export const stores = (place: string): Stores =>
  orFailed(Layer.suspend(() => serverOf(place)?.stores(place) ?? Embedded.stores({ filename: place })))

const ifExisting = <A>(args: Arguments, open: (place: string) => Layer.Layer<A, CliError>): Layer.Layer<A, CliError> =>
  Layer.suspend(() => {
    const place = placeOf(args)
    if (serverOf(place) !== undefined || Fs.existsSync(place)) return open(place)
    const sentence = `There is no journal at ${place}. Start a run first (tutti audit), or name another with --db.`
    return Layer.effectContext(Effect.fail(workError(sentence)))
  })

const orFailed = <A>(layer: Layer.Layer<A, unknown>): Layer.Layer<A, CliError> =>
  Layer.catch(layer, (error) => Layer.effectContext(Effect.fail(workError(sentenceOf(error)))))

interface Deployment {
  readonly layer: Layer.Layer<Embedded.Services, unknown>
  readonly stores: Layer.Layer<Exclude<Embedded.Services, Engine>, unknown>
}

interface Server {
  readonly layer: (url: string) => Deployment["layer"]
  readonly stores: (url: string) => Deployment["stores"]
}

/** Databases are loaded only when they are named: their clients are optional dependencies. */
const server = (client: string, load: (url: string) => Promise<Deployment>): Server => ({
  layer: (url) => Layer.unwrap(Effect.map(loaded(client, url, load), ({ layer }) => layer)),
  stores: (url) => Layer.unwrap(Effect.map(loaded(client, url, load), ({ stores }) => stores))
})

const loaded = (client: string, url: string, load: (url: string) => Promise<Deployment>) =>
  Effect.tryPromise({
    try: () => load(url),
    catch: (cause) =>
      (cause as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND"
        ? new Error(`This database needs a client: npm install ${client}`)
        : cause
  })

const postgres = server("@effect/sql-pg", async (url) => {
  const { layer, stores } = await import("../backends/Postgres.ts")
  const options = { url: Redacted.make(url), whenDown: "fail" } as const
  return { layer: layer(options), stores: stores(options) }
})

const redis = server("ioredis", async (url) => {
  const { layer, stores } = await import("../backends/Redis.ts")
  const options = { url: Redacted.make(url), whenDown: "fail" } as const
  return { layer: layer(options), stores: stores(options) }
})

const servers: { readonly [protocol: string]: Server } = { postgres, postgresql: postgres, redis, rediss: redis }

const serverOf = (place: string): Server | undefined => {
  const protocol = /^([a-z]+):\/\//.exec(place)?.[1]
  return protocol === undefined || !Object.hasOwn(servers, protocol) ? undefined : servers[protocol]
}

export const orSentence = <A, R>(self: Effect.Effect<A, EngineError | RunNotFound, R>): Effect.Effect<A, CliError, R> =>
  Effect.mapError(self, (error) => workError(sentenceOf(error)))
