-- report: keeps what a client reports as an alert, which holds the session. Safe to repeat; the same turn and reason
-- are one report.
-- (after the names of keys.rs, levels.lua, write.lua, align.lua and alert.lua)
--
-- KEYS  1 state, 2 history, 3 meta, 4 pinned, 5 alerts of the session, 6 sessions:expires
-- ARGV  1 what names this call (32 hexadecimal digits), 2 session id, 3 client, 4 level that counts, 5 reason,
--       6 turn, or empty, 7 prefix of the alerts, 8 prefix of sessions, 9 most reports of a session,
--       10 open alerts of a client above which none is kept
-- reply kept, id of the alert, 1 where it is new | full | absent
--
-- What was reported is a field of the state, so that it goes with it.

local field = 'report:' .. ARGV[6] .. ':' .. ARGV[5]
local state = redis.call('HMGET', KEYS[1], field, 'reports', 'successor_of')
if redis.call('EXISTS', KEYS[1]) == 0 then
  return { 'absent' }
end
if state[1] then
  return { 'kept', state[1], string.sub(state[1], -32) == ARGV[1] and 1 or 0 }
end
if (tonumber(state[2]) or 0) >= tonumber(ARGV[9])
  or redis.call('ZCARD', ours(ARGV[7] .. 'client:' .. ARGV[3])) >= tonumber(ARGV[10]) then
  return { 'full' }
end
local new = { kind = 'report', level = ARGV[4], session = ARGV[2], client = ARGV[3], reason = ARGV[5], turn = ARGV[6],
  name = ARGV[1] }
local id = open_alert(ARGV[7], KEYS[5], new, redis.call('TIME'))
redis.call('HSET', KEYS[1], field, id)
redis.call('HINCRBY', KEYS[1], 'reports', 1)
redis.call('HINCRBY', KEYS[1], 'open_reports', 1)
local keys = { KEYS[1], KEYS[2], KEYS[3], KEYS[4] }
keys[5] = pointer_to(ARGV[2], state[3], ARGV[8])
hold(keys, KEYS[6], ARGV[2])
return { 'kept', id, 1 }
