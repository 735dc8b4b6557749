/**
 * What a driver of work queues does in Redis: one script a call, so that nothing comes between.
 *
 * The first key of each is the hash of the queue's counters; the others are computed from it and lie in the same slot of a
 * cluster.
 */
import * as Client from "../persistence/RedisClient.ts"

/** How long Redis keeps an outcome beyond its retention, for clocks that do not agree. */
const margin = 60_000

/** As many due items are moved by one script: nobody else waits long. */
const page = 1000

/**
 * - `enter`: lets an item that is due into the line of its key, or makes it ready.
 * - `advance`: lets the first of a line out for as long as a slot of the key is free.
 * - `leave`: removes an item that is done or dead from where work is, and lets the next of its key begin.
 * - `holds`: whether a claim is still the newest one of its item.
 */
const prelude = `
local base = KEYS[1]
local group = 'workers'
local at = 0
local function arg() at = at + 1 return ARGV[at] end
local function item(id) return base .. ':item:' .. id end
local function makeReady(id, priority)
  local entry = redis.call('HINCRBY', base, 'entry', 1) .. '-0'
  redis.call('XADD', base .. ':ready:' .. priority, entry, 'id', id)
  redis.call('ZADD', base .. ':levels', priority, priority)
  redis.call('HSET', item(id), 's', 'Ready', 'e', entry)
end
local function advance(key, limit)
  local held = tonumber(redis.call('HGET', base .. ':held', key) or '0')
  while held < limit do
    local first = redis.call('ZPOPMIN', base .. ':line:' .. key)[1]
    if not first then break end
    held = held + 1
    makeReady(first, redis.call('HGET', item(first), 'p'))
  end
  if held == 0 then redis.call('HDEL', base .. ':held', key) else redis.call('HSET', base .. ':held', key, held) end
end
local function enter(id, key, priority, limit)
  if key == '' then return makeReady(id, priority) end
  redis.call('HSET', item(id), 's', 'Line')
  redis.call('ZADD', base .. ':line:' .. key, redis.call('HINCRBY', base, 'line', 1), id)
  advance(key, limit)
end
local function leave(id, limit)
  local fields = redis.call('HMGET', item(id), 'k', 'p', 'e')
  local stream = base .. ':ready:' .. fields[2]
  pcall(redis.call, 'XACK', stream, group, fields[3])
  redis.call('XDEL', stream, fields[3])
  if redis.call('XLEN', stream) == 0 then
    redis.call('DEL', stream)
    redis.call('ZREM', base .. ':levels', fields[2])
  end
  redis.call('HINCRBY', base, 'unfinished', -1)
  if fields[1] ~= '' then
    redis.call('HINCRBY', base .. ':held', fields[1], -1)
    advance(fields[1], limit)
  end
end
local function holds(id, token)
  local fields = redis.call('HMGET', item(id), 's', 't')
  return fields[1] == 'Claimed' and fields[2] == token
end
local function tell(message) redis.call('PUBLISH', base .. ':changes', message) end
`

const script = <Result>(lua: string) =>
  Client.script((key: string, ...args: ReadonlyArray<string | number>) => [key, ...args], {
    numberOfKeys: 1,
    lua: prelude + lua
  }).withReturnType<Result>()

/** Arguments: now, capacity, keyConcurrency, count; id, body, key, priority, availableAt, idempotency key and end of each. */
export const offer = script<ReadonlyArray<string>>(`
local now, capacity, limit, count = tonumber(arg()), tonumber(arg()), tonumber(arg()), tonumber(arg())
local unfinished = tonumber(redis.call('HGET', base, 'unfinished') or '0')
local answers = {}
for i = 1, count do
  local id, body, key, priority, due, once, ends = arg(), arg(), arg(), arg(), arg(), arg(), arg()
  local known
  if once ~= '' then
    local first = redis.call('HMGET', base .. ':once:' .. once, 'id', 'until')
    if first[1] and tonumber(first[2]) > now then known = first[1] end
  end
  if not known and redis.call('EXISTS', item(id)) == 1 then known = id end
  if known then answers[i] = 'D' .. known
  elseif unfinished >= capacity then answers[i] = 'F'
  else
    answers[i] = 'O'
    unfinished = unfinished + 1
    if once ~= '' then
      redis.call('HSET', base .. ':once:' .. once, 'id', id, 'until', ends)
      redis.call('PEXPIRE', base .. ':once:' .. once, math.max(1, tonumber(ends) - now) + ${margin})
    end
    redis.call('HSET', item(id), 'b', body, 'k', key, 'p', priority, 'o', now, 't', 0, 'x', 0, 'a', 0, 'f', 0)
    if tonumber(due) > now then
      redis.call('HSET', item(id), 's', 'Delayed')
      redis.call('ZADD', base .. ':delayed', due, id)
    else enter(id, key, priority, limit) end
  end
end
redis.call('HSET', base, 'unfinished', unfinished)
tell('ready')
return answers`)

/**
 * Arguments: now, until, max, keyConcurrency, rate limit (or 0), its window, consumer. Answers `wakeAt` (or nothing); id,
 * token, body, key, priority, offered, attempts and failures of each.
 *
 * Entries of a stream that wait for a retry stay in the list of pending ones. If the group was destroyed, it is made anew
 * from the beginning of the stream: what is claimed or waits for a retry is read again and passed over.
 */
export const claim = script<ReadonlyArray<string>>(`
local now, ends, max, limit = tonumber(arg()), arg(), tonumber(arg()), tonumber(arg())
local rate, window, consumer = tonumber(arg()), tonumber(arg()), arg()
for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. ':delayed', '-inf', now, 'LIMIT', 0, ${page})) do
  redis.call('ZREM', base .. ':delayed', id)
  local fields = redis.call('HMGET', item(id), 'k', 'p')
  enter(id, fields[1], fields[2], limit)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. ':claims', '-inf', now, 'LIMIT', 0, ${page})) do
  redis.call('ZREM', base .. ':claims', id)
  redis.call('ZADD', base .. ':retries', now, id)
  redis.call('HINCRBY', item(id), 'f', redis.call('HGET', item(id), 'x'))
  redis.call('HSET', item(id), 's', 'Retry')
end
local due = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. ':retries', '-inf', now, 'LIMIT', 0, ${page})) do
  local fields = redis.call('HMGET', item(id), 'p', 'e')
  due[fields[1]] = due[fields[1]] or {}
  table.insert(due[fields[1]], { id = id, entry = fields[2], place = tonumber(string.match(fields[2], '^%d+')) })
end
local interval, full, allowed = 0, 0, max
if rate > 0 then
  interval = window / rate
  full = math.max(tonumber(redis.call('HGET', base, 'full') or '0'), now)
  allowed = math.min(max, math.floor((now + window - full) / interval + 1e-6))
end
local answer, taken = { '' }, 0
local function take(id)
  taken = taken + 1
  local token = redis.call('HINCRBY', item(id), 't', 1)
  redis.call('HSET', item(id), 's', 'Claimed', 'x', 0)
  redis.call('ZADD', base .. ':claims', ends, id)
  local fields = redis.call('HMGET', item(id), 'b', 'k', 'p', 'o', 'a', 'f')
  for _, field in ipairs({ id, tostring(token), unpack(fields) }) do table.insert(answer, field) end
end
local function read(stream)
  local found = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', allowed - taken, 'STREAMS', stream, '>')
  if found and found.err then
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    found = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', allowed - taken, 'STREAMS', stream, '>')
  end
  return found and found[1][2]
end
for _, level in ipairs(redis.call('ZREVRANGE', base .. ':levels', 0, -1)) do
  local stream = base .. ':ready:' .. level
  local again = due[level] or {}
  table.sort(again, function(left, right) return left.place < right.place end)
  for _, retry in ipairs(again) do
    if taken >= allowed then break end
    redis.call('ZREM', base .. ':retries', retry.id)
    redis.pcall('XCLAIM', stream, group, consumer, 0, retry.entry, 'JUSTID')
    take(retry.id)
  end
  while taken < allowed do
    local entries = read(stream)
    if not entries then break end
    for _, entry in ipairs(entries) do
      local id = entry[2][2]
      if redis.call('HGET', item(id), 's') == 'Ready' then take(id) end
    end
  end
end
local wake
local function earliest(score) if score and (not wake or score < wake) then wake = score end end
if rate > 0 then
  full = full + taken * interval
  redis.call('HSET', base, 'full', string.format('%.17g', full))
  if taken >= allowed then earliest(math.ceil(full + interval - window - 1e-6)) end
end
for _, set in ipairs({ ':delayed', ':retries', ':claims' }) do
  earliest(tonumber(redis.call('ZRANGE', base .. set, 0, 0, 'WITHSCORES')[2]))
end
if wake then answer[1] = string.format('%.0f', wake) end
return answer`)

/** Arguments: id and token of each. */
export const start = script<ReadonlyArray<number>>(`
local answers = {}
for i = 1, #ARGV / 2 do
  local id, token = arg(), arg()
  answers[i] = 0
  if holds(id, token) then
    answers[i] = 1
    if redis.call('HGET', item(id), 'x') == '0' then
      redis.call('HSET', item(id), 'x', 1)
      redis.call('HINCRBY', item(id), 'a', 1)
    end
  end
end
return answers`)

/** Arguments: until; id and token of each. */
export const extend = script<ReadonlyArray<number>>(`
local ends = arg()
local answers = {}
for i = 1, (#ARGV - 1) / 2 do
  local id, token = arg(), arg()
  answers[i] = 0
  if holds(id, token) then
    answers[i] = 1
    redis.call('ZADD', base .. ':claims', ends, id)
  end
end
return answers`)

/** Arguments: now, retention, keyConcurrency; id, token, kind and value of each. */
export const settle = script<ReadonlyArray<number>>(`
local now, retention, limit = tonumber(arg()), tonumber(arg()), tonumber(arg())
local answers, ids = {}, {}
for i = 1, (#ARGV - 3) / 4 do
  local id, token, kind, value = arg(), arg(), arg(), arg()
  answers[i] = 0
  if holds(id, token) then
    answers[i] = 1
    redis.call('ZREM', base .. ':claims', id)
    if kind == 'Retry' or kind == 'HandBack' then
      redis.call('HSET', item(id), 's', 'Retry')
      redis.call('ZADD', base .. ':retries', value, id)
      if kind == 'Retry' then redis.call('HINCRBY', item(id), 'f', 1) end
    else
      leave(id, limit)
      ids[#ids + 1] = id
      if kind == 'Died' then
        redis.call('HSET', item(id), 's', 'Dead', 'out', value, 'at', now)
        redis.call('ZADD', base .. ':dead', now, id)
      else
        redis.call('HSET', item(id), 's', 'Done', 'out', value, 'at', now + retention)
        redis.call('HDEL', item(id), 'b')
        redis.call('PEXPIRE', item(id), retention + ${margin})
      end
    end
  end
end
tell(#ids == 0 and 'ready' or cjson.encode(ids))
return answers`)

/** Arguments: ids. Answers state, instant, attempts and outcome of each; nothing for one that is not known. */
export const find = script<ReadonlyArray<ReadonlyArray<string | null>>>(`
local answers = {}
for i, id in ipairs(ARGV) do answers[i] = redis.call('HMGET', item(id), 's', 'at', 'a', 'out') end
return answers`)

/** Arguments: offset and limit. Answers id, body, key, attempts, offered, died and death of each. */
export const deadItems = script<ReadonlyArray<ReadonlyArray<string>>>(`
local offset, limit = tonumber(arg()), tonumber(arg())
local answers = {}
if limit < 1 then return answers end
for i, id in ipairs(redis.call('ZRANGE', base .. ':dead', offset, offset + limit - 1)) do
  answers[i] = { id, unpack(redis.call('HMGET', item(id), 'b', 'k', 'a', 'o', 'at', 'out')) }
end
return answers`)

/** Arguments: capacity, keyConcurrency; ids. Answers those that are redriven. */
export const redrive = script<ReadonlyArray<string>>(`
local capacity, limit = tonumber(arg()), tonumber(arg())
local answers = {}
for i = 3, #ARGV do
  local id = arg()
  local fields = redis.call('HMGET', item(id), 's', 'k', 'p')
  if fields[1] == 'Dead' and tonumber(redis.call('HGET', base, 'unfinished') or '0') < capacity then
    redis.call('ZREM', base .. ':dead', id)
    redis.call('HINCRBY', base, 'unfinished', 1)
    redis.call('HSET', item(id), 'f', 0, 'x', 0)
    redis.call('HDEL', item(id), 'out', 'at')
    enter(id, fields[2], fields[3], limit)
    answers[#answers + 1] = id
  end
end
tell('ready')
return answers`)

/** Arguments: now, retention; ids. Answers those that are discarded. */
export const discard = script<ReadonlyArray<string>>(`
local now, retention = tonumber(arg()), tonumber(arg())
local answers = {}
for i = 3, #ARGV do
  local id = arg()
  if redis.call('ZREM', base .. ':dead', id) == 1 then
    redis.call('HSET', item(id), 's', 'Done', 'at', now + retention)
    redis.call('HDEL', item(id), 'b')
    redis.call('PEXPIRE', item(id), retention + ${margin})
    answers[#answers + 1] = id
  end
end
return answers`)

/** Argument: now. Answers delayed, in flight, dead, unfinished. */
export const stats = script<readonly [number, number, number, number]>(`
local after = '(' .. arg()
return {
  redis.call('ZCOUNT', base .. ':delayed', after, '+inf') + redis.call('ZCOUNT', base .. ':retries', after, '+inf'),
  redis.call('ZCARD', base .. ':claims'),
  redis.call('ZCARD', base .. ':dead'),
  tonumber(redis.call('HGET', base, 'unfinished') or '0')
}`)
