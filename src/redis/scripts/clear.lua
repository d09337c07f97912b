-- clear: the client's level falls to none, and its sessions go on where safety had paused them. Safe to repeat.
-- (after the names of keys.rs, levels.lua, former.lua, outbox.lua, events.lua, write.lua, align.lua
-- and alert.lua)
--
-- KEYS  1 safety memory, 2 the client's sessions, 3 active_sessions, 4 sessions:expires, 5 sessions:idle,
--       6 sessions:forgettable
-- ARGV  1 client, 2 what names this call, 3 prefix of sessions, 4 prefix of the indices, 5 the first of the client's
--       sessions to align, 6 how many, 7 TTL ms where a hash has none, 8 ms that a cleared memory stands,
--       9 prefix of the replies of creates, 10 prefix of the alerts, 11 ms that a closed alert stands, 12 id of the session
--       that it was asked of, then where it counts on what it was decided: 13 level, 14 epoch, 15 number of signs
-- reply the place to go on from or -1; -2 where that has changed: then nothing was done
--
-- A cleared memory goes by the sweep: sessions:forgettable tells when, and no session may remember an epoch of it.

local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local known = redis.call('HMGET', KEYS[1], 'epoch', 'cleared_by', 'level', 'signs')
local epoch, level = tonumber(known[1]) or 0, known[3] or 'none'
local is_first = known[2] ~= ARGV[2]
if is_first and ARGV[13] and (level ~= ARGV[13] or epoch ~= tonumber(ARGV[14])
  or (tonumber(known[4]) or 0) ~= tonumber(ARGV[15])) then
  return -2
elseif not is_first and level ~= 'none' then
  -- Danger showed between two pages: the level counts again, and nothing more is aligned to none.
  return -1
end
if is_first then
  epoch = epoch + 1
  if level ~= 'none' then
    enter(ARGV[4], 'level', 'client', ARGV[1], level, 'none')
    tell_level(ARGV[4], 'safety_cleared', ARGV[12], level, 'none')
  end
  redis.call('HDEL', KEYS[1], 'since', 'why', 'cleared_why', 'noted_id', 'noted_at')
  redis.call('HSET', KEYS[1], 'level', 'none', 'epoch', epoch, 'cleared_epoch', epoch, 'cleared_by', ARGV[2],
    'cleared_at', time[1] .. string.format('%06d', time[2]))
  redis.call('ZADD', KEYS[6], string.format('%.0f', now_ms + ARGV[8]), ARGV[1])
  clear_alerts(ARGV[10], ARGV[1], time, now_ms, ARGV[11])
  forget_former(ARGV[4] .. 'clients', KEYS[2], ARGV[1], ARGV[3])
end
local memory = { level = 'none', epoch = epoch, cleared_epoch = epoch }
local at = { sessions = ARGV[3], index = ARGV[4], active = KEYS[3], expires = KEYS[4], idle = KEYS[5], client = KEYS[2],
  ttl_ms = tonumber(ARGV[7]), creates = ARGV[9] }
return align_some(memory, at, tonumber(ARGV[5]), tonumber(ARGV[6]), now_ms)
