-- present: what a credential stands for, while it stands. A ticket ends with it. Safe to repeat under the same name of the
-- call.
--
-- KEYS  1 credential
-- ARGV  1 the kind that is good for one use, 2 what names this call, 3 ms for which that one may be repeated
-- reply what it stands for, as JSON; nil where there is none
--
-- The idle time begins anew, at most to its end. The key of the holder's set is one that the credential tells: one node
-- holds both.

local known = redis.call('HMGET', KEYS[1], 'about', 'kind', 'holder', 'entry', 'idle_ms', 'ends_ms', 'used_by')
if not known[1] or (known[7] and known[7] ~= ARGV[2]) then
  return nil
end
if known[2] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'used_by', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3], 'LT')
  redis.call('ZREM', known[3], known[4])
elseif known[5] then
  local time = redis.call('TIME')
  local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(now_ms + known[5], tonumber(known[6]) or math.huge)))
end
return known[1]
