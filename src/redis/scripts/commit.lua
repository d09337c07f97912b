-- commit: writes a turn whole and hands the lease on, or says what has changed. Safe to repeat under the same lease.
-- (after levels.lua, seat.lua, outbox.lua, events.lua, write.lua and alert.lua)
--
-- KEYS  1-5 as seat.lua
--       6 state, 7 history, 8 meta, 9 idems, 10 pinned, 11 active_sessions, 12 sessions:expires, 13 sessions:idle,
--       14 the client's sessions, 15 the client's safety memory, 16 organisations, 17 sessions:forgettable
--       18 alerts of the session, 19 newest of the line, where this session succeeds another
-- ARGV  1-5 as seat.lua; the lease is ARGV 1
--       6 revision, 7 turn_count, 8 last_interaction on which the turn was decided, as they are spelled
--       9 rank of the level under which it was decided, 10 status and 11 level after it, 12 session id,
--       13 last interaction in seconds, 14 exchange, 15 most exchanges, 16 created ms, 17 greatest age ms,
--       18 TTL ms where the hash has none, 19 1 where the exchange is pinned, 20 hash of the idempotency key or -,
--       21 hash of the body, 22 reply, 23 ms that a reply is kept, 24 ms of idle time, 25 prefix of the indices,
--       26 number of this successor or -, 27 organisation, 28 1 where it is the first write of Attune,
--       29 level to which the turn raises the client's memory or -, 30 ids of the rules, separated by spaces,
--       31 client, 32 1 where the turn follows the one on which it was decided, 33 epoch of the client's memory on which
--       it was decided, 34 prefix of the alerts, 35 how many arguments are fields of the hash, then these, then the
--       fields of meta
-- reply committed, revision | lost | overtaken | changed | misshapen
--
-- A turn slides the expiry of all keys to now + TTL, at most to the greatest age, and never makes it earlier. At high
-- and crisis nothing expires, nor while a report waits for somebody to see it. A little more history stands than is
-- shown, so that not every turn trims.

local SLACK = 8
local held, lane, permit, idem = holder()
local state = redis.call('HMGET', KEYS[6], 'status', 'safety_level', 'safety_epoch', 'revision', 'turn_count',
  'last_interaction', 'last_commit', 'ttl_ms', 'open_reports')
if held ~= ME then
  local revision = committed(state[7], ME)
  if revision then
    return { 'committed', revision }
  end
  return { 'lost' }
end
-- Mostly the memory is the one on which the turn was decided, and there is nothing more to know of it.
local epoch = tonumber(redis.call('HGET', KEYS[15], 'epoch')) or 0
local is_calm = tonumber(ARGV[9]) < 2
if is_calm and (epoch ~= tonumber(ARGV[33]) or (RANK[state[2] or 'none'] or 0) >= 2) then
  local memory = redis.call('HMGET', KEYS[15], 'level', 'cleared_epoch')
  if counting(state[2], state[3], memory[1], memory[2]) >= 2 then
    return { 'overtaken' }
  end
end
if (state[4] or '') ~= ARGV[6] or (state[5] or '') ~= ARGV[7] or (state[6] or '') ~= ARGV[8]
  or epoch ~= tonumber(ARGV[33]) then
  return { 'changed' }
end
if ARGV[32] ~= '1' then
  return { 'misshapen' }
end

local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local id = ARGV[12]
if ARGV[29] ~= '-' then
  local before = redis.call('HGET', KEYS[15], 'level') or 'none'
  enter(ARGV[25], 'level', 'client', ARGV[31], before, ARGV[29])
  tell_level(ARGV[25], 'safety_raised', id, before, ARGV[29])
  local known = redis.call('HGET', KEYS[15], 'why')
  local why = known and known ~= '' and known .. ' ' .. ARGV[30] or ARGV[30]
  redis.call('HSET', KEYS[15], 'level', ARGV[29], 'since', time[1] .. string.format('%06d', time[2]), 'why', why,
    'epoch', epoch + 1, 'raised_by', ME)
  redis.call('HDEL', KEYS[15], 'noted_id', 'noted_at')
  redis.call('PERSIST', KEYS[15])
  redis.call('ZREM', KEYS[17], ARGV[31])
  if RANK[ARGV[29]] >= 2 then
    local new = { kind = 'level_rose', level = ARGV[29], session = id, client = ARGV[31], why = ARGV[30], name = ME }
    open_alert(ARGV[34], KEYS[18], new, time)
  end
end
if ARGV[30] ~= '' and ARGV[11] ~= 'none' then
  sign(KEYS[15], ME)
end
local fields = 35 + ARGV[35]
local was = { status = state[1], level = state[2], revision = state[4], last_commit = state[7] }
local to = { lease = ME, status = ARGV[10], level = ARGV[11], id = id, score = ARGV[13] }
-- Whatever may be refused comes first, or is passed over: a script that is cut off keeps what it has done.
if ARGV[28] == '1' and fields < #ARGV then
  -- What another program's removal has left of an earlier session of this id is not this one's.
  redis.call('DEL', KEYS[7], KEYS[8], KEYS[9], KEYS[10])
end
if redis.call('LPUSH', KEYS[7], ARGV[14]) > ARGV[15] + SLACK then
  redis.call('LTRIM', KEYS[7], 0, ARGV[15] - 1)
end
local revision = write(KEYS[6], KEYS[11], ARGV[25], was, to, 36, fields)
local ttl = tonumber(state[8]) or tonumber(ARGV[18])
if ARGV[28] == '1' then
  if fields < #ARGV then
    redis.pcall('HSET', KEYS[8], unpack(ARGV, fields + 1))
  end
  redis.call('ZADD', KEYS[13], 'NX', string.format('%.0f', now_ms + ARGV[24]), id)
  redis.call('ZADD', KEYS[14], ARGV[13], id)
  redis.call('HSET', ARGV[25] .. 'clients', id, ARGV[31])
  redis.call('SADD', KEYS[16], ARGV[27])
  if fields < #ARGV then
    tell(ARGV[25], 'session_created', id, shown(to))
  end
end
local turn = string.format(',"turn":%d%s', (tonumber(state[5]) or 0) + 1, shown(to))
tell(ARGV[25], 'turn_completed', id, turn)
tell(ARGV[25], 'reply_ready', id, turn)

local keys = { KEYS[7], KEYS[8] }
if ARGV[19] == '1' then
  redis.pcall('LPUSH', KEYS[10], ARGV[14])
end
if to.level ~= 'none' or (was.level and was.level ~= 'none') then
  keys[#keys + 1] = KEYS[10]
end
if ARGV[26] ~= '-' then
  local newest = redis.call('GET', KEYS[19])
  if not newest or tonumber(newest) <= tonumber(ARGV[26]) then
    redis.call('SET', KEYS[19], ARGV[26], 'KEEPTTL')
    keys[#keys + 1] = KEYS[19]
  end
end
-- The level that the turn leaves counts its client's memory in.
local is_held = RANK[to.level] >= 2 or (tonumber(state[9]) or 0) > 0
local at = math.min(now_ms + ttl, ARGV[16] + ARGV[17])
if is_held then
  keys[#keys + 1] = KEYS[6]
  hold(keys, KEYS[12], id)
else
  -- Mostly it ends later than it did. Where not, or where it had no end, what stands decides.
  if redis.call('PEXPIREAT', KEYS[6], string.format('%.0f', at), 'GT') == 0 then
    at = math.max(at, redis.call('PEXPIRETIME', KEYS[6]))
    if at <= now_ms then
      -- Another program's session without an end, older than any of ours: it must not go with its turn.
      at = now_ms + ttl
    end
    keys[#keys + 1] = KEYS[6]
  end
  end_at(keys, KEYS[12], id, at)
end

local joined = nil
if ARGV[20] ~= '-' then
  local key = IDEM .. ARGV[20]
  local _, runner, others = running(redis.call('GET', key))
  joined = runner == ME and others
  local kept = tonumber(ARGV[23])
  if not is_held then
    kept = math.max(math.min(kept, at - now_ms), 1)
  end
  redis.call('SET', key, 's' .. ARGV[21] .. ARGV[22], 'PX', string.format('%.0f', kept))
  redis.pcall('ZREMRANGEBYSCORE', KEYS[9], '-inf', now_ms)
  local ends = string.format('%.0f', now_ms + kept)
  if type(redis.pcall('ZADD', KEYS[9], ends, ARGV[20])) == 'table' then
    -- Another program's: a reply that is not listed would outlive a removal.
    redis.call('DEL', KEYS[9])
    redis.call('ZADD', KEYS[9], ends, ARGV[20])
  end
  redis.call('PEXPIRE', KEYS[9], string.format('%.0f', kept))
elseif idem ~= '-' then
  heir_of(ME, lane, permit, idem, first_score(lane), now_ms)
end
redis.call('DEL', LOCK)
if joined then
  for joiner, server in string.gmatch(joined, '(%x+)@(%S+) ') do
    hears(server, joiner)
  end
end
hand_over(now_ms)
return { 'committed', revision }
