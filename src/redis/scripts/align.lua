-- Shared: lays a client's safety memory over its sessions, as far as other programs and the indices see it. What only
-- Attune remembers follows when the session is read.
-- (after the names of keys.rs, levels.lua, outbox.lua, events.lua and write.lua)
--
-- The keys of a client's sessions are put together here: one node holds all.

-- The pointer of a session's line, where it names this very one.
local function pointer_to(id, root, sessions)
  if root and root ~= '' and redis.call('GET', sessions .. root .. NEWEST) == string.sub(id, #root + 2) then
    return sessions .. root .. NEWEST
  end
  return nil
end

-- The hold on a session ends: a whole TTL from now, whatever the age. `at` holds the prefixes `sessions` and `creates`,
-- the keys `expires` and `idle`, and `ttl_ms` for a hash without one.
local function end_hold(id, at, now_ms)
  local state = at.sessions .. id .. STATE
  if redis.call('PTTL', state) ~= -1 then
    return
  end
  local was = redis.call('HMGET', state, 'ttl_ms', 'successor_of', 'created_by', 'created_reply_ms')
  local keys = { state, at.sessions .. id .. HISTORY, at.sessions .. id .. META, at.sessions .. id .. PINNED }
  keys[5] = pointer_to(id, was[2], at.sessions)
  local ends = now_ms + (tonumber(was[1]) or at.ttl_ms)
  end_at(keys, at.expires, id, ends)
  end_replies(at.sessions .. id .. IDEMS, at.sessions .. id .. IDEM_OF, ends)
  end_created(state, at.creates, was[3], was[4], ends)
  -- The sweep finds out when it is idle.
  redis.call('ZADD', at.idle, string.format('%.0f', now_ms), id)
end

-- Aligns one session. `at` holds the keys and prefixes below, and `ttl_ms` for a hash without one. True where it stands.
local function align(id, memory, at, now_ms)
  local state = at.sessions .. id .. STATE
  local was = redis.call('HMGET', state, 'session_id', 'status', 'safety_level', 'safety_epoch', 'paused_by',
    'successor_of', 'open_reports')
  if not was[1] then
    redis.call('ZREM', at.client, id)
    return false
  end
  local is_cleared = (tonumber(was[4]) or 0) < memory.cleared_epoch
  local rank = counting(was[3], was[4], memory.level, memory.cleared_epoch)
  local level, status, paused_by = LEVEL[rank], was[2] or 'active', was[5] or ''
  if rank >= 2 and GOES_ON[status] then
    status, paused_by = 'paused', 'safety'
  elseif rank < 2 and is_cleared and status == 'paused' and paused_by == 'safety' then
    status, paused_by = 'active', ''
  end
  redis.call('HSET', state, 'safety_level', level, 'safety_epoch', memory.epoch, 'status', status,
    'paused_by', paused_by)
  redis.call('HINCRBY', state, 'revision', 1)
  if was[2] and was[2] ~= status then
    enter(at.index, 'state', 'session', id, was[2], status)
    tell_status(at.index, id, was[2], status)
  end
  local score = redis.call('ZSCORE', at.active, id) or 0
  for _, pair in ipairs({ { was[2], status }, { was[3], level } }) do
    if pair[1] and pair[1] ~= pair[2] then
      redis.call('ZREM', at.index .. pair[1], id)
    end
    redis.call('ZADD', at.index .. pair[2], score, id)
  end

  local pinned = at.sessions .. id .. PINNED
  if rank >= 2 then
    local keys = { state, at.sessions .. id .. HISTORY, at.sessions .. id .. META, pinned }
    keys[5] = pointer_to(id, was[6], at.sessions)
    hold(keys, at.expires, id)
  else
    if is_cleared then
      redis.call('HSET', state, 'awaiting', '')
      redis.call('DEL', pinned)
    end
    if (tonumber(was[7]) or 0) <= 0 then
      end_hold(id, at, now_ms)
    end
  end
  return true
end

-- Aligns some of a client's sessions, newest first: a bound on how many leaves out the oldest. The place to go on from,
-- or -1. One whose values are of other types, as another program may leave them, does not keep the rest from it.
local function align_some(memory, at, from, most, now_ms)
  local ids = redis.call('ZREVRANGE', at.client, from, from + most - 1)
  local stood = 0
  for _, id in ipairs(ids) do
    local done, stands = true, true
    if id ~= at.except then
      done, stands = pcall(align, id, memory, at, now_ms)
    end
    if not done or stands then
      stood = stood + 1
    end
  end
  return #ids == most and from + stood or -1
end
