-- sweep: clears an organisation's indices of what is gone, and tells which sessions are idle. Safe to repeat.
-- (after levels.lua, former.lua, unlist.lua, alert.lua, outbox.lua and events.lua;
-- the names of the keys behind a session's prefix come from keys.rs)
--
-- KEYS  1 active_sessions, 2 sessions:expires, 3 sessions:idle, 4 sessions:forgettable
-- ARGV  1 prefix of sessions, 2 prefix of the indices, 3 prefix of safety memories, 4 prefix of clients' sessions,
--       5 TTL ms where the hash has none, 6 ms of idle time or -, 7 ms that a cleared memory stands,
--       8 any number: where the look at the oldest begins, 9 most entries of each kind,
--       10 prefix of the alerts, 11 ms that a closed alert stands, 12 ms after which one that waits for its level to be
--       cleared is looked at again, 13 ms that an event stands
-- reply how many sessions were taken out of the indices, 1 where there is more to do, then the ids of idle sessions
--
-- An idle session is told again a minute later, unless it is taken out of sessions:idle meanwhile.
-- The keys of states, memories and clients are put together here: one node holds all.

local ACTIVE, EXPIRES, IDLE, FORGETTABLE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local SESSIONS, INDEX, SAFETY, CLIENTS, ALERT = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[10]
local MOST = tonumber(ARGV[9])
local OLDEST_MOST, MEMBERS_MOST, AGAIN_MS = 200, 100, 60000
local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local removed, has_more, idle = 0, 0, {}

local function due(set, most)
  local found = redis.call('ZRANGE', set, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, most)
  has_more = #found == most and 1 or has_more
  return found
end

local function set_due(set, member, at_ms)
  redis.call('ZADD', set, string.format('%.0f', at_ms), member)
end

local function remove(ids)
  tell_ended(ACTIVE, INDEX, ids)
  unlist(ACTIVE, INDEX, CLIENTS, SAFETY, ids)
  for _, id in ipairs(ids) do
    forget_in_alerts(ALERT, SESSIONS .. id .. ALERTS)
  end
  removed = removed + #ids
end

-- What has outlived its time. Another program may have moved a session's end.
local function sweep_ended()
  local dead = {}
  for _, id in ipairs(due(EXPIRES, MOST)) do
    local ends = redis.call('PEXPIRETIME', SESSIONS .. id .. STATE)
    if ends == -2 then
      dead[#dead + 1] = id
    elseif ends == -1 then
      redis.call('ZREM', EXPIRES, id)
    else
      set_due(EXPIRES, id, ends)
    end
  end
  remove(dead)
end

-- When a session is idle, counted from the last turn, from when its TTL began anew, or from when danger let it go.
local function idle_at(id, state, memory, ttl)
  local last = redis.call('ZSCORE', ACTIVE, id)
  local cleared = tonumber(memory[3]) or 0
  local slid = math.max(last and tonumber(last) * 1000 or 0, tonumber(state[6]) or 0, cleared / 1000)
  return math.floor(slid + (tonumber(ARGV[6]) or ttl - ttl / 24))
end

-- A session whose hold has ended, while a client had more of them than are written at once.
local function let_go(id, ends)
  for _, name in ipairs({ STATE, HISTORY, META, PINNED }) do
    redis.call('PEXPIREAT', SESSIONS .. id .. name, string.format('%.0f', ends))
  end
  set_due(EXPIRES, id, ends)
  set_due(IDLE, id, now_ms)
end

-- A session in danger that its client's raise has not reached, or with a report: nothing of it ends by itself.
local function keep(id)
  for _, name in ipairs({ STATE, HISTORY, META, PINNED }) do
    redis.call('PERSIST', SESSIONS .. id .. name)
  end
  redis.call('ZREM', EXPIRES, id)
end

local function look_whether_idle(id)
  local state = redis.call('HMGET', SESSIONS .. id .. STATE, 'status', 'safety_level', 'safety_epoch', 'client', 'ttl_ms',
    'slid_ms', 'open_reports')
  local memory = state[4] and redis.call('HMGET', SAFETY .. state[4], 'level', 'cleared_epoch', 'cleared_at')
    or {}
  local ttl = tonumber(state[5]) or tonumber(ARGV[5])
  local at = idle_at(id, state, memory, ttl)
  if redis.call('EXISTS', SESSIONS .. id .. STATE) == 0 then
    redis.call('ZREM', IDLE, id)
  elseif counting(state[2], state[3], memory[1], memory[2]) >= 2 or (tonumber(state[7]) or 0) > 0 then
    keep(id)
    set_due(IDLE, id, now_ms + ttl)
  elseif redis.call('PTTL', SESSIONS .. id .. STATE) == -1 then
    let_go(id, now_ms + ttl)
  elseif not GOES_ON[state[1]] and state[1] ~= 'paused' then
    redis.call('ZREM', IDLE, id)
  elseif at > now_ms then
    set_due(IDLE, id, at)
  else
    set_due(IDLE, id, now_ms + AGAIN_MS)
    idle[#idle + 1] = id
  end
end

-- Sessions of other programs have no place in sessions:expires: a piece of the oldest is looked at each time.
local function sweep_oldest()
  local old = redis.call('ZCOUNT', ACTIVE, '-inf', '(' .. string.format('%.3f', (now_ms - ARGV[5]) / 1000))
  local pieces = math.max(math.ceil(old / OLDEST_MOST), 1)
  local from = ARGV[8] % pieces * OLDEST_MOST
  local upto = math.min(from + OLDEST_MOST, old) - 1
  if upto < from then
    return
  end
  local dead = {}
  for _, id in ipairs(redis.call('ZRANGE', ACTIVE, from, upto)) do
    if not redis.call('ZSCORE', EXPIRES, id) and redis.call('EXISTS', SESSIONS .. id .. STATE) == 0 then
      dead[#dead + 1] = id
    end
  end
  remove(dead)
  has_more = #dead == OLDEST_MOST and 1 or has_more
end

-- Whether a session of the client stands: one that remembers an epoch. Takes out those that are gone. Nil where that
-- is not known yet.
local function has_session(client)
  local members = redis.call('ZRANGE', CLIENTS .. client, 0, MEMBERS_MOST - 1)
  for _, id in ipairs(members) do
    if redis.call('EXISTS', SESSIONS .. id .. STATE) == 1 then
      return true
    end
    redis.call('ZREM', CLIENTS .. client, id)
  end
  if #members == MEMBERS_MOST then
    return nil
  end
  return false
end

-- A memory goes when it was cleared long ago, and no session remembers an epoch of it.
local function sweep_memory(client)
  if (RANK[redis.call('HGET', SAFETY .. client, 'level') or 'none'] or 3) > 0 then
    redis.call('ZREM', FORGETTABLE, client)
    return
  end
  local is_needed = has_session(client)
  if is_needed then
    set_due(FORGETTABLE, client, now_ms + ARGV[7])
  elseif is_needed == nil then
    has_more = 1
  else
    redis.call('DEL', SAFETY .. client)
    redis.call('ZREM', FORGETTABLE, client)
  end
end

-- When the level of which an acknowledged rise tells was cleared without the rise being found: in microseconds, 0 where
-- nothing is known of it. Nil while it stands and can be cleared, which takes a session of the client.
local function fell_at(was)
  local memory = redis.pcall('HMGET', SAFETY .. was.client, 'level', 'cleared_at')
  local cleared_at = tonumber(memory[2]) or 0
  if cleared_at > was.at then
    return cleared_at
  end
  if (RANK[memory[1] or 'none'] or 3) < 2 then
    return 0
  end
  local is_known, has_one = pcall(has_session, was.client)
  if is_known and has_one == false then
    return 0
  end
  return nil
end

-- When an alert was dealt with, in microseconds; nil where it is not.
local function closed_at(was)
  local at = math.max(was.acknowledged_at, was.cleared_at)
  if was.state == 'open' then
    return nil
  elseif was.kind ~= 'level_rose' or was.state == 'cleared' then
    return at
  end
  local fell = fell_at(was)
  return fell and math.max(at, fell)
end

local function remove_alert(id, was)
  redis.call('ZREM', ours(place_of(ALERT, was.state, was.level)), id)
  redis.call('ZREM', ours(ALERT .. 'client:' .. was.client), id)
  if was.session ~= '' then
    redis.call('ZREM', ours(SESSIONS .. was.session .. ALERTS), id)
  end
  redis.call('ZREM', due_in(ALERT), id)
  redis.call('DEL', ALERT .. id)
end

-- What was dealt with long ago goes.
local function sweep_alert(id)
  local was = alert_of(ALERT, id)
  if not was then
    redis.call('ZREM', due_in(ALERT), id)
    return
  end
  local closed = closed_at(was)
  local ends = closed and math.floor(closed / 1000) + ARGV[11]
  if not ends then
    set_due(due_in(ALERT), id, now_ms + ARGV[12])
  elseif ends > now_ms then
    set_due(due_in(ALERT), id, ends)
  else
    remove_alert(id, was)
  end
end

-- Where another program made something else of the log, whoever writes into it next puts it right.
redis.pcall('XTRIM', EVENTS, 'MINID', string.format('%.0f', now_ms - ARGV[13]))
sweep_ended()
for _, id in ipairs(due(IDLE, MOST)) do
  -- One that another program spoilt must not keep the rest from being swept.
  if not pcall(look_whether_idle, id) then
    redis.call('ZREM', IDLE, id)
  end
end
sweep_oldest()
for _, client in ipairs(due(FORGETTABLE, OLDEST_MOST)) do
  if not pcall(sweep_memory, client) then
    set_due(FORGETTABLE, client, now_ms + ARGV[7])
  end
end
for _, id in ipairs(due(due_in(ALERT), OLDEST_MOST)) do
  sweep_alert(id)
end
return { removed, has_more, unpack(idle) }
