-- Shared: writes a session's hash, its places in the indices, and its expiry.
-- (after levels.lua, outbox.lua and events.lua; the names of the keys behind a session's prefix come from keys.rs)
--
-- The sets by status and level are named by what they hold, so their keys are put together here: one node holds all.

-- Which of its last commits a session still knows: `lease@revision `, newest first.
local function committed(last_commit, lease)
  return string.match(last_commit or '', lease .. '@(%d+) ')
end

local COMMITS_BYTES = 220

-- Writes the hash under the next revision. `was` is revision, last_commit, status and level as they stood; `to` is
-- lease, status, level, id, the score (its last interaction in seconds); `from`..`upto` of ARGV are names and values.
local function write(state, active, index, was, to, from, upto)
  local revision = string.format('%.0f', (tonumber(was.revision) or 0) + 1)
  local commits = string.sub(to.lease .. '@' .. revision .. ' ' .. (was.last_commit or ''), 1, COMMITS_BYTES)
  redis.call('HSET', state, 'revision', revision, 'last_commit', commits, unpack(ARGV, from, upto))
  redis.call('ZADD', active, to.score, to.id)
  if was.status and was.status ~= to.status then
    enter(index, 'state', 'session', to.id, was.status, to.status)
    tell_status(index, to.id, was.status, to.status)
    redis.call('ZREM', index .. was.status, to.id)
  end
  if was.level and was.level ~= to.level then
    redis.call('ZREM', index .. was.level, to.id)
  end
  redis.call('ZADD', index .. to.status, to.score, to.id)
  redis.call('ZADD', index .. to.level, to.score, to.id)
  return revision
end

-- Nothing of a session in danger ends by itself.
local function hold(keys, expires, id)
  for _, key in ipairs(keys) do
    redis.call('PERSIST', key)
  end
  redis.call('ZREM', expires, id)
end

-- All of a session ends together, at a millisecond since 1970.
local function end_at(keys, expires, id, at)
  at = string.format('%.0f', at)
  for _, key in ipairs(keys) do
    redis.call('PEXPIREAT', key, at)
  end
  redis.call('ZADD', expires, at, id)
end

-- Stored replies hold words too: none stands longer than its session.
local function end_replies(idems, prefix, at)
  at = string.format('%.0f', at)
  for _, hash in ipairs(redis.call('ZRANGE', idems, '(' .. at, '+inf', 'BYSCORE')) do
    redis.call('PEXPIREAT', prefix .. hash, at, 'LT')
    redis.call('ZADD', idems, at, hash)
  end
  redis.call('PEXPIREAT', idems, at, 'LT')
end

-- The same for the reply of the create that made it, as long as that is its own.
local function end_created(state, prefix, hash, ends, at)
  if not hash or not ends or tonumber(ends) <= at then
    return
  end
  if redis.call('PEXPIRETIME', prefix .. hash) == tonumber(ends) then
    at = string.format('%.0f', at)
    redis.call('PEXPIREAT', prefix .. hash, at)
    redis.call('HSET', state, 'created_reply_ms', at)
  end
end
