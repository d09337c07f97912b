-- page: reads what a page of alerts is made of. What another program made of a set or of a hash is read as nothing, so
-- that it hides no other.
--
-- KEYS  sets and hashes of alerts
-- ARGV  for each key what is read of it: count; hash; or of a set the ids before this one, the newest first, as ( and the
--       id, or + where it is read from its newest on; then most ids of each set
-- reply for each key the number, the names and values, or the ids

local MOST = ARGV[#KEYS + 1]
local reply = {}
for at, key in ipairs(KEYS) do
  local what, answer = ARGV[at], nil
  if what == 'count' then
    answer = redis.pcall('ZCARD', key)
  elseif what == 'hash' then
    answer = redis.pcall('HGETALL', key)
  else
    answer = redis.pcall('ZRANGE', key, what, '-', 'BYLEX', 'REV', 'LIMIT', 0, MOST)
  end
  if type(answer) == 'table' and answer.err then
    answer = what == 'count' and 0 or {}
  end
  reply[at] = answer
end
return reply
