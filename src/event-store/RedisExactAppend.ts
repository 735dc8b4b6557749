/**
 * The script that appends behind exact versions, and carries no documents: what runs do all the time. The keys are
 * described in `RedisEventStore.ts`.
 *
 * It takes a batch as a whole. If all is as expected, it writes, and answers the new head; else it writes nothing and
 * answers 0, and the script of `RedisAppend.ts` is to decide each request by itself: what was appended before, what
 * conflicts, and what is wrong with the keys.
 */
import type { StreamId, StreamVersion } from "./Envelope.ts"
import { type AppendOutcome, type AppendRequest, exactVersion } from "./EventStoreDriver.ts"
import { bodyOf } from "./RedisAppend.ts"
import * as RedisAudience from "./RedisAudience.ts"

/** Takes the name of the writer, its listeners, and of each event its stream, version, id, type and body. */
export const lua = `
local call, args, prefix = redis.call, ARGV, string.sub(KEYS[1], 1, -6)
${RedisAudience.lua}
local lists, isNew = {}, {}
for at = 3, #args, 5 do
  local name = args[at]
  if not lists[name] then
    local list = prefix .. ':stream:' .. name
    local base = call('LINDEX', list, 0)
    if base == 'x' then return 0 end
    if (base and base + call('LLEN', list) or 1) ~= tonumber(args[at + 1]) then return 0 end
    lists[name], isNew[name] = list, not base
  end
end
local log, head = prefix .. ':log', call('GET', KEYS[1])
if not head and call('EXISTS', log) == 1 then return 0 end
head = tonumber(head or 0)
local announce = hasAudience(args[2])

for at = 3, #args, 5 do
  local name = args[at]
  head = head + 1
  local position = string.format('%.0f', head)
  call('XADD', log, position, 'i', args[at + 2], 's', name, 'v', args[at + 1], 't', args[at + 3], 'b', args[at + 4])
  if isNew[name] then
    isNew[name] = false
    call('RPUSH', lists[name], '0', position)
  else
    call('RPUSH', lists[name], position)
  end
end
call('SET', KEYS[1], string.format('%.0f', head))
if announce then call('PUBLISH', channel, args[1]) end
return head`

/** More events are left to the other script: these arguments go through a call of a function, too, and are more. */
const maxEvents = 5000

/** The arguments of a batch, if it is one for this script. */
export const encode = (requests: ReadonlyArray<AppendRequest>): ReadonlyArray<string> | undefined => {
  if (!isExact(requests)) return undefined
  const args: Array<string> = []
  for (const { events, expected, stream } of requests) {
    let version = exactVersion(expected)!
    for (const event of events) args.push(stream, String(++version), event.id, event.type, bodyOf(event))
  }
  return args
}

/** What the head means to a batch that was appended. */
export const decode = (requests: ReadonlyArray<AppendRequest>, head: number): ReadonlyArray<AppendOutcome> => {
  let position = head
  for (const { events } of requests) position -= events.length
  return requests.map(({ events, expected }) => {
    position += events.length
    return { version: exactVersion(expected)! + events.length, position, duplicate: false }
  })
}

/** Whether all versions are known beforehand: of requests to one stream, each continues the one before. */
const isExact = (requests: ReadonlyArray<AppendRequest>): boolean => {
  const versions = new Map<StreamId, StreamVersion>()
  let count = 0
  for (const { documents, events, expected, stream } of requests) {
    const version = exactVersion(expected)
    if (version === undefined || documents !== undefined) return false
    if ((versions.get(stream) ?? version) !== version) return false
    versions.set(stream, version + events.length)
    count += events.length
  }
  return count <= maxEvents
}
