/**
 * The script that appends. The keys are described in `RedisEventStore.ts`.
 *
 * A script of Redis is atomic to all others, but it is not rolled back when it fails half-way. So it works in two parts:
 * the first only reads, and decides every request of the batch upon those before it; the second only writes, and there
 * is nothing left in it that could fail.
 */
import type { Put } from "../persistence/Persistence.ts"
import * as Client from "../persistence/RedisClient.ts"
import * as Documents from "../persistence/RedisDocuments.ts"
import type { EncodedEvent, ExpectedVersion, StreamId } from "./Envelope.ts"
import { type AppendOutcome, type AppendRequest, exactVersion } from "./EventStoreDriver.ts"
import { DocumentConflict, StreamDeleted, VersionConflict } from "./EventStoreError.ts"
import * as RedisAudience from "./RedisAudience.ts"

/**
 * How a script knows streams. `load` finds a stream or makes an empty one, `idAt` and `positionAt` look at one of its
 * events, which may lie in Redis or be staged.
 *
 * A stream is a list: how many of its events were forgotten (or `x`: deleted), then the position of each that is kept.
 */
export const streams = `
local prefix = string.match(KEYS[1], '^(.*):')
local log = prefix .. ':log'
local function idOf(position) return string.format('%.0f-0', position) end

local function load(name)
  local list = prefix .. ':stream:' .. name
  local base = redis.call('LINDEX', list, 0)
  local s = { name = name, list = list, dedup = prefix .. ':dedup:' .. name, isNew = not base, deleted = base == 'x',
    base = tonumber(base or 0) or 0, ids = {}, positions = {}, known = {} }
  s.kept = base and redis.call('LLEN', list) - 1 or 0
  s.stored = s.base + s.kept
  s.version = s.stored
  return s
end

local function positionAt(s, version)
  if version > s.stored then return s.positions[version - s.stored] end
  if version <= s.base then return nil end
  return tonumber(redis.call('LINDEX', s.list, version - s.base))
end

local function idAt(s, version)
  if version > s.stored then return s.ids[version - s.stored] end
  local position = positionAt(s, version)
  local entry = position and redis.call('XRANGE', log, idOf(position), idOf(position))[1]
  return entry and entry[2][2]
end

local function holds(expected, version)
  if expected == 'Any' then return true end
  if expected == 'StreamExists' then return version > 0 end
  return tonumber(expected) == version
end
`

const lua = `
local at = 0
local function arg() at = at + 1 return ARGV[at] end
${streams}
local now = tonumber(arg())
${Documents.lua}
${RedisAudience.lua}
local source, announce = arg(), hasAudience(arg())
local head = redis.call('GET', KEYS[1])
if not head and redis.call('EXISTS', log) == 1 then
  return redis.error_reply('TUTTI the head of the log is gone: keys below the prefix were removed or evicted')
end
head = tonumber(head or 0)

local streams, writes, answers = {}, {}, {}
for k = 1, tonumber(arg()) do streams[k] = load(arg()) end

local function answer(code, one, other)
  local n = #answers
  answers[n + 1], answers[n + 2], answers[n + 3] = code, one, other
end

-- The version before the first of the events that the stream has already, of those that are looked up by id.
local function firstKnown(s, first, count)
  if s.version == 0 then return nil end
  for k = 0, count - 1 do
    local id = ARGV[first + 3 * k]
    local version = s.known[id] or (not s.isNew and redis.call('HGET', s.dedup, id))
    if version then return tonumber(version) - k - 1 end
  end
end

local function isSame(s, after, first, count)
  for k = 0, count - 1 do
    if idAt(s, after + k + 1) ~= ARGV[first + 3 * k] then return false end
  end
  return true
end

local function add(s, first, count, exact)
  for k = 0, count - 1 do
    local id = ARGV[first + 3 * k]
    s.version, head = s.version + 1, head + 1
    s.ids[#s.ids + 1], s.positions[#s.positions + 1] = id, head
    if not exact then s.known[id] = s.version end
    local n = #writes
    writes[n + 1], writes[n + 2], writes[n + 3], writes[n + 4] = s, first + 3 * k, s.version, head
  end
  answer(0, s.version, head)
end

local function decide(s, expected, first, count, puts)
  if s.deleted then return answer(3, 0, 0) end
  local exact = tonumber(expected)
  local after = exact
  if exact and exact >= s.version then after = nil end
  if not exact then after = firstKnown(s, first, count) end
  if after then
    if not isSame(s, after, first, count) then return answer(2, s.version, 0) end
    return answer(1, after + count, positionAt(s, after + count))
  end
  if not holds(expected, s.version) then return answer(2, s.version, 0) end
  local unmet = stage(puts)
  if unmet then return answer(4, unmet, 0) end
  add(s, first, count, exact)
end

while at < #ARGV do
  local s, expected, count = streams[tonumber(arg())], arg(), tonumber(arg())
  local first = at + 1
  at = at + 3 * count
  local puts = {}
  for k = 1, tonumber(arg()) do
    puts[k] = readPut()
    if isStale(puts[k]) then return {} end
  end
  decide(s, expected, first, count, puts)
end

for n = 1, #writes, 4 do
  local first = writes[n + 1]
  redis.call('XADD', log, idOf(writes[n + 3]), 'i', ARGV[first], 's', writes[n].name, 'v', writes[n + 2],
    't', ARGV[first + 1], 'b', ARGV[first + 2])
end
for _, s in ipairs(streams) do
  if #s.positions > 0 then
    if s.isNew then redis.call('RPUSH', s.list, 0) end
    for from = 1, #s.positions, 1000 do
      redis.call('RPUSH', s.list, unpack(s.positions, from, math.min(from + 999, #s.positions)))
    end
    local known = {}
    for id, version in pairs(s.known) do known[#known + 1], known[#known + 2] = id, version end
    for from = 1, #known, 1000 do
      redis.call('HSET', s.dedup, unpack(known, from, math.min(from + 999, #known)))
    end
  end
end
flush('')
if #writes > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', head))
  if announce then redis.call('PUBLISH', channel, source) end
end
return answers`

/** Answers three numbers for each request; nothing at all if a put does not know all indexes. */
export const script = Client.script((key: string, ...args: ReadonlyArray<string | number>) => [key, ...args], {
  numberOfKeys: 1,
  lua
}).withReturnType<ReadonlyArray<number>>()

/**
 * The largest batch that goes into one script: its arguments go through a call of a function, and while it runs, nobody
 * else is served.
 */
export const maxEvents = 20_000

/** The arguments of a batch: its streams, then its requests, each with its events and documents. */
export const encode = (
  requests: ReadonlyArray<AppendRequest>,
  documents: (puts: ReadonlyArray<Put>) => ReadonlyArray<string>
): ReadonlyArray<string> => {
  const names = new Map<StreamId, number>()
  const all: Array<string> = []
  for (const request of requests) {
    const { events, expected, stream } = request
    let place = names.get(stream)
    if (place === undefined) names.set(stream, (place = names.size + 1))
    all.push(String(place), expectation(expected), String(events.length))
    for (const event of events) all.push(event.id, event.type, bodyOf(event))
    const puts = request.documents ?? []
    all.push(String(puts.length))
    if (puts.length > 0) all.push(...documents(puts))
  }
  return [String(names.size), ...names.keys(), ...all]
}

/** An expectation as scripts know it. */
export const expectation = (expected: ExpectedVersion): string => String(exactVersion(expected) ?? expected)

/** What an entry keeps of an event besides its envelope's names. */
export const bodyOf = ({ data, meta, schemaVersion }: EncodedEvent): string =>
  JSON.stringify([schemaVersion, data, meta])

/** What the script's numbers mean. */
export const decode = (
  requests: ReadonlyArray<AppendRequest>,
  answers: ReadonlyArray<number>
): ReadonlyArray<AppendOutcome> =>
  requests.map((request, index) => {
    const [code, one, position] = answers.slice(index * 3, index * 3 + 3) as [number, number, number]
    const { expected, stream } = request
    switch (code) {
      case 2:
        return new VersionConflict({ stream, expected, actual: one })
      case 3:
        return new StreamDeleted({ stream })
      case 4: {
        const { collection, id } = request.documents![one - 1]!
        return new DocumentConflict({ collection, id })
      }
      default:
        return { version: one, position, duplicate: code === 1 }
    }
  })
