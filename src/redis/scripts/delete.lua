-- delete: removes everything of a session but its client's safety memory, or looks what there would be to remove.
-- Safe to repeat; what a first call removed a second one does not count.
-- (after levels.lua, seat.lua, former.lua, unlist.lua, alert.lua, credited.lua, outbox.lua and events.lua;
-- the names of the keys behind a session's prefix come from keys.rs)
--
-- KEYS  1-5 as seat.lua
--       6 state, 7 history, 8 meta, 9 pinned, 10 idems, 11 active_sessions, 12 alerts of the session, 13 messages of its
--       chat, 14 index of chats, then all else of the chat and the counters of its latest minutes
-- ARGV  1-5 as seat.lua; ARGV 1 is nobody's
--       6 look or remove, 7 session id, 8 prefix of sessions, 9 prefix of the indices, 10 prefix of clients' sessions,
--       11 prefix of the replies of creates, 12 channel of all servers, 13 what they are told,
--       14 prefix of the alerts, 15 prefix of safety memories, 16 prefix of credentials,
--       17 client, where the state names none, 18 seconds before which the last turn has to lie, or -
-- reply 1 where there is a state, 2 where it is in use, exchanges, stored replies that still exist, notes, credentials
--       that stand, messages of the chat, 1 where the client has a safety memory, then the keys of the stored replies
--
-- In use, where a time is given: somebody works on it, danger or a report holds it, or its last turn is not so old.
-- Ordinary waiters are sent away: what they ask must not bring the session back. Those in danger stay, and the first
-- of them gets the lock. Keys whose names only the state tells are put together here: one node holds all.

local SESSION_ID = ARGV[7]

-- What another program made something else of is removed as well: it is read as nothing.
local function read(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    return nil
  end
  return answer
end

for _, key in ipairs({ LOCK, QUEUE, TICKETS }) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= (key == LOCK and 'string' or key == QUEUE and 'zset' or 'hash') and ARGV[6] ~= 'look' then
    redis.call('DEL', key)
  end
end
local state = read('HMGET', KEYS[6], 'successor_of', 'created_by', 'created_reply_ms', 'client', 'notes', 'safety_level',
  'safety_epoch', 'open_reports') or {}
local MEMORY_KEY = ARGV[15] .. (state[4] or ARGV[17])

local function is_in_use()
  local memory = read('HMGET', MEMORY_KEY, 'level', 'cleared_epoch') or {}
  local last = tonumber(redis.call('ZSCORE', KEYS[11], SESSION_ID) or nil)
  return redis.call('EXISTS', LOCK) == 1 or not last or last >= tonumber(ARGV[18])
    or counting(state[6], state[7], memory[1], memory[2]) >= 2 or (tonumber(state[8]) or 0) > 0
end

-- The reply of a create goes with the session that it made, and with no other that its key made later.
local function reply_of_create()
  local ends = tonumber(state[3])
  if not state[2] or not ends then
    return nil
  end
  local key = ARGV[11] .. state[2]
  return redis.call('PEXPIRETIME', key) == ends and key or nil
end

local function stored_replies()
  local found = {}
  for _, hash in ipairs(read('ZRANGE', KEYS[10], 0, -1) or {}) do
    if redis.call('EXISTS', IDEM .. hash) == 1 then
      found[#found + 1] = IDEM .. hash
    end
  end
  found[#found + 1] = reply_of_create()
  return found
end

-- Those of the window, and what is pinned beyond it.
local function exchanges()
  local count, in_window = read('LLEN', KEYS[7]) or 1, {}
  local pinned = read('LRANGE', KEYS[9], 0, -1) or {}
  for _, exchange in ipairs(#pinned > 0 and read('LRANGE', KEYS[7], 0, -1) or {}) do
    in_window[exchange] = true
  end
  for _, exchange in ipairs(pinned) do
    count = count + (in_window[exchange] and 0 or 1)
  end
  return count
end

local function credentials()
  local count = 0
  for _, entry in ipairs(read('ZRANGE', ARGV[8] .. SESSION_ID .. CREDENTIALS, 0, -1) or {}) do
    count = count + redis.call('EXISTS', ARGV[16] .. string.match(entry, '%S+$'))
  end
  return count
end

local replies = stored_replies()
local _, notes = string.gsub(state[5] or '', '\n', '')
local reply = { redis.call('EXISTS', KEYS[6]), exchanges(), #replies, notes, credentials(),
  read('LLEN', KEYS[13]) or 0, redis.call('EXISTS', MEMORY_KEY) }
for _, key in ipairs(replies) do
  reply[#reply + 1] = key
end
if reply[1] == 1 and ARGV[18] ~= '-' and is_in_use() then
  reply[1] = 2
end
if ARGV[6] == 'look' or reply[1] ~= 1 then
  return reply
end

-- Who joined this turn finds it lost.
local function dismiss(id, idem)
  local body, runner, joined = running(idem and idem ~= '-' and read('GET', IDEM .. idem))
  if not body or runner ~= id then
    return
  end
  redis.call('DEL', IDEM .. idem)
  for joiner, server in string.gmatch(joined, '(%x+)@(%S+) ') do
    hears(server, joiner)
  end
end

local function empty_the_queue()
  for _, id in ipairs(redis.call('HKEYS', TICKETS)) do
    local server, _, lane, _, idem = ticket_of(id)
    if lane ~= 'd' then
      redis.call('ZREM', QUEUE, id)
      redis.call('HDEL', TICKETS, id)
      dismiss(id, idem)
      if server then
        hears(server, id)
      end
    end
  end
end

-- Input to the line's first session goes to the newest; this one is it no longer.
local function unpoint()
  local root = state[1]
  if not root or root == '' or string.sub(SESSION_ID, 1, #root + 1) ~= root .. '.' then
    return
  end
  local newest = ARGV[8] .. root .. NEWEST
  if read('GET', newest) == string.sub(SESSION_ID, #root + 2) then
    redis.call('DEL', newest)
  end
end

local function remove()
  redis.call('DEL', RECENT, DANGER, unpack(KEYS, 6, 10))
  for _, key in ipairs(replies) do
    redis.call('DEL', key)
  end
  forget_in_alerts(ARGV[14], KEYS[12])
  redis.pcall('ZREM', KEYS[14], SESSION_ID)
  redis.call('DEL', KEYS[13], unpack(KEYS, 15))
  unlist(KEYS[11], ARGV[9], ARGV[10], ARGV[15], { SESSION_ID })
  unpoint()
  tell(ARGV[9], 'session_deleted', SESSION_ID)
end

local function hand_on()
  local time = redis.call('TIME')
  local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
  local held, lane, permit, idem = holder()
  if held and lane == 'd' then
    release(held, lane, permit, idem, false, now_ms)
    return
  end
  dismiss(held, idem)
  redis.call('DEL', LOCK)
  hand_over(now_ms)
end

empty_the_queue()
revoke_all(ARGV[8] .. SESSION_ID .. CREDENTIALS, ARGV[16])
remove()
hand_on()
redis.call('PUBLISH', ARGV[12], ARGV[13])
return reply
