-- Shared: alerts as hashes, and the sets in which they are found: by state and level, by client, by session.
--
-- All scores are 0: the ids of alerts are in the order of their times. `alerts` is what stands before an alert's id, and
-- before the names of the sets; they are put together here: one node holds all.

local function place_of(alerts, state, level)
  return alerts .. state .. ':' .. level
end

-- The ids in a set. One of which another program made something else has none.
local function ids_in(set)
  local ids = redis.pcall('ZRANGE', set, 0, -1)
  return ids.err and {} or ids
end

-- `new` is kind, level, session, client, why, reason, turn and a name that nobody can guess. Tells the id.
local function open_alert(alerts, of_session, new, time)
  local at = string.format('%010d%06d', time[1], time[2])
  local id = at .. '-' .. new.name
  redis.call('HSET', alerts .. id, 'kind', new.kind, 'level', new.level, 'session', new.session, 'client', new.client,
    'why', new.why or '', 'reason', new.reason or '', 'turn', new.turn or '', 'at', at, 'state', 'open')
  -- A set that another program spoilt must not keep a level from rising.
  for _, set in ipairs({ place_of(alerts, 'open', new.level), alerts .. 'client:' .. new.client, of_session }) do
    redis.pcall('ZADD', set, 0, id)
  end
  return id
end

-- Moves an alert on. It goes so many ms later.
local function move_alert(alerts, id, from, to, level, now_ms, kept_ms)
  redis.call('HSET', alerts .. id, 'state', to)
  redis.pcall('ZREM', place_of(alerts, from, level), id)
  redis.pcall('ZADD', place_of(alerts, to, level), 0, id)
  redis.pcall('ZADD', alerts .. 'due', string.format('%.0f', now_ms + kept_ms), id)
end

-- The level was cleared: what told that it had risen is closed.
local function clear_alerts(alerts, client, time, now_ms, kept_ms)
  local of_client = alerts .. 'client:' .. client
  for _, id in ipairs(ids_in(of_client)) do
    local was = redis.call('HMGET', alerts .. id, 'kind', 'state', 'level')
    if was[1] == 'level_rose' then
      redis.call('HSET', alerts .. id, 'cleared_at', string.format('%010d%06d', time[1], time[2]))
      move_alert(alerts, id, was[2], 'cleared', was[3], now_ms, kept_ms)
      redis.call('ZREM', of_client, id)
    elseif not was[1] then
      redis.call('ZREM', of_client, id)
    end
  end
end

-- The session goes: its alerts stay, and name it no more.
local function forget_in_alerts(alerts, of_session)
  for _, id in ipairs(ids_in(of_session)) do
    if redis.call('EXISTS', alerts .. id) == 1 then
      redis.call('HSET', alerts .. id, 'session', '', 'turn', '')
    end
  end
  redis.call('DEL', of_session)
end
