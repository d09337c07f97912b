-- seal: moves the oldest entries of the outbox to the end of the chain, where nobody has meanwhile.
--
-- KEYS  1 outbox, 2 chain, 3 head
-- ARGV  1 number and 2 hash at which the chain ended, 3 number, 4 hash and 5 seal of its end afterwards, 6 how many
--       entries, then these as they lie in the outbox, then the same sealed
-- reply 1, or 0 where somebody else was faster: then nothing was done

local head = redis.call('HMGET', KEYS[3], 'seq', 'mac')
if (head[1] or '0') ~= ARGV[1] or (head[2] or '') ~= ARGV[2] then
  return 0
end
local count = tonumber(ARGV[6])
local oldest = redis.call('LRANGE', KEYS[1], 0, count - 1)
for at = 1, count do
  if oldest[at] ~= ARGV[6 + at] then
    return 0
  end
end
redis.call('LTRIM', KEYS[1], count, -1)
redis.call('RPUSH', KEYS[2], unpack(ARGV, 7 + count, 6 + 2 * count))
redis.call('HSET', KEYS[3], 'seq', ARGV[3], 'mac', ARGV[4], 'seal', ARGV[5])
return 1
