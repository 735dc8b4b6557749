/**
 * The document store in Redis. Its keys are described in `RedisDocuments.ts`.
 *
 * All puts of a call are one script, so nothing comes between its checks and its writes. Queries read the ids of the
 * collection in order, in pages, and keep what matches; `index` declares fields of which an index narrows that down.
 *
 * A put carries a token. When its connection dies before it is answered, it is repeated with the same one, and known
 * again: nobody is told that it lost to itself, and no version is counted twice.
 *
 * **Gotchas**
 *
 * - A query is not one commit: pages are read one after another, and documents put meanwhile may be in it or not.
 * - To order by a field, all candidates are read.
 * - Expired documents are invisible at once, by the caller's clock, and are removed by later puts and by `purge`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { type Document, Persistence, PersistenceError, type Put } from "./Persistence.ts"
import * as Client from "./RedisClient.ts"
import * as Documents from "./RedisDocuments.ts"
import { RedisQuery } from "./RedisQuery.ts"

/**
 * Where documents lie, and what to do while Redis is away.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Client.Patience {
  /** Name that all keys begin with, in braces, so that a cluster keeps them on one node. Default `"tutti"`. */
  readonly prefix?: string
}

/** Every script has one key, which tells the node and the prefix. */
const begin = `
local at = 0
local function arg() at = at + 1 return ARGV[at] end
local prefix = string.match(KEYS[1], '^(.*):')
local now = tonumber(arg())
${Documents.lua}`

const parameters = (key: string, ...args: ReadonlyArray<string | number>) => [key, ...args]

/** Answers 1 if the puts are written, 0 if one does not hold, -1 if the writer does not know all indexes. */
const putScript = Client.script(parameters, {
  numberOfKeys: 1,
  lua: `${begin}
local token = arg()
local puts = {}
while at < #ARGV do puts[#puts + 1] = readPut() end
for _, put in ipairs(puts) do
  local old = parse(redis.call('HGET', documentsOf(put.c), put.id))
  if old and old.token == token then return 1 end
  if isStale(put) then return -1 end
end
if stage(puts) then return 0 end
flush(token)
return 1`
}).withReturnType<number>()

const deleteScript = Client.script(parameters, { numberOfKeys: 1, lua: `${begin}erase(arg(), arg())` })

/** Answers how many documents it removed. */
const purgeScript = Client.script(parameters, {
  numberOfKeys: 1,
  lua: `${begin}return purge(tonumber(arg()))`
}).withReturnType<number>()

/** Declares fields that are new, so that every later put writes their index. */
const declareScript = Client.script(parameters, {
  numberOfKeys: 1,
  lua: `${begin}
local key = indexesOf(arg())
while at < #ARGV do
  if redis.call('HSETNX', key, arg(), 'building') == 1 then redis.call('HINCRBY', key, 'generation', 1) end
end`
})

/** Indexes documents that were put before a declaration. Those that were put since are indexed already. */
const indexScript = Client.script(parameters, {
  numberOfKeys: 1,
  lua: `${begin}
local c, generation = arg(), tonumber(arg())
while at < #ARGV do
  local id, index = arg(), arg()
  local record = redis.call('HGET', documentsOf(c), id)
  local old = parse(record)
  if old and old.generation < generation then
    eachIndex(c, id, old.index, 'ZREM')
    eachIndex(c, id, index, 'ZADD')
    local head = string.format('%d %s %d %s\\n', old.version, old.expires, generation, old.token)
    redis.call('HSET', documentsOf(c), id, head .. index .. '\\n' .. string.sub(record, old.body))
  end
end`
})

/** How many expired documents one script removes: enough to be quick, few enough not to hold others up. */
const purgeAtOnce = 500

/**
 * Makes a document store on the Redis in the context. `documents` is what this process knows of indexes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Persistence["Service"], never, Client.Redis> {
  const redis = yield* Client.Redis
  const documents = new Documents.RedisDocuments(redis, Client.keyPrefix(options.prefix))
  const query = new RedisQuery(redis, documents)
  const patiently = Client.patiently(options)
  const key = `${documents.prefix}:expiry`
  const attempt = <A>(operation: string, body: (now: number) => Effect.Effect<A, Client.RedisError>) =>
    Clock.currentTimeMillis.pipe(
      Effect.flatMap((now) => patiently(Effect.suspend(() => body(now)))),
      Effect.mapError(persistenceError(operation))
    )

  const putAll = (puts: ReadonlyArray<Put>, token: string) => (now: number) =>
    Effect.gen(function* () {
      while (true) {
        const answer = yield* redis.eval(putScript)(key, now, token, ...documents.encode(puts))
        if (answer >= 0) return answer === 1
        yield* documents.refresh(puts.map(({ collection }) => collection))
      }
    })

  const build = (collection: string, fields: ReadonlyArray<string>, now: number) =>
    Effect.gen(function* () {
      const names = fields.map((field) => JSON.stringify(field))
      yield* redis.eval(declareScript)(key, now, collection, ...names)
      yield* documents.refresh([collection])
      const declared = documents.declared(collection)
      if (fields.every((field) => declared.ready.has(field))) return
      yield* query.pages(collection, (page) => {
        const old = page.filter(({ generation }) => generation < declared.generation)
        const entries = old.flatMap(({ body, id }) => [id, Documents.entriesOf(body, declared.fields)])
        return redis.eval(indexScript)(key, now, collection, declared.generation, ...entries)
      })
      yield* redis.send("HSET", documents.indexes(collection), ...names.flatMap((name) => [name, "ready"]))
      yield* documents.refresh([collection])
    })

  return Persistence.of({
    get: (collection, id) =>
      attempt("read a document", (now) =>
        Effect.flatMap(redis.send<string | null>("HGET", documents.documents(collection), id), (record) =>
          record === null
            ? Effect.succeed(undefined)
            : Effect.map(Documents.decode(id, record), (found) => visible(found, now))
        )
      ),
    putAll: (puts) =>
      puts.length === 0
        ? Effect.succeed(true)
        : Effect.flatMap(newToken, (token) => attempt("write documents", putAll(puts, token))),
    delete: (collection, id) =>
      attempt("delete a document", (now) => redis.eval(deleteScript)(key, now, collection, id)),
    query: (collection, wanted) => attempt("query documents", (now) => query.select(collection, wanted ?? {}, now)),
    index: (collection, fields) =>
      fields.length === 0 ? Effect.void : attempt("index a collection", (now) => build(collection, fields, now)),
    purge: attempt("purge documents", (now) =>
      Effect.repeat(redis.eval(purgeScript)(key, now, purgeAtOnce), { while: (removed) => removed === purgeAtOnce })
    ).pipe(Effect.asVoid)
  })
})

/**
 * A document store on the Redis in the context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Persistence, never, Client.Redis> =>
  Layer.effect(Persistence, make(options))

const newToken = Effect.map(Effect.all([Random.nextInt, Random.nextInt]), (numbers) =>
  numbers.map((number) => Math.abs(number).toString(36)).join("")
)

const visible = ({ body, expiresAt, id, version }: Documents.Record, now: number): Document | undefined =>
  expiresAt !== undefined && expiresAt <= now ? undefined : { id, version, body }

const persistenceError =
  (operation: string) =>
  (error: Client.RedisError): PersistenceError => {
    const { detail, retryable } = Client.meaningOf(error)
    return new PersistenceError({ operation, detail, retryable, cause: error.cause })
  }
