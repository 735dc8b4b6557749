/** Reads the log in Redis. The keys are described in `RedisEventStore.ts`. */
import * as Effect from "effect/Effect"
import * as Client from "../persistence/RedisClient.ts"
import type { StoredEvent, StreamId } from "./Envelope.ts"
import type { ReadAllOptions, ReadOptions } from "./EventStoreDriver.ts"
import { streams } from "./RedisAppend.ts"

/** An entry of the log, as Redis answers it. */
type Entry = readonly [id: string, fields: ReadonlyArray<string>]

const fields = `local at = 0
local function arg() at = at + 1 return ARGV[at] end
${streams}`

/** Answers the entries of a range of versions, or `x` for a deleted stream. Positions that follow each other are one read. */
const readScript = Client.script(
  (key: string, stream: StreamId, { direction, from, max, to }: ReadOptions) => [
    key,
    stream,
    from ?? 0,
    to ?? Number.MAX_SAFE_INTEGER,
    max ?? Number.MAX_SAFE_INTEGER,
    direction === "backwards" ? 1 : 0
  ],
  {
    numberOfKeys: 1,
    lua: `${fields}
local s = load(arg())
if s.deleted then return 'x' end
local from, to = math.max(tonumber(arg()), s.base + 1), math.min(tonumber(arg()), s.version)
local max, backwards = tonumber(arg()), arg() == '1'
if backwards then from = math.max(from, to - max + 1) else to = math.min(to, from + max - 1) end
if from > to then return {} end
local positions = redis.call('LRANGE', s.list, from - s.base, to - s.base)
local entries, k = {}, 1
while k <= #positions do
  local first = tonumber(positions[k])
  local last = first
  while k < #positions and tonumber(positions[k + 1]) == last + 1 do k, last = k + 1, last + 1 end
  k = k + 1
  for _, entry in ipairs(redis.call('XRANGE', log, idOf(first), idOf(last))) do entries[#entries + 1] = entry end
end
if #entries ~= #positions then
  return redis.error_reply('TUTTI events of a stream are gone: keys below the prefix were removed or evicted')
end
if backwards then
  local reversed = {}
  for n = #entries, 1, -1 do reversed[#reversed + 1] = entries[n] end
  return reversed
end
return entries`
  }
).withReturnType<ReadonlyArray<Entry> | "x">()

const versionScript = Client.script((key: string, stream: StreamId) => [key, stream], {
  numberOfKeys: 1,
  lua: `${fields}
local s = load(arg())
return s.deleted and -1 or s.version`
}).withReturnType<number>()

/** Answers the entries that pass, of at most so many that are looked at; and where to go on, or `''` at the end. */
const filterScript = Client.script(
  (key: string, after: number, { max, streamPrefix, types }: ReadAllOptions) => [
    key,
    after,
    max,
    streamPrefix ?? "",
    ...(types === undefined ? [-1] : [types.length, ...types])
  ],
  {
    numberOfKeys: 1,
    lua: `${fields}
local after, max, start = arg(), tonumber(arg()), arg()
local count = tonumber(arg())
local types = {}
while at < #ARGV do types[arg()] = true end
local found, looked = {}, 0
while looked < 2000 do
  local page = redis.call('XRANGE', log, '(' .. after .. '-0', '+', 'COUNT', 200)
  for _, entry in ipairs(page) do
    local values = entry[2]
    after = string.match(entry[1], '^%d+')
    if (count < 0 or types[values[8]]) and string.sub(values[4], 1, #start) == start then
      found[#found + 1] = entry
      if #found == max then return { '', found } end
    end
  end
  looked = looked + #page
  if #page < 200 then return { '', found } end
end
return { after, found }`
  }
).withReturnType<readonly [next: string, entries: ReadonlyArray<Entry>]>()

/** Reads of one log. */
export class RedisReader {
  private readonly redis: Client.Redis["Service"]
  private readonly prefix: string
  private readonly headKey: string
  constructor(redis: Client.Redis["Service"], prefix: string) {
    this.redis = redis
    this.prefix = prefix
    this.headKey = `${prefix}:head`
  }

  readonly head: Effect.Effect<number, Client.RedisError> = Effect.suspend(() =>
    Effect.map(this.redis.send<string | null>("GET", this.headKey), Number)
  )

  /** -1 for a deleted stream. */
  version(stream: StreamId): Effect.Effect<number, Client.RedisError> {
    return this.redis.eval(versionScript)(this.headKey, stream)
  }

  /** `undefined` for a deleted stream. */
  read(
    stream: StreamId,
    options: ReadOptions
  ): Effect.Effect<ReadonlyArray<StoredEvent> | undefined, Client.RedisError> {
    return Effect.flatMap(this.redis.eval(readScript)(this.headKey, stream, options), (entries) =>
      entries === "x" ? Effect.succeed(undefined) : decode(entries)
    )
  }

  readAll(options: ReadAllOptions): Effect.Effect<ReadonlyArray<StoredEvent>, Client.RedisError> {
    const { after = 0, max, streamPrefix, types } = options
    if (types !== undefined || streamPrefix !== undefined) return this.filter(options, after)
    const page = this.redis.send<ReadonlyArray<Entry>>(
      "XRANGE",
      `${this.prefix}:log`,
      `(${after}-0`,
      "+",
      "COUNT",
      String(max)
    )
    return Effect.flatMap(page, decode)
  }

  private filter(options: ReadAllOptions, first: number) {
    return Effect.gen({ self: this }, function* () {
      const found: Array<Entry> = []
      let after = first
      while (true) {
        const left = { ...options, max: options.max - found.length }
        const [next, entries] = yield* this.redis.eval(filterScript)(this.headKey, after, left)
        found.push(...entries)
        if (next === "") return yield* decode(found)
        after = Number(next)
      }
    })
  }
}

const decode = (entries: ReadonlyArray<Entry>): Effect.Effect<ReadonlyArray<StoredEvent>, Client.RedisError> =>
  Effect.suspend(() => {
    const events: Array<StoredEvent> = []
    for (const entry of entries) {
      const event = decodeOne(entry)
      if (event === undefined) {
        const cause = new Error(`TUTTI entry ${entry[0]} of the log is not readable`)
        return Effect.fail(new Client.RedisError({ cause }))
      }
      events.push(event)
    }
    return Effect.succeed(events)
  })

/** The fields of an entry come in the order in which the script of the append gave them. */
const decodeOne = ([place, fields]: Entry): StoredEvent | undefined => {
  try {
    const [, id, , stream, , version, , type, , body] = fields
    const [schemaVersion, data, meta] = JSON.parse(body!)
    return {
      id: id!,
      stream: stream as StreamId,
      version: Number(version),
      position: Number.parseInt(place, 10),
      type: type!,
      schemaVersion,
      data,
      meta
    }
  } catch {
    return undefined
  }
}
