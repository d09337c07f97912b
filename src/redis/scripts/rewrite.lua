-- rewrite: writes a session outside of its turns, where nobody wrote it since it was read. Safe to repeat under the
-- same name of the call. Changes no expiry.
-- (after levels.lua, outbox.lua, events.lua and write.lua)
--
-- KEYS  1 state, 2 active_sessions
-- ARGV  1 what names this call (32 hexadecimal digits), 2 status, 3 level, 4 id, 5 last interaction in seconds,
--       6 prefix of the indices, 7 revision, 8 turn_count, 9 last_interaction on which it was decided, as they are
--       spelled, then names and values of the hash
-- reply 1, or 0 where somebody wrote it meanwhile, or it has gone

local state = redis.call('HMGET', KEYS[1], 'status', 'safety_level', 'revision', 'turn_count', 'last_interaction',
  'last_commit', 'session_id')
if committed(state[6], ARGV[1]) then
  return 1
end
if not state[7] or (state[3] or '') ~= ARGV[7] or (state[4] or '') ~= ARGV[8] or (state[5] or '') ~= ARGV[9] then
  return 0
end
local was = { status = state[1], level = state[2], revision = state[3], last_commit = state[6] }
local to = { lease = ARGV[1], status = ARGV[2], level = ARGV[3], id = ARGV[4], score = ARGV[5] }
write(KEYS[1], KEYS[2], ARGV[6], was, to, 10, #ARGV)
if was.status == to.status then
  tell(ARGV[6], 'session_updated', to.id, string.format(',"status":"%s"', to.status))
end
return 1
