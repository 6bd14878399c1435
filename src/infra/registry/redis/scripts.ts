import type { UserId } from "../../../domain/kernel/ids.js";

/**
 * What the registry keeps in Redis, and the scripts that change it.
 *
 * - `…:registry:{shard}:user:<userId>`, a sorted set: [device, connection, gateway, since] as JSON by the lease's end in
 *   Unix milliseconds. `since` names an unbroken lease: it changes when a lease had lapsed.
 * - `…:registry:{shard}:leases`, a sorted set: [user, device, connection, gateway] as JSON by the same end, for the sweeper.
 * - `…:registry:{shard}:uses:<userId>`, a sorted set: devices by their last use in Unix milliseconds, of two days.
 *
 * Users are spread over shards; all keys of one script are in one shard, so in one slot of a cluster. Leases end by
 * Redis' own clock. Only scripts write members, since two JSON writers need not agree on every byte.
 */

/** Enough for the nodes of any cluster that one cell has; few enough that a sweep is a handful of commands. */
export const shards = 16;

/** FNV-1a: every process has to agree on it, and old processes with new ones. */
export const shardOf = (userId: UserId): number => {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(userId)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % shards;
};

export const userKey = (prefix: string, userId: UserId): string =>
  `${prefix}:registry:{${shardOf(userId)}}:user:${userId}`;
export const usesKey = (prefix: string, userId: UserId): string =>
  `${prefix}:registry:{${shardOf(userId)}}:uses:${userId}`;
export const leasesKey = (prefix: string, shard: number): string => `${prefix}:registry:{${shard}}:leases`;

/** The leases of a shard outlive every projector that could sweep them by a day, then they are no news any more. */
const prelude = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
local function held(key, device)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
  for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    local lease = cjson.decode(member)
    if lease[1] == device then return lease, member end
  end
end
local function release(key, leases, user, lease, member)
  redis.call('ZREM', key, member)
  redis.call('ZREM', leases, cjson.encode({ user, lease[1], lease[2], lease[3] }))
end
local function hold(key, leases, user, lease, leaseMs)
  redis.call('ZADD', key, text(now + leaseMs), cjson.encode(lease))
  redis.call('PEXPIRE', key, text(2 * leaseMs))
  redis.call('ZADD', leases, text(now + leaseMs), cjson.encode({ user, lease[1], lease[2], lease[3] }))
end
local stamp = time[1] .. '.' .. time[2]
`;

/** KEYS: user, leases. ARGV: user, device, connection, gateway, leaseMs. Answers since, and the connection that it replaced, if any. */
export const enterScript = `${prelude}
local lease, member = held(KEYS[1], ARGV[2])
local since, replaced = stamp, {}
if lease then
  if lease[2] == ARGV[3] then since = lease[4] else replaced = { lease[2], lease[3] } end
  release(KEYS[1], KEYS[2], ARGV[1], lease, member)
end
hold(KEYS[1], KEYS[2], ARGV[1], { ARGV[2], ARGV[3], ARGV[4], since }, tonumber(ARGV[5]))
redis.call('PEXPIRE', KEYS[2], 86400000)
return { since, unpack(replaced) }
`;

/** KEYS: user, leases. ARGV: user, device, connection. */
export const leaveScript = `${prelude}
local lease, member = held(KEYS[1], ARGV[2])
if lease and lease[2] == ARGV[3] then release(KEYS[1], KEYS[2], ARGV[1], lease, member) end
`;

/**
 * KEYS: leases, then the user of each connection. ARGV: gateway, leaseMs, then user, device and connection of each.
 * Answers since for each; nothing ('') for one that was replaced.
 */
export const renewScript = `${prelude}
local answers = {}
for i = 2, #KEYS do
  local user, device, connection = ARGV[3 * i - 3], ARGV[3 * i - 2], ARGV[3 * i - 1]
  local lease, member = held(KEYS[i], device)
  local since = lease and lease[4] or stamp
  if lease and lease[2] ~= connection then
    since = ''
  else
    -- The same member again is a new score only.
    if lease and lease[3] ~= ARGV[1] then release(KEYS[i], KEYS[1], user, lease, member) end
    hold(KEYS[i], KEYS[1], user, { device, connection, ARGV[1], since }, tonumber(ARGV[2]))
  end
  answers[i - 1] = since
end
redis.call('PEXPIRE', KEYS[1], 86400000)
return answers
`;

/** KEYS: users. Answers the living members of each. */
export const findScript = `
local time = redis.call('TIME')
local after = '(' .. string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local found = {}
for i, key in ipairs(KEYS) do found[i] = redis.call('ZRANGEBYSCORE', key, after, '+inf') end
return found
`;

/** KEYS: uses. ARGV: device, how many devices at most. The log knows of what is two days old. */
export const usedScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - 172800000))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[2])
redis.call('PEXPIRE', KEYS[1], 172800000)
`;

/** KEYS: leases. ARGV: how many at most. Takes out those that have ended, and answers them: no other projector gets them. */
export const sweepScript = `
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
if #ended > 0 then redis.call('ZREM', KEYS[1], unpack(ended)) end
return ended
`;
