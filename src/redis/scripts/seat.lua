-- Shared: who works on a session, who waits for it, and how the lock is handed over.
--
-- KEYS  1 lock      `id lane permit idem` of the holder; the lease is its id. Another program's lock has its own value.
--       2 queue     sorted set of ids by their turn; those in danger have scores below zero
--       3 tickets   hash: id -> `server deadline_ms lane permit idem`; stays after a hand-over until it is claimed
--       4 recent    list of the permits of the ordinary lane, in microseconds, newest first
--       5 danger    the same for the lane of danger
-- ARGV  1 id of the begin that asks (32 hexadecimal digits)
--       2 ms that a hand-over waits to be claimed
--       3 prefix of the servers' channels
--       4 prefix of the session's stored replies; the key behind it is known only to the one who holds or waits
--       5 ms that a ticket stands
--
-- A running reply is `r` body runner, then `id@server ` for each who joined it; a stored one is `s` body reply.
-- `-` stands for no permit and for no reply's key.

local LOCK, QUEUE, TICKETS, RECENT, DANGER = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ME, CLAIM_MS, WAKE, IDEM, TICKET_MS = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

local function holder()
  local value = redis.call('GET', LOCK)
  if not value then
    return nil
  end
  local id, lane, permit, idem = string.match(value, '^(%x+) (%a) (%S+) (%S+)$')
  return id or value, lane, permit, idem
end

local function hears(server, id)
  return redis.call('PUBLISH', WAKE .. server, 'look ' .. id) > 0
end

local function give_back(lane, permit)
  if permit ~= '-' then
    redis.call('LREM', lane == 'd' and DANGER or RECENT, 1, permit)
  end
end

local function enqueue(id, score, server, lane, permit, idem, now_ms)
  redis.call('ZADD', QUEUE, score, id)
  local deadline = string.format('%.0f', now_ms + TICKET_MS)
  redis.call('HSET', TICKETS, id, server .. ' ' .. deadline .. ' ' .. lane .. ' ' .. permit .. ' ' .. idem)
  redis.call('PEXPIRE', QUEUE, TICKET_MS)
  redis.call('PEXPIRE', TICKETS, TICKET_MS)
end

local function ticket_of(id)
  local ticket = redis.call('HGET', TICKETS, id)
  return string.match(ticket or '', '^(%S+) (%d+) (%a) (%S+) (%S+)$')
end

-- Gives the lock to the first who is there. A server that nobody listens on is passed over; its tickets run out.
local function hand_over(now_ms)
  local at = 0
  while true do
    local id = redis.call('ZRANGE', QUEUE, at, at)[1]
    if not id then
      return nil
    end
    local server, deadline, lane, permit, idem = ticket_of(id)
    if not server or tonumber(deadline) <= now_ms then
      redis.call('ZREM', QUEUE, id)
      redis.call('HDEL', TICKETS, id)
      if server then
        give_back(lane, permit)
      end
    elseif hears(server, id) then
      redis.call('ZREM', QUEUE, id)
      redis.call('SET', LOCK, id .. ' ' .. lane .. ' ' .. permit .. ' ' .. idem, 'PX', CLAIM_MS)
      return id
    else
      at = at + 1
    end
  end
end

-- Whether a turn is still worked on, or waited for by somebody who is there.
local function is_alive(id, held)
  if id == held then
    return true
  end
  local server = redis.call('ZSCORE', QUEUE, id) and ticket_of(id)
  return server and hears(server, id)
end

local function running(value)
  if not value or string.sub(value, 1, 1) ~= 'r' then
    return nil
  end
  return string.sub(value, 2, 33), string.sub(value, 34, 65), string.sub(value, 66)
end

-- The first who joined an unfinished turn takes its place and its permit. False where nobody is there.
local function heir_of(id, lane, permit, idem, score, now_ms)
  if idem == '-' then
    return false
  end
  local body, runner, joined = running(redis.call('GET', IDEM .. idem))
  if runner ~= id then
    return false
  end
  for joiner, server, rest in string.gmatch(joined, '(%x+)@(%S+) ()') do
    if hears(server, joiner) then
      redis.call('SET', IDEM .. idem, 'r' .. body .. joiner .. string.sub(joined, rest), 'PX', TICKET_MS)
      enqueue(joiner, score, server, lane, permit, idem, now_ms)
      return true
    end
  end
  redis.call('DEL', IDEM .. idem)
  return false
end

-- A score ahead of everybody's in this lane; danger stays ahead of the rest.
local function first_score(lane)
  if lane == 'd' then
    local first = redis.call('ZRANGE', QUEUE, 0, 0, 'WITHSCORES')
    return math.min(tonumber(first[2] or 0), 0) - 1
  end
  local first = redis.call('ZRANGE', QUEUE, 0, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  return math.max(tonumber(first[2] or 1) - 1, 0)
end

-- Ends a turn that was not committed.
local function release(id, lane, permit, idem, is_given_back, now_ms)
  redis.call('DEL', LOCK)
  if not heir_of(id, lane, permit, idem, first_score(lane), now_ms) and is_given_back then
    give_back(lane, permit)
  end
  hand_over(now_ms)
end

-- Leaves the queue.
local function leave(id, score, now_ms)
  local server, _, lane, permit, idem = ticket_of(id)
  redis.call('ZREM', QUEUE, id)
  redis.call('HDEL', TICKETS, id)
  if server and not heir_of(id, lane, permit, idem, score, now_ms) then
    give_back(lane, permit)
  end
end
