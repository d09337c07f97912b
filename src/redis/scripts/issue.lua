-- issue: keeps a new credential, in the place of another one where that is named. Safe to repeat.
--
-- KEYS  1 credential, 2 credentials of its holder, 3 organisations, 4 the credential in whose place it comes, where it does
-- ARGV  1 id, 2 hash, 3 what it stands for, as JSON, 4 kind, 5 ms of idle time or -, 6 ms that it stands at most or -,
--       7 when it was made, in ms since 1970, 8 most credentials of the holder or 0, 9 prefix of credentials,
--       10 organisation, 11 key of what it is for, a session or a clinician, or -, 12 the kind that is good for one use
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

-- Those that have ended make room first, then the oldest ticket, then the oldest.
local function make_room(most)
  local tickets, rest = {}, {}
  for _, other in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local kind = redis.call('HGET', ARGV[9] .. string.match(other, '%S+$'), 'kind')
    if not kind then
      redis.call('ZREM', KEYS[2], other)
    elseif kind == ARGV[12] then
      tickets[#tickets + 1] = other
    else
      rest[#rest + 1] = other
    end
  end
  for at = 1, #tickets + #rest - most + 1 do
    local other = tickets[at] or rest[at - #tickets]
    redis.call('DEL', ARGV[9] .. string.match(other, '%S+$'))
    redis.call('ZREM', KEYS[2], other)
  end
end

if tonumber(ARGV[8]) > 0 and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[8]) then
  make_room(tonumber(ARGV[8]))
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
