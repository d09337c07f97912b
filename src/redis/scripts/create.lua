-- create: makes a session, once. Safe to repeat under the same name of the call.
-- (after the names of keys.rs, levels.lua, former.lua, outbox.lua, events.lua, write.lua and credited.lua)
--
-- KEYS  1 state, 2 meta, 3 active_sessions, 4 sessions:expires, 5 sessions:idle, 6 the client's sessions,
--       7 the client's safety memory, 8 organisations, 9 history, 10 pinned, 11 idems
--       12 the reply under the idempotency key, where there is one
-- ARGV  1 what names this call (32 hexadecimal digits), 2 status, 3 level, 4 id, 5 last interaction in seconds,
--       6 prefix of the indices, 7 epoch of the memory that the session was laid under, 8 TTL ms, 9 greatest age ms,
--       10 ms of idle time, 11 organisation, 12 hash of the body, 13 reply, 14 ms that a reply is kept,
--       15 hash of the idempotency key or -, 16 client, 17 prefix of safety memories where the caller names no client,
--       or -, 18 prefix of credentials, 19 how many arguments are fields of the hash, then these, then those of meta
-- reply created | replay, bytes | reused | exists
--       again: the memory has changed meanwhile, nothing was done
--       client, whose a gone session of this id was: nothing was done, ask with that one
--
-- The keys end with TTL, at most with the greatest age; at high and crisis they do not.

local state = redis.call('HMGET', KEYS[1], 'last_commit', 'session_id')
if committed(state[1], ARGV[1]) then
  return { 'created' }
end
local stored = KEYS[12] and redis.call('GET', KEYS[12])
if stored then
  if string.sub(stored, 2, 33) ~= ARGV[12] then
    return { 'reused' }
  end
  return { 'replay', string.sub(stored, 34) }
end
if state[2] or redis.call('EXISTS', KEYS[1]) == 1 then
  return { 'exists' }
end
-- Nor while a successor of an earlier session of this id stands: it would be taken for this one's.
local own = string.sub(KEYS[1], 1, #KEYS[1] - #STATE)
-- What another program made something else of names nobody.
local newest = redis.pcall('GET', own .. NEWEST)
if type(newest) == 'string' and redis.call('EXISTS', own .. '.' .. newest .. STATE) == 1 then
  return { 'exists' }
end
local former = ARGV[17] ~= '-' and former_client(ARGV[6] .. 'clients', ARGV[17], ARGV[4])
if former and former ~= ARGV[16] then
  return { 'client', former }
end
if (tonumber(redis.call('HGET', KEYS[7], 'epoch')) or 0) ~= tonumber(ARGV[7]) then
  return { 'again' }
end

local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local to = { lease = ARGV[1], status = ARGV[2], level = ARGV[3], id = ARGV[4], score = ARGV[5] }
local fields = 19 + ARGV[19]
write(KEYS[1], KEYS[3], ARGV[6], {}, to, 20, fields)
-- What another program's removal has left of an earlier session of this id is not this one's.
redis.call('DEL', KEYS[2], KEYS[9], KEYS[10], KEYS[11])
-- Whoever held a token for that one may be somebody else.
revoke_all(own .. CREDENTIALS, ARGV[18])
redis.call('HSET', KEYS[2], unpack(ARGV, fields + 1))
redis.call('ZADD', KEYS[5], string.format('%.0f', now_ms + ARGV[10]), ARGV[4])
redis.call('ZADD', KEYS[6], ARGV[5], ARGV[4])
redis.call('HSET', ARGV[6] .. 'clients', ARGV[4], ARGV[16])
redis.call('SADD', KEYS[8], ARGV[11])
tell(ARGV[6], 'session_created', to.id, shown(to))
local keys, at = { KEYS[1], KEYS[2] }, now_ms + math.min(ARGV[8], ARGV[9])
local kept = tonumber(ARGV[14])
if RANK[to.level] >= 2 then
  hold(keys, KEYS[4], to.id)
else
  end_at(keys, KEYS[4], to.id, at)
  kept = math.max(math.min(kept, at - now_ms), 1)
end
if KEYS[12] then
  local ends = string.format('%.0f', now_ms + kept)
  redis.call('SET', KEYS[12], 's' .. ARGV[12] .. ARGV[13], 'PXAT', ends)
  redis.call('HSET', KEYS[1], 'created_by', ARGV[15], 'created_reply_ms', ends)
end
return { 'created' }
