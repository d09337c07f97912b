-- gate: the right to work on a session, or why not. Safe to repeat under the same id.
-- (after the names of keys.rs, levels.lua, former.lua, seat.lua and facts.lua)
--
-- KEYS  1-5 as seat.lua
--       6 state, 7 this minute's counter, 8 the next minute's, 9 newest (number of the newest successor)
--       10 safety memory of the client in ARGV 17
--       11 meta, 12 history
--       13 sessions:clients
--       14 the reply under the idempotency key, where there is one
-- ARGV  1-5 as seat.lua
--       6 server, 7 lane (o or d), 8 lease ms, 9 whether ordinary ones may wait (1 or 0), 10 most in the queue,
--       11 most in danger in the queue, 12 permits in a window, 13 that window in us, 14 permits in a minute of danger,
--       15 the minute of KEYS 7 since 1970, 16 prefix of safety memories, 17 client where the session names none,
--       18 hash of the idempotency key or -, 19 hash of the body, 20 the session that is kept as facts.lua has it,
--       21 place of the last exchange that is told, 22 session id
-- reply begun, lane, remaining, reset us, then the facts of facts.lua
--       queued | running, lane, remaining, reset us
--       limited, lane, 0, reset us
--       busy | full, ms that the lock still stands
--       replay, bytes | reused | gone
--       client, whose the session was: nothing was done, ask with that one
--
-- The memory of a session's own client is read under a key that only the session tells: one node holds both.
-- The limiter's list expires with its window, the minute's counter after 120 s.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local now_ms = math.floor(now / 1000)
local lane, idem, body = ARGV[7], ARGV[18], ARGV[19]
local state = redis.call('HMGET', KEYS[6], 'session_id', 'status', 'safety_level', 'safety_epoch', 'awaiting',
  'client', 'revision', 'turn_count', 'last_interaction', 'last_commit')
local former = not state[1] and former_client(KEYS[13], ARGV[16], ARGV[22])
if former and former ~= ARGV[17] then
  return { 'client', former }
end
local client = state[6] or ARGV[17]
local memory_key = client == ARGV[17] and KEYS[10] or ARGV[16] .. client
-- Most clients have none, and one field tells.
local memory = redis.call('HGET', memory_key, 'epoch')
  and redis.call('HMGET', memory_key, unpack(MEMORY))
local counts = counting(state[3], state[4], memory and memory[1], memory and memory[5])
if counts >= 2 or state[5] == '1' then
  lane = 'd'
end

local function bound(in_lane)
  if in_lane == 'd' then
    return tonumber(ARGV[14]), 60000000, DANGER
  end
  return tonumber(ARGV[12]), tonumber(ARGV[13]), RECENT
end

-- Remaining permits and the us until the next one, or all, are free.
local function allowance(in_lane)
  local limit, window, list = bound(in_lane)
  if limit == 0 then
    return 0, 0
  end
  local remaining = limit - redis.call('LLEN', list)
  local at = remaining > 0 and redis.call('LINDEX', list, 0) or redis.call('LINDEX', list, limit - 1)
  return math.max(remaining, 0), at and at + window - now or 0
end

-- A permit and the allowance that is left; nil where there is none.
local function take()
  local limit, window, list = bound(lane)
  if limit == 0 then
    return '-', 0, 0
  end
  local oldest = redis.call('LINDEX', list, -1)
  while oldest and now - oldest >= window do
    redis.call('RPOP', list)
    oldest = redis.call('LINDEX', list, -1)
  end
  local decides = oldest and redis.call('LINDEX', list, limit - 1)
  if decides then
    return nil, 0, decides + window - now
  end
  local permit = string.format('%.0f', now)
  local remaining = limit - redis.call('LPUSH', list, permit)
  redis.call('PEXPIRE', list, math.ceil(window / 1000))
  local reset = remaining == 0 and (oldest or now) + window - now or window
  if lane == 'o' then
    local minute = KEYS[7 + math.floor(time[1] / 60) - ARGV[15]]
    if (minute == KEYS[7] or minute == KEYS[8]) and redis.call('INCR', minute) == 1 then
      redis.call('EXPIRE', minute, 120)
    end
  end
  return permit, remaining, reset
end

local function begun(in_lane, remaining, reset)
  local session = { state[7], state[8], state[9], exists = state[1] }
  return add_facts({ 'begun', in_lane, remaining, reset }, session, memory, ARGV[20], { KEYS[6], KEYS[11], KEYS[12] },
    ARGV[21])
end

local function lock_ms()
  return math.max(redis.call('PTTL', LOCK), 0)
end

-- The same call again.
local held, held_lane = holder()
if held == ME then
  redis.call('PEXPIRE', LOCK, ARGV[8])
  redis.call('HDEL', TICKETS, ME)
  return begun(held_lane, allowance(held_lane))
end
if redis.call('ZSCORE', QUEUE, ME) then
  local _, _, ticket_lane = ticket_of(ME)
  return { 'queued', ticket_lane or lane, allowance(ticket_lane or lane) }
end

-- A late twin of a call whose turn stands: nobody waits for it, and its lease must not be given twice.
if state[10] and string.find(state[10], ME .. '@', 1, true) then
  return { 'busy', 0 }
end

-- The same request again.
local marker = KEYS[14] and redis.call('GET', KEYS[14])
local joined = ''
if marker and string.sub(marker, 1, 1) == 's' then
  if string.sub(marker, 2, 33) ~= body then
    return { 'reused' }
  end
  return { 'replay', string.sub(marker, 34) }
elseif marker then
  local other_body, runner, others = running(marker)
  if is_alive(runner, held) then
    if other_body ~= body then
      return { 'reused' }
    end
    local me = ME .. '@' .. ARGV[6] .. ' '
    if string.find(others, me, 1, true) then
      return { 'running', lane, 0, 0 }
    end
    if ARGV[9] == '0' then
      return { 'busy', lock_ms() }
    end
    local most = lane == 'd' and ARGV[11] or ARGV[10]
    if #others / #me >= tonumber(most) then
      return { 'full', lock_ms() }
    end
    redis.call('SET', KEYS[14], marker .. me, 'KEEPTTL')
    return { 'running', lane, 0, 0 }
  end
  joined = other_body == body and others or ''
end

if state[2] == 'expired' or state[2] == 'error' or (not state[1] and redis.call('EXISTS', KEYS[9]) == 1) then
  return { 'gone' }
end

local permit, remaining, reset = take()
if not permit then
  return { 'limited', lane, 0, reset }
end
if idem ~= '-' then
  redis.call('SET', KEYS[14], 'r' .. body .. ME .. joined, 'PX', TICKET_MS)
end
local value = ME .. ' ' .. lane .. ' ' .. permit .. ' ' .. idem
if not held then
  -- Where the holder died, whoever waits comes first.
  if redis.call('EXISTS', QUEUE) == 0 or not hand_over(now_ms) then
    redis.call('SET', LOCK, value, 'PX', ARGV[8])
    return begun(lane, remaining, reset)
  end
end

local waiting = redis.call('ZCARD', QUEUE)
local refusal = nil
if ARGV[9] == '0' and lane == 'o' then
  refusal = 'busy'
elseif waiting >= tonumber(lane == 'd' and ARGV[11] or ARGV[10]) then
  refusal = 'full'
end
if refusal then
  give_back(lane, permit)
  if idem ~= '-' then
    redis.call('DEL', KEYS[14])
  end
  return { refusal, lock_ms() }
end
local score = now
if lane == 'd' then
  score = now - 4503599627370496
end
local last = redis.call('ZRANGE', QUEUE, -1, -1, 'WITHSCORES')[2]
if lane == 'o' and last then
  score = math.max(score, last + 1)
elseif lane == 'd' then
  local ahead = redis.call('ZRANGE', QUEUE, '(0', '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  score = ahead and math.max(score, ahead + 1) or score
end
enqueue(ME, score, ARGV[6], lane, permit, idem, now_ms)
return { 'queued', lane, remaining, reset }
