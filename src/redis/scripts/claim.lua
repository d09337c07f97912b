-- claim: looks whether a waiter's turn has come, or its joined turn is done. Safe to repeat.
-- (after the names of keys.rs, levels.lua, former.lua, seat.lua and facts.lua)
--
-- KEYS  1-5 as seat.lua
--       6 state, 7 newest, 8 safety memory of the client in ARGV 9
--       9 meta, 10 history
--       11 sessions:clients
--       12 the reply under the idempotency key, where there is one
-- ARGV  1-5 as seat.lua
--       6 server, 7 lease ms, 8 prefix of safety memories, 9 client where the session names none,
--       10 hash of the idempotency key or -, 11 hash of the body, 12 lane of one who takes over,
--       13 the session that is kept as facts.lua has it, 14 place of the last exchange that is told,
--       15 session id
-- reply begun, then the facts of facts.lua
--       waiting, ms that the lock still stands, -1 where that is not known
--       replay, bytes | gone | lost
--       client, whose the session was: nothing was done, ask with that one
--
-- A lease that was claimed stands for its whole time. One who joined takes over where the runner has died.

local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local state = redis.call('HMGET', KEYS[6], 'session_id', 'status', 'client', 'revision', 'turn_count', 'last_interaction')
local former = not state[1] and former_client(KEYS[11], ARGV[8], ARGV[15])
if former and former ~= ARGV[9] then
  return { 'client', former }
end
local is_gone = state[2] == 'expired' or state[2] == 'error' or (not state[1] and redis.call('EXISTS', KEYS[7]) == 1)

local function begun()
  redis.call('PEXPIRE', LOCK, ARGV[7])
  redis.call('HDEL', TICKETS, ME)
  local client = state[3] or ARGV[9]
  local memory = redis.call('HMGET', client == ARGV[9] and KEYS[8] or ARGV[8] .. client,
    unpack(MEMORY))
  local session = { state[4], state[5], state[6], exists = state[1] }
  return add_facts({ 'begun' }, session, memory, ARGV[13], { KEYS[6], KEYS[9], KEYS[10] }, ARGV[14])
end

local function waiting()
  return { 'waiting', math.max(redis.call('PTTL', LOCK), -1) }
end

local held, lane, permit, idem = holder()
if held == ME then
  -- Another turn under the same key is stored by now: this one must not be a second.
  local stored = KEYS[12] and redis.call('GET', KEYS[12])
  if stored and string.sub(stored, 1, 1) == 's' and string.sub(stored, 2, 33) == ARGV[11] then
    release(ME, lane, permit, '-', true, now_ms)
    redis.call('HDEL', TICKETS, ME)
    return { 'replay', string.sub(stored, 34) }
  end
  if is_gone then
    release(ME, lane, permit, idem, true, now_ms)
    return { 'gone' }
  end
  return begun()
end

local score = redis.call('ZSCORE', QUEUE, ME)
if score then
  if is_gone then
    leave(ME, score, now_ms)
    return { 'gone' }
  end
  if not held then
    local next_id = hand_over(now_ms)
    if not next_id then
      -- Nobody hears, not even this server; but the one who asks is there.
      local _, _, own_lane, own_permit, own_idem = ticket_of(ME)
      redis.call('ZREM', QUEUE, ME)
      redis.call('SET', LOCK, ME .. ' ' .. (own_lane or ARGV[12]) .. ' ' .. (own_permit or '-') .. ' ' .. (own_idem or '-'))
    end
    if not next_id or next_id == ME then
      return begun()
    end
  end
  return waiting()
end

if ARGV[10] ~= '-' then
  local marker = redis.call('GET', KEYS[12])
  if marker and string.sub(marker, 1, 1) == 's' then
    if string.sub(marker, 2, 33) == ARGV[11] then
      return { 'replay', string.sub(marker, 34) }
    end
  elseif marker then
    local body, runner, joined = running(marker)
    if is_alive(runner, held) then
      return waiting()
    end
    local me = ME .. '@' .. ARGV[6] .. ' '
    local from, to = string.find(joined, me, 1, true)
    if from and is_gone then
      return { 'gone' }
    elseif from then
      joined = string.sub(joined, 1, from - 1) .. string.sub(joined, to + 1)
      redis.call('SET', KEYS[12], 'r' .. body .. ME .. joined, 'PX', TICKET_MS)
      enqueue(ME, first_score(ARGV[12]), ARGV[6], ARGV[12], '-', ARGV[10], now_ms)
      if not held and hand_over(now_ms) == ME then
        return begun()
      end
      return waiting()
    end
  end
end

-- A hand-over that was not claimed in time has used nothing.
local server, _, ticket_lane, ticket_permit = ticket_of(ME)
if server then
  redis.call('HDEL', TICKETS, ME)
  give_back(ticket_lane, ticket_permit)
end
return { 'lost' }
