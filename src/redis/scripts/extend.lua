-- extend: sets a session's TTL and starts it anew. Later turns keep it. Safe to repeat.
-- (after levels.lua, outbox.lua, events.lua and write.lua)
--
-- KEYS  1 state, 2 history, 3 meta, 4 pinned, 5 sessions:expires, 6 sessions:idle, 7 idems, 8 the client's safety memory
--       9 newest of the line, where the session succeeds another
-- ARGV  1 id, 2 TTL ms, 3 created ms, 4 greatest age ms, 5 ms of idle time, 6 prefix of the session's stored replies,
--       7 prefix of the replies of creates, 8 number of this successor or -, 9 prefix of the indices
-- reply ms that it stands now | -1 held | -2 there is none
--
-- At most to the greatest age: where that has passed, the expiry stays as it was. Danger, and a report that
-- nobody has seen, hold a session whatever its TTL. Stored replies go with the session at the latest.

local state = redis.call('HMGET', KEYS[1], 'session_id', 'safety_level', 'safety_epoch', 'created_by', 'created_reply_ms',
  'open_reports', 'status')
if not state[1] then
  return -2
end
local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
redis.call('HSET', KEYS[1], 'ttl_ms', ARGV[2], 'slid_ms', string.format('%.0f', now_ms))
tell(ARGV[9], 'session_updated', ARGV[1], string.format(',"status":"%s"', plain(state[7] or 'active')))
local idle = string.format('%.0f', now_ms + ARGV[5])
if redis.call('ZSCORE', KEYS[6], ARGV[1]) then
  redis.call('ZADD', KEYS[6], 'LT', idle, ARGV[1])
end
local memory = redis.call('HMGET', KEYS[8], 'level', 'cleared_epoch')
if counting(state[2], state[3], memory[1], memory[2]) >= 2 or (tonumber(state[6]) or 0) > 0 then
  return -1
end
local at = math.min(now_ms + ARGV[2], ARGV[3] + ARGV[4])
if at <= now_ms and redis.call('PTTL', KEYS[1]) == -1 then
  -- Another program's, without an end and older than any of ours: this is the way to end it.
  at = now_ms + ARGV[2]
end
if at > now_ms then
  local pointer = KEYS[9] and redis.call('GET', KEYS[9]) == ARGV[8] and KEYS[9] or nil
  end_at({ KEYS[1], KEYS[2], KEYS[3], KEYS[4], pointer }, KEYS[5], ARGV[1], at)
  end_replies(KEYS[7], ARGV[6], at)
  end_created(KEYS[1], ARGV[7], state[4], state[5], at)
end
return redis.call('PTTL', KEYS[1])
