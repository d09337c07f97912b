-- issue: keeps a new credential, in the place of another one where that is named. Safe to repeat.
--
-- KEYS  1 credential, 2 credentials of its holder, 3 organisations, 4 the credential in whose place it comes, where it does
-- ARGV  1 id, 2 hash, 3 what it stands for, as JSON, 4 kind, 5 ms of idle time or -, 6 ms that it stands at most or -,
--       7 when it was made, in ms since 1970, 8 most credentials of the holder or 0, 9 prefix of credentials,
--       10 organisation, 11 key of what it is for, a session or a clinician, or -
-- reply 1, or 0 where the other one does not stand, or without one what it is for is not there: then nothing was done
--
-- A credential expires with its idle time, at the latest at its end. The holder's set ends with the last of them.

if redis.call('EXISTS', KEYS[1]) == 1 then
  return 1
end
local entry = ARGV[1] .. ' ' .. ARGV[2]
if KEYS[4] then
  local old = redis.call('HGET', KEYS[4], 'entry')
  if not old then
    return 0
  end
  redis.call('DEL', KEYS[4])
  redis.call('ZREM', KEYS[2], old)
elseif ARGV[11] ~= '-' and redis.call('EXISTS', ARGV[11]) == 0 then
  return 0
end

local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local idle, ends = tonumber(ARGV[5]), tonumber(ARGV[6])
ends = ends and now_ms + ends
redis.call('HSET', KEYS[1], 'about', ARGV[3], 'kind', ARGV[4], 'holder', KEYS[2], 'entry', entry)
if idle then
  redis.call('HSET', KEYS[1], 'idle_ms', ARGV[5])
end
if ends then
  redis.call('HSET', KEYS[1], 'ends_ms', string.format('%.0f', ends))
end
local until_ms = idle and math.min(now_ms + idle, ends or math.huge) or ends
if until_ms then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', until_ms))
end

-- Those that have ended make room first, then the oldest.
local most = tonumber(ARGV[8])
if most > 0 and redis.call('ZCARD', KEYS[2]) >= most then
  local entries = redis.call('ZRANGE', KEYS[2], 0, -1)
  local left = #entries
  for _, other in ipairs(entries) do
    if redis.call('EXISTS', ARGV[9] .. string.match(other, '%S+$')) == 0 then
      redis.call('ZREM', KEYS[2], other)
      left = left - 1
    end
  end
  -- A place before the first would be counted from the end.
  for _, other in ipairs(left >= most and redis.call('ZRANGE', KEYS[2], 0, left - most) or {}) do
    redis.call('DEL', ARGV[9] .. string.match(other, '%S+$'))
    redis.call('ZREM', KEYS[2], other)
  end
end
redis.call('ZADD', KEYS[2], ARGV[7], entry)
if ends and redis.call('ZCARD', KEYS[2]) == 1 then
  redis.call('PEXPIREAT', KEYS[2], string.format('%.0f', ends))
elseif ends then
  redis.call('PEXPIREAT', KEYS[2], string.format('%.0f', ends), 'GT')
else
  redis.call('PERSIST', KEYS[2])
end
redis.call('SADD', KEYS[3], ARGV[10])
return 1
