-- raise: the client's level rises to at least this one, and its sessions pause at high and crisis. Safe to repeat.
-- (after the names of keys.rs, levels.lua, former.lua, outbox.lua, events.lua, write.lua, align.lua
-- and alert.lua)
--
-- KEYS  1 safety memory, 2 the client's sessions, 3 state of the session in which danger showed, 4 its newest successor,
--       5 active_sessions, 6 sessions:expires, 7 sessions:idle, 8 sessions:forgettable, 9 organisations
-- ARGV  1 client, 2 level, 3 ids of the rules, separated by spaces, 4 what names this call, 5 prefix of sessions,
--       6 prefix of the indices, 7 that session's id, 8 the first of the client's sessions to align, 9 how many,
--       10 TTL ms where a hash has none, 11 an id that its caller writes itself, or empty,
--       12 1 where the client was looked for in the metadata, as a session of another program tells it,
--       13 prefix of the replies of creates, 14 how many of the client's sessions are aligned at most,
--       15 prefix of the alerts, 16 organisation, 17 prefix of safety memories
-- reply client, whose the session is or was: nothing was done, ask with that one
--       strange: nothing was done, look for the client of a session that another program made
--       newest, number: nothing was done, the session has vanished and its successor answers for it
--       raised, level that counts, 1 where it rose by this call, the place to go on from or -1
--
-- Every call with a reason is a sign, also where nothing rises.
-- The memory has no expiry while it holds a level. `aligned_epoch` tells whether all sessions have followed: where a
-- call was cut off between two places, the next one goes on.

local state = redis.call('HMGET', KEYS[3], 'session_id', 'client', 'safety_level', 'safety_epoch')
if state[1] and not state[2] and ARGV[12] ~= '1' then
  return { 'strange' }
end
if state[1] and state[2] and state[2] ~= ARGV[1] then
  return { 'client', state[2] }
end
if not state[1] then
  local newest = redis.call('GET', KEYS[4])
  if newest then
    return { 'newest', newest }
  end
  local former = former_client(ARGV[6] .. 'clients', ARGV[17], ARGV[7])
  if former and former ~= ARGV[1] then
    return { 'client', former }
  end
end

local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local known = redis.call('HMGET', KEYS[1], 'level', 'epoch', 'cleared_epoch', 'raised_by', 'why', 'aligned_epoch',
  'signed_by')
local memory = { level = known[1] or 'none', epoch = tonumber(known[2]) or 0, cleared_epoch = tonumber(known[3]) or 0 }
local rose = known[4] == ARGV[4]
local from = tonumber(ARGV[8])
local is_aligned = tonumber(known[6]) == memory.epoch
if ARGV[3] ~= '' and known[7] ~= ARGV[4] then
  sign(KEYS[1], ARGV[4])
end
if not rose and RANK[ARGV[2]] > (RANK[memory.level] or 0) then
  is_aligned = false
  enter(ARGV[6], 'level', 'client', ARGV[1], memory.level, ARGV[2])
  tell_level(ARGV[6], 'safety_raised', ARGV[7], memory.level, ARGV[2])
  memory.level, memory.epoch, rose = ARGV[2], memory.epoch + 1, true
  local why = known[5] and known[5] ~= '' and known[5] .. ' ' .. ARGV[3] or ARGV[3]
  redis.call('HSET', KEYS[1], 'level', memory.level, 'since', time[1] .. string.format('%06d', time[2]), 'why', why,
    'epoch', memory.epoch, 'raised_by', ARGV[4])
  redis.call('HDEL', KEYS[1], 'noted_id', 'noted_at')
  redis.call('PERSIST', KEYS[1])
  redis.call('ZREM', KEYS[8], ARGV[1])
  if RANK[memory.level] >= 2 then
    local new = { kind = 'level_rose', level = memory.level, session = ARGV[7], client = ARGV[1], why = ARGV[3],
      name = ARGV[4] }
    open_alert(ARGV[15], ARGV[5] .. ARGV[7] .. ALERTS, new, time)
    if redis.call('EXISTS', KEYS[3]) == 0 then
      -- Mostly its first turn follows at once. Where it never comes, the sweep finds a session that has ended.
      redis.call('ZADD', KEYS[6], string.format('%.0f', now_ms + ARGV[10]), ARGV[7])
      redis.call('SADD', KEYS[9], ARGV[16])
    end
  end
end
if is_aligned or memory.level == 'none' then
  return { 'raised', LEVEL[counting(state[3], state[4], memory.level, memory.cleared_epoch)],
    rose and 1 or 0, -1 }
end

local at = { sessions = ARGV[5], index = ARGV[6], active = KEYS[5], expires = KEYS[6], idle = KEYS[7], client = KEYS[2],
  ttl_ms = tonumber(ARGV[10]), except = ARGV[11], creates = ARGV[13] }
if from == 0 and state[1] and ARGV[7] ~= ARGV[11] then
  redis.call('ZADD', KEYS[2], 'NX', 0, ARGV[7])
end
local next_from = align_some(memory, at, from, tonumber(ARGV[9]), now_ms)
if next_from >= tonumber(ARGV[14]) then
  next_from = -1
end
if next_from == -1 then
  redis.call('HSET', KEYS[1], 'aligned_epoch', memory.epoch)
end
return { 'raised', LEVEL[counting(state[3], state[4], memory.level, memory.cleared_epoch)], rose and 1 or 0, next_from }
