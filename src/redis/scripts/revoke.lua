-- revoke: ends credentials of a holder, the one of an id or all. Safe to repeat; what a first call ended a second one
-- does not count.
--
-- KEYS  1 credentials of the holder
-- ARGV  1 prefix of credentials, 2 id, where one alone is meant
-- reply how many were ended
--
-- The keys of credentials are put together here: one node holds all.

local ended = 0
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local id, hash = string.match(entry, '^(%S+) (%S+)$')
  if not ARGV[2] or ARGV[2] == id then
    ended = ended + redis.call('DEL', ARGV[1] .. hash)
    redis.call('ZREM', KEYS[1], entry)
  end
end
return ended
