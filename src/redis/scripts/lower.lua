-- lower: takes in a completed negative re-screen, and where it suffices the client's level falls to none. Safe to repeat.
-- (after the names of keys.rs, levels.lua, former.lua, outbox.lua, events.lua, write.lua, align.lua
-- and alert.lua)
--
-- KEYS  1 safety memory, 2 the client's sessions, 3 active_sessions, 4 sessions:expires, 5 sessions:idle,
--       6 sessions:forgettable
-- ARGV  1 client, 2 id of the re-screen, 3 prefix of sessions, 4 prefix of the indices, 5 the first of the client's
--       sessions to align, 6 how many, 7 TTL ms where a hash has none, 8 ms that a cleared memory stands,
--       9 prefix of the replies of creates, 10 prefix of the alerts, 11 ms that a closed alert stands, 12 id of the
--       session, 13 level, 14 epoch and 15 number of signs on which it was made, 16 microseconds that it has to lie
--       behind another one, or -, 17 why the level falls, as a code
-- reply cleared, the place to go on from or -1 | noted | refused
--
-- At high and crisis one alone never suffices. Whatever was written since it was made refuses it.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = math.floor(now / 1000)
local known = redis.call('HMGET', KEYS[1], 'level', 'epoch', 'signs', 'noted_id', 'noted_at')
local level, epoch = known[1] or 'none', tonumber(known[2]) or 0
local is_known = known[4] == ARGV[2]
if not (is_known and level == 'none') then
  if level == 'none' or level ~= ARGV[13] or epoch ~= tonumber(ARGV[14])
    or (tonumber(known[3]) or 0) ~= tonumber(ARGV[15]) then
    return { 'refused' }
  end
  local at = time[1] .. string.format('%06d', time[2])
  if ARGV[16] == '-' then
    if RANK[level] >= 2 then
      return { 'refused' }
    end
  elseif not known[4] then
    redis.call('HSET', KEYS[1], 'noted_id', ARGV[2], 'noted_at', at)
    return { 'noted' }
  elseif is_known or now - (tonumber(known[5]) or now) < tonumber(ARGV[16]) then
    return { 'noted' }
  end
  epoch = epoch + 1
  enter(ARGV[4], 'level', 'client', ARGV[1], level, 'none')
  tell_level(ARGV[4], 'safety_cleared', ARGV[12], level, 'none')
  redis.call('HDEL', KEYS[1], 'since', 'why')
  redis.call('HSET', KEYS[1], 'level', 'none', 'epoch', epoch, 'cleared_epoch', epoch, 'cleared_by', ARGV[2],
    'cleared_at', at, 'cleared_why', ARGV[17], 'noted_id', ARGV[2], 'noted_at', at)
  redis.call('ZADD', KEYS[6], string.format('%.0f', now_ms + ARGV[8]), ARGV[1])
  clear_alerts(ARGV[10], ARGV[1], time, now_ms, ARGV[11])
  forget_former(ARGV[4] .. 'clients', KEYS[2], ARGV[1], ARGV[3])
end
local memory = { level = 'none', epoch = epoch, cleared_epoch = epoch }
local keys = { sessions = ARGV[3], index = ARGV[4], active = KEYS[3], expires = KEYS[4], idle = KEYS[5], client = KEYS[2],
  ttl_ms = tonumber(ARGV[7]), creates = ARGV[9] }
return { 'cleared', align_some(memory, keys, tonumber(ARGV[5]), tonumber(ARGV[6]), now_ms) }
