/**
 * `…:projectors:{leases}:holders`, a sorted set: holders by the end of their lease in Unix milliseconds of Redis' clock.
 * `…:projectors:{leases}:owners`, a hash: partition → holder. A partition is free when its owner's lease has ended.
 * `…:projectors:{leases}:places`, a hash: holder → where it runs.
 */
export const holdersKey = (prefix: string): string => `${prefix}:projectors:{leases}:holders`;
export const ownersKey = (prefix: string): string => `${prefix}:projectors:{leases}:owners`;
export const placesKey = (prefix: string): string => `${prefix}:projectors:{leases}:places`;

/**
 * KEYS: holders, owners, places. ARGV: holder, partitions, leaseMs, place, held, mode. Renews the holder's lease and
 * answers its partitions, after it has taken up to its fair share: first free ones, then the excess of others; of either
 * first those that it works on already (`held`, with commas). An owner learns with its own next tick what was taken from
 * it: for that long there are two, where giving back and taking would leave none.
 *
 * Mode `waits`: of the free ones it takes no others than those of `held`.
 *
 * `place` is given with a holder's first tick and empty later: it ends the leases of the place's former holders, whose
 * process this one replaces. Should one of them live after all, it has its lease again with its own next tick.
 */
export const tickScript = `
local holder, partitions, leaseMs, place = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local waits = ARGV[6] == 'waits'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local places = redis.call('HGETALL', KEYS[3])
if place ~= '' then
  for i = 1, #places, 2 do
    if places[i + 1] == place then redis.call('ZREM', KEYS[1], places[i]) end
  end
  redis.call('HSET', KEYS[3], holder, place)
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + leaseMs), holder)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local living, counts = {}, {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do living[name], counts[name] = true, 0 end
for i = 1, #places, 2 do
  if not living[places[i]] then redis.call('HDEL', KEYS[3], places[i]) end
end
local share = math.ceil(partitions / redis.call('ZCARD', KEYS[1]))

local owners = {}
for partition = 0, partitions - 1 do
  local owner = redis.call('HGET', KEYS[2], partition)
  if owner and living[owner] then
    owners[partition] = owner
    counts[owner] = counts[owner] + 1
  end
end
local function take(partition)
  redis.call('HSET', KEYS[2], partition, holder)
  owners[partition] = holder
  counts[holder] = counts[holder] + 1
end
local held, order = {}, {}
for partition in string.gmatch(ARGV[5], '%d+') do
  held[tonumber(partition)] = true
  order[#order + 1] = tonumber(partition)
end
for partition = 0, partitions - 1 do
  if not held[partition] then order[#order + 1] = partition end
end
for _, partition in ipairs(order) do
  local isFree = not owners[partition] and (held[partition] or not waits)
  if isFree and counts[holder] < share then take(partition) end
end
for _, partition in ipairs(order) do
  local owner = owners[partition]
  if counts[holder] < share and owner and owner ~= holder and counts[owner] > share then
    counts[owner] = counts[owner] - 1
    take(partition)
  end
end
redis.call('PEXPIRE', KEYS[1], 5 * leaseMs)
redis.call('PEXPIRE', KEYS[2], 5 * leaseMs)
redis.call('PEXPIRE', KEYS[3], 5 * leaseMs)

local mine = {}
for partition = 0, partitions - 1 do
  if owners[partition] == holder then mine[#mine + 1] = partition end
end
return mine
`;

/** KEYS: holders, owners, places. ARGV: holder. */
export const stopScript = `
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
local owners = redis.call('HGETALL', KEYS[2])
for i = 1, #owners, 2 do
  if owners[i + 1] == ARGV[1] then redis.call('HDEL', KEYS[2], owners[i]) end
end
`;
