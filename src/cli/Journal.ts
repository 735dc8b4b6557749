/** The journal that the verbs work on: a file, or a database that several processes share. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type * as Backend from "../backends/Deployment.ts"
import * as Embedded from "../backends/Embedded.ts"
import type { EngineError, RunNotFound } from "../durable/RunError.ts"
import { type Arguments, CliError, sentenceOf, usageError, workError } from "./Verb.ts"

type Journal = Layer.Layer<Embedded.Services, CliError>
type Stores = Layer.Layer<Backend.Stores, CliError>

export const defaultFile = Path.join(".tutti", "journal.db")

/** A path, or a URL of Postgres or Redis. */
export const placeOf = (args: Arguments): string => {
  const { db } = args.options
  return typeof db === "string" ? db : defaultFile
}

/** The engine on an existing journal: to look at runs and to talk to them. It carries out none. */
export const existing = (args: Arguments): Journal => ifExisting(args, (place) => engineOn(place, "look"))

/** The engine on a journal, made if there is none. */
export const open = (place: string): Journal => engineOn(place, "work")

/** The stores of an existing journal, without an engine: to read the log as such. */
export const existingStores = (args: Arguments): Stores => ifExisting(args, (place) => storesOn(place, "look"))

/** The stores of a journal, made if there is none. */
export const stores = (place: string): Stores => storesOn(place, "work")

/** Who only looks need not be warned of what a server may lose. */
type Purpose = "look" | "work"

const engineOn = (place: string, purpose: Purpose): Journal =>
  orFailed(
    Layer.unwrap(
      Effect.map(serverOf(place), (server) => server?.layer(place, purpose) ?? Embedded.layer({ filename: place }))
    )
  )

const storesOn = (place: string, purpose: Purpose): Stores =>
  orFailed(
    Layer.unwrap(
      Effect.map(serverOf(place), (server) => server?.stores(place, purpose) ?? Embedded.stores({ filename: place }))
    )
  )

const ifExisting = <A>(args: Arguments, open: (place: string) => Layer.Layer<A, CliError>): Layer.Layer<A, CliError> =>
  Layer.suspend(() => {
    const place = placeOf(args)
    if (protocolOf(place) !== undefined || Fs.existsSync(place)) return open(place)
    const sentence = `There is no journal at ${place}. Start a run first (tutti audit), or name another with --db.`
    return Layer.effectContext(Effect.fail(workError(sentence)))
  })

const orFailed = <A>(layer: Layer.Layer<A, unknown>): Layer.Layer<A, CliError> =>
  Layer.catch(layer, (error) =>
    Layer.effectContext(Effect.fail(error instanceof CliError ? error : workError(sentenceOf(error))))
  )

interface Deployment {
  readonly layer: Layer.Layer<Embedded.Services, unknown>
  readonly stores: Layer.Layer<Backend.Stores, unknown>
}

interface Server {
  readonly layer: (url: string, purpose: Purpose) => Deployment["layer"]
  readonly stores: (url: string, purpose: Purpose) => Deployment["stores"]
}

type Load = (url: string, purpose: Purpose) => Promise<Deployment>

/** Databases are loaded only when they are named: their clients are optional dependencies. */
const server = (client: string, load: Load): Server => {
  const loaded = (url: string, purpose: Purpose) =>
    Effect.tryPromise({
      try: () => load(url, purpose),
      catch: (cause) =>
        (cause as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND"
          ? new Error(`This database needs a client: npm install ${client}`)
          : cause
    })
  return {
    layer: (url, purpose) => Layer.unwrap(Effect.map(loaded(url, purpose), ({ layer }) => layer)),
    stores: (url, purpose) => Layer.unwrap(Effect.map(loaded(url, purpose), ({ stores }) => stores))
  }
}

const postgres = server("@effect/sql-pg", async (url) => {
  const { layer, stores } = await import("../backends/Postgres.ts")
  const options = { url: Redacted.make(url), whenDown: "fail" } as const
  return { layer: layer(options), stores: stores(options) }
})

const redis = server("ioredis", async (url, purpose) => {
  const { layer, stores } = await import("../backends/Redis.ts")
  const durability = purpose === "look" ? "ignore" : "warn"
  const options = { url: Redacted.make(url), whenDown: "fail", durability } as const
  return { layer: layer(options), stores: stores(options) }
})

const servers: { readonly [protocol: string]: Server } = { postgres, postgresql: postgres, redis, rediss: redis }

const protocolOf = (place: string): string | undefined => /^([a-z]+):\/\//.exec(place)?.[1]

/** Nothing for a file. */
const serverOf = (place: string): Effect.Effect<Server | undefined, CliError> => {
  const protocol = protocolOf(place)
  if (protocol === undefined) return Effect.succeed(undefined)
  if (Object.hasOwn(servers, protocol)) return Effect.succeed(servers[protocol])
  const known = Object.keys(servers).map((name) => `${name}://`)
  return Effect.fail(usageError(`--db takes a file or a URL that begins with ${known.join(", ")}: not ${protocol}://.`))
}

export const orSentence = <A, R>(self: Effect.Effect<A, EngineError | RunNotFound, R>): Effect.Effect<A, CliError, R> =>
  Effect.mapError(self, (error) => workError(sentenceOf(error)))
