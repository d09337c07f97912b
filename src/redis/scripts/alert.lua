-- Shared: alerts as hashes, and the sets in which they are found: by state and level, by client, by session, and those
-- that the sweep has to look at by when.
--
-- All scores but those of `due` and of `notices:*` are 0: the ids of alerts are in the order of their times. `alerts` is
-- what stands before an alert's id, and before the names of the sets; they are put together here: one node holds all.
--
-- What another program spoilt stands in the way of nothing: a set of another type goes, for its name is ours, and an
-- alert that is none goes out of the sets.

local STATES = { 'open', 'acknowledged', 'cleared' }
local LEVELS = { 'none', 'elevated', 'high', 'crisis' }
local CHANNELS = { 'webhook', 'mail', 'webhook_2', 'mail_2' }

local function place_of(alerts, state, level)
  return alerts .. state .. ':' .. level
end

-- A set as it may be read and written.
local function ours(set)
  local kind = redis.call('TYPE', set).ok
  if kind ~= 'zset' and kind ~= 'none' then
    redis.call('DEL', set)
  end
  return set
end

local function ids_in(set)
  return redis.call('ZRANGE', ours(set), 0, -1)
end

-- Closed alerts by the millisecond in which the sweep looks at them. Where the set was lost, it looks at all of them.
local function due_in(alerts)
  local set = alerts .. 'due'
  local kind = redis.call('TYPE', set).ok
  if kind == 'zset' or kind == 'none' then
    return set
  end
  redis.call('DEL', set)
  for _, level in ipairs(LEVELS) do
    for _, state in ipairs({ 'acknowledged', 'cleared' }) do
      for _, id in ipairs(ids_in(place_of(alerts, state, level))) do
        redis.call('ZADD', set, 0, id)
      end
    end
  end
  return set
end

-- No channel has to tell of it any more.
local function end_notices(alerts, id)
  for _, channel in ipairs(CHANNELS) do
    redis.call('ZREM', ours(alerts .. 'notices:' .. channel), id)
  end
end

-- Nobody is told of it any more.
local function drop_alert(alerts, id)
  for _, level in ipairs(LEVELS) do
    for _, state in ipairs(STATES) do
      redis.call('ZREM', ours(place_of(alerts, state, level)), id)
    end
  end
  redis.call('ZREM', due_in(alerts), id)
  end_notices(alerts, id)
  redis.call('DEL', alerts .. id)
end

-- The key of an alert's hash, or nil. What is behind a member that is no id is not ours to look at.
local function hash_of(alerts, id)
  if not string.find(id, '^%d+%-%x+$') then
    return nil
  end
  if redis.call('TYPE', alerts .. id).ok ~= 'hash' then
    drop_alert(alerts, id)
    return nil
  end
  return alerts .. id
end

local function is_in(list, word)
  for _, known in ipairs(list) do
    if known == word then
      return true
    end
  end
  return false
end

-- An alert as it stands. Nil where it is none, or is not to be understood; the caller takes it out of where it found it.
local function alert_of(alerts, id)
  local key = hash_of(alerts, id)
  if not key then
    return nil
  end
  local was = redis.call('HMGET', key, 'kind', 'state', 'level', 'client', 'session', 'at', 'acknowledged_at', 'cleared_at',
    'acknowledged_call')
  if not (was[1] and is_in(STATES, was[2]) and is_in(LEVELS, was[3]) and was[4] and tonumber(was[6])) then
    return nil
  end
  return { kind = was[1], state = was[2], level = was[3], client = was[4], session = was[5] or '', at = tonumber(was[6]),
    acknowledged_at = tonumber(was[7]) or 0, cleared_at = tonumber(was[8]) or 0, call = was[9] }
end

-- `new` is kind, level, session, client, why, reason, turn and a name that nobody can guess. Tells the id.
local function open_alert(alerts, of_session, new, time)
  local at = string.format('%010d%06d', time[1], time[2])
  local id = at .. '-' .. new.name
  redis.call('HSET', alerts .. id, 'kind', new.kind, 'level', new.level, 'session', new.session, 'client', new.client,
    'why', new.why or '', 'reason', new.reason or '', 'turn', new.turn or '', 'at', at, 'state', 'open')
  for _, set in ipairs({ place_of(alerts, 'open', new.level), alerts .. 'client:' .. new.client, of_session }) do
    redis.call('ZADD', ours(set), 0, id)
  end
  for _, channel in ipairs(CHANNELS) do
    redis.call('ZADD', ours(alerts .. 'notices:' .. channel), 0, id)
  end
  return id
end

-- Moves an alert on. The sweep looks at it so many ms later.
local function move_alert(alerts, id, was, to, now_ms, kept_ms)
  redis.call('HSET', alerts .. id, 'state', to)
  end_notices(alerts, id)
  redis.call('ZREM', ours(place_of(alerts, was.state, was.level)), id)
  redis.call('ZADD', ours(place_of(alerts, to, was.level)), 0, id)
  redis.call('ZADD', due_in(alerts), string.format('%.0f', now_ms + kept_ms), id)
end

-- The level was cleared: what told that it had risen is closed.
local function clear_alerts(alerts, client, time, now_ms, kept_ms)
  local of_client = alerts .. 'client:' .. client
  for _, id in ipairs(ids_in(of_client)) do
    local was = alert_of(alerts, id)
    if was and was.kind == 'level_rose' then
      redis.call('HSET', alerts .. id, 'cleared_at', string.format('%010d%06d', time[1], time[2]))
      move_alert(alerts, id, was, 'cleared', now_ms, kept_ms)
    end
    if not was or was.kind == 'level_rose' then
      redis.call('ZREM', of_client, id)
    end
  end
end

-- The session goes: its alerts stay, and name it no more.
local function forget_in_alerts(alerts, of_session)
  for _, id in ipairs(ids_in(of_session)) do
    local key = hash_of(alerts, id)
    if key then
      redis.call('HSET', key, 'session', '', 'turn', '')
    end
  end
  redis.call('DEL', of_session)
end
