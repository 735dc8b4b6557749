/** The journal that the verbs work on: a file, or a database that several processes share. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Embedded from "../backends/Embedded.ts"
import type { EngineError, RunNotFound } from "../durable/RunError.ts"
import { type Arguments, type CliError, sentenceOf, workError } from "./Verb.ts"

type Journal = Layer.Layer<Embedded.Services, CliError>

export const defaultFile = Path.join(".tutti", "journal.db")

/** A path, or a URL of Postgres or Redis. */
export const placeOf = (args: Arguments): string => {
  const { db } = args.options
  return typeof db === "string" ? db : defaultFile
}

/** The engine on an existing journal: to look at runs and to talk to them. It carries out none. */
export const existing = (args: Arguments): Journal =>
  Layer.suspend(() => {
    const place = placeOf(args)
    if (serverOf(place) === undefined && !Fs.existsSync(place)) {
      const sentence = `There is no journal at ${place}. Start a run first (tutti audit), or name another with --db.`
      return failed(workError(sentence))
    }
    return open(place)
  })

/** The engine on a journal, made if there is none. */
export const open = (place: string): Journal =>
  Layer.suspend(() => serverOf(place)?.(place) ?? Embedded.layer({ filename: place })).pipe(
    Layer.catch((error) => failed(workError(sentenceOf(error))))
  )

const failed = (error: CliError): Journal => Layer.effectContext(Effect.fail(error))

type Server = (url: string) => Layer.Layer<Embedded.Services, unknown>

/** Databases are loaded only when they are named: their clients are optional dependencies. */
const postgres: Server = (url) =>
  loaded("@effect/sql-pg", async () => {
    const { layer } = await import("../backends/Postgres.ts")
    return layer({ url: Redacted.make(url), whenDown: "fail" })
  })

const redis: Server = (url) =>
  loaded("ioredis", async () => {
    const { layer } = await import("../backends/Redis.ts")
    return layer({ url: Redacted.make(url), whenDown: "fail" })
  })

const servers: { readonly [protocol: string]: Server } = { postgres, postgresql: postgres, redis, rediss: redis }

const serverOf = (place: string): Server | undefined => {
  const protocol = /^([a-z]+):\/\//.exec(place)?.[1]
  return protocol === undefined || !Object.hasOwn(servers, protocol) ? undefined : servers[protocol]
}

const loaded = (client: string, load: () => Promise<Layer.Layer<Embedded.Services, unknown>>) =>
  Layer.unwrap(
    Effect.tryPromise({
      try: load,
      catch: (cause) =>
        (cause as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND"
          ? new Error(`This database needs a client: npm install ${client}`)
          : cause
    })
  )

export const orSentence = <A, R>(self: Effect.Effect<A, EngineError | RunNotFound, R>): Effect.Effect<A, CliError, R> =>
  Effect.mapError(self, (error) => workError(sentenceOf(error)))
