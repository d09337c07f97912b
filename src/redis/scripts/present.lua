-- present: what a credential stands for, while it stands. A ticket ends with it.
--
-- KEYS  1 credential
-- ARGV  1 the kind that is good for one use
-- reply what it stands for, as JSON; nil where there is none
--
-- The idle time begins anew, at most to its end. The key of the holder's set is one that the credential tells: one node
-- holds both.

local known = redis.call('HMGET', KEYS[1], 'about', 'kind', 'holder', 'entry', 'idle_ms', 'ends_ms')
if not known[1] then
  return nil
end
if known[2] == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', known[3], known[4])
elseif known[5] then
  local time = redis.call('TIME')
  local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(now_ms + known[5], tonumber(known[6]) or math.huge)))
end
return known[1]
