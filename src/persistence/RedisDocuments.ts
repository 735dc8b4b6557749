/**
 * How documents lie in Redis, and the part of the scripts that writes them.
 *
 * Keys, below the prefix `{tutti}`:
 *
 * - `:documents:<collection>` hash: id → record
 * - `:ids:<collection>` sorted set, all scores 0: ids in the order of their bytes, which is that of code points
 * - `:expiry` sorted set: documents that expire, by the instant at which they do
 * - `:indexes:<collection>` hash: JSON text of a field → `building` or `ready`; and `generation`
 * - `:index:<length of collection>:<collection>:<JSON text of field>` sorted set, all scores 0: `<JSON text of value>\0<id>`
 *
 * A record is text of three lines: `version expires generation token`, the index entries, and the body as JSON. So no
 * script ever decodes a body, and no number loses its digits.
 *
 * An event store writes documents in the script of its append, and the document store in one of its own: both run
 * `lua`, and both stage everything before they write anything, for a script of Redis is not rolled back.
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Document, Put } from "./Persistence.ts"
import { type Redis, RedisError } from "./RedisClient.ts"

/**
 * The part of a script that knows documents. Needs `arg` (the next argument), `prefix` and `now`.
 *
 * `stage` lays puts upon those staged before, or says which does not hold; `flush` writes. `isStale` says that a
 * collection has indexes that the writer did not know of.
 */
export const lua = `
local expiry = prefix .. ':expiry'
local function documentsOf(c) return prefix .. ':documents:' .. c end
local function idsOf(c) return prefix .. ':ids:' .. c end
local function indexesOf(c) return prefix .. ':indexes:' .. c end
local function nameOf(c, id) return #c .. ':' .. c .. id end

local function parse(record)
  if not record then return nil end
  local version, expires, generation, token, index, body =
    string.match(record, '^(%d+) (%S*) (%d+) (%S*)\\n([^\\n]*)\\n()')
  return { version = tonumber(version), expires = expires, generation = tonumber(generation), token = token,
    index = index, body = body, live = expires == '' or tonumber(expires) > now }
end

local function eachIndex(c, id, index, command)
  for field, value in string.gmatch(index, '([^\\t]+)\\t([^\\t]+)') do
    local key = prefix .. ':index:' .. nameOf(c, ':' .. field)
    if command == 'ZADD' then redis.call('ZADD', key, 0, value .. '\\0' .. id)
    else redis.call('ZREM', key, value .. '\\0' .. id) end
  end
end

local function erase(c, id)
  local old = parse(redis.call('HGET', documentsOf(c), id))
  if not old then return end
  eachIndex(c, id, old.index, 'ZREM')
  redis.call('HDEL', documentsOf(c), id)
  redis.call('ZREM', idsOf(c), id)
  redis.call('ZREM', expiry, nameOf(c, id))
end

local function purge(count)
  local names = redis.call('ZRANGEBYSCORE', expiry, '-inf', string.format('%.17g', now), 'LIMIT', 0, count)
  for _, name in ipairs(names) do
    local length, rest = string.match(name, '^(%d+):()')
    erase(string.sub(name, rest, rest + length - 1), string.sub(name, rest + length))
    redis.call('ZREM', expiry, name)
  end
  return #names
end

local staged, order, generations = {}, {}, {}
local function readPut()
  return { c = arg(), generation = arg(), id = arg(), expected = arg(), expires = arg(), index = arg(), body = arg() }
end

local function isStale(put)
  if not generations[put.c] then
    generations[put.c] = redis.call('HGET', indexesOf(put.c), 'generation') or '0'
  end
  return generations[put.c] ~= put.generation
end

local function current(put, name)
  if staged[name] then return staged[name] end
  local old = parse(redis.call('HGET', documentsOf(put.c), put.id))
  return { version = old and old.live and old.version or 0, old = old }
end

local function stage(puts)
  local own, names = {}, {}
  for k, put in ipairs(puts) do
    local name = nameOf(put.c, put.id)
    local before = own[name] or current(put, name)
    if put.expected ~= '' and tonumber(put.expected) ~= before.version then return k end
    if not own[name] then names[#names + 1] = name end
    own[name] = { version = before.version + 1, old = before.old, put = put }
  end
  for _, name in ipairs(names) do
    if not staged[name] then order[#order + 1] = name end
    staged[name] = own[name]
  end
end

local function flush(token)
  for _, name in ipairs(order) do
    local one = staged[name]
    local put, old = one.put, one.old
    if old and old.index ~= put.index then eachIndex(put.c, put.id, old.index, 'ZREM') end
    if not old or old.index ~= put.index then eachIndex(put.c, put.id, put.index, 'ZADD') end
    local head = string.format('%d %s %s %s\\n', one.version, put.expires, put.generation, token)
    redis.call('HSET', documentsOf(put.c), put.id, head .. put.index .. '\\n' .. put.body)
    if not old then redis.call('ZADD', idsOf(put.c), 0, put.id) end
    if put.expires ~= '' then redis.call('ZADD', expiry, put.expires, name)
    elseif old and old.expires ~= '' then redis.call('ZREM', expiry, name) end
  end
  if #order > 0 then purge(20) end
end
`

/** A document as it lies in Redis. */
export interface Record extends Document {
  readonly expiresAt: number | undefined
  /** Of the indexes that it is in. */
  readonly generation: number
}

/** Which fields of a collection have an index. */
interface Declaration {
  /** Grows with each field, so that a script notices a writer that does not know all of them. */
  readonly generation: number
  readonly fields: ReadonlyArray<string>
  /** Fields of which every document is indexed. */
  readonly ready: ReadonlySet<string>
}

const undeclared: Declaration = { generation: 0, fields: [], ready: new Set() }

/** What one process knows of the indexes that were declared. */
export class RedisDocuments {
  private readonly declarations = new Map<string, Declaration>()
  private readonly redis: Redis["Service"]
  readonly prefix: string
  constructor(redis: Redis["Service"], prefix: string) {
    this.redis = redis
    this.prefix = prefix
  }

  /** Key of the documents of a collection. */
  documents(collection: string): string {
    return `${this.prefix}:documents:${collection}`
  }
  /** Key of the ids of a collection. */
  ids(collection: string): string {
    return `${this.prefix}:ids:${collection}`
  }
  /** Key of what is declared of a collection. */
  indexes(collection: string): string {
    return `${this.prefix}:indexes:${collection}`
  }
  /** Key of an index. */
  index(collection: string, field: string): string {
    return `${this.prefix}:index:${Buffer.byteLength(collection)}:${collection}:${JSON.stringify(field)}`
  }

  /** What is declared of a collection, as far as it is known here. */
  declared(collection: string): Declaration {
    return this.declarations.get(collection) ?? undeclared
  }

  /** Learns what is declared of collections. */
  refresh(collections: Iterable<string>): Effect.Effect<void, RedisError> {
    const read = (collection: string) =>
      Effect.map(this.redis.send<ReadonlyArray<string>>("HGETALL", this.indexes(collection)), (pairs) =>
        this.learn(collection, pairs)
      )
    return Effect.forEach(new Set(collections), read, { discard: true })
  }

  /** As `refresh`, but only if nothing is known yet. */
  known(collection: string): Effect.Effect<Declaration, RedisError> {
    const found = this.declarations.get(collection)
    if (found !== undefined) return Effect.succeed(found)
    return Effect.map(this.refresh([collection]), () => this.declared(collection))
  }

  /** The arguments of puts. */
  encode(puts: ReadonlyArray<Put>): Array<string> {
    const all: Array<string> = []
    for (const { body, collection, expected, expiresAt, id } of puts) {
      const { fields, generation } = this.declared(collection)
      all.push(collection, String(generation), id, text(expected), text(expiresAt))
      all.push(entriesOf(body, fields), JSON.stringify(body))
    }
    return all
  }

  private learn(collection: string, pairs: ReadonlyArray<string>): void {
    let generation = 0
    const fields: Array<string> = []
    const ready = new Set<string>()
    for (let index = 0; index < pairs.length; index += 2) {
      const [name, state] = [pairs[index]!, pairs[index + 1]!]
      if (name === "generation") {
        generation = Number(state)
        continue
      }
      const field = JSON.parse(name) as string
      fields.push(field)
      if (state === "ready") ready.add(field)
    }
    this.declarations.set(collection, { generation, fields: fields.toSorted(), ready })
  }
}

const text = (value: number | undefined): string => (value === undefined ? "" : String(value))

/** What an index keeps of a value: enough to find candidates by. */
export const indexed = (value: Schema.Json | undefined): string => JSON.stringify(value ?? null).slice(0, 200)

/** The index entries of a body. An object or an array equals nothing, so it has none. */
export const entriesOf = (body: Schema.JsonObject, fields: ReadonlyArray<string>): string =>
  fields
    .filter((field) => typeof (body[field] ?? null) !== "object" || (body[field] ?? null) === null)
    .map((field) => `${JSON.stringify(field)}\t${indexed(body[field])}`)
    .join("\t")

/** Restores a document from its record. */
export const decode = (id: string, record: string): Effect.Effect<Record, RedisError> =>
  Effect.try({
    try: () => {
      const first = record.indexOf("\n")
      const [version, expires, generation] = record.slice(0, first).split(" ")
      return {
        id,
        version: Number(version),
        expiresAt: expires === "" ? undefined : Number(expires),
        generation: Number(generation),
        body: JSON.parse(record.slice(record.indexOf("\n", first + 1) + 1))
      }
    },
    catch: () => new RedisError({ cause: new Error(`TUTTI the record of document "${id}" is not readable`) })
  })
