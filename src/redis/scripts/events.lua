-- Shared: what subscribers are told of a change, in the same step as the change.
-- (after the name of the stream and its bound, which come from keys.rs, and outbox.lua)

-- The organisation whose indices have this prefix; the default one has no name in it.
local function org_of(index)
  local org = string.sub(index, #PREFIX + 1, -#INDICES_OF - 1)
  return org == '' and DEFAULT_ORG or string.sub(org, 1, -2)
end

-- `rest` is what the kind has of its own, as JSON behind a comma, or nothing. Where another program made something else of
-- the stream, that goes: the name is ours.
local function tell(index, kind, session, rest)
  local org = org_of(index)
  local event = string.format('{"kind":"%s","org":"%s","session":"%s"%s}', kind, org, plain(session), rest or '')
  local added = redis.pcall('XADD', EVENTS, 'MAXLEN', '~', EVENTS_MAX, '*', 'event', event)
  if type(added) == 'table' and added.err then
    redis.call('DEL', EVENTS)
    redis.call('XADD', EVENTS, '*', 'event', event)
  end
end

-- A session as it is written.
local function shown(to)
  return string.format(',"status":"%s","level":"%s"', to.status, to.level)
end

-- A status that became another.
local function tell_status(index, session, was, status)
  local kind = status == 'expired' and 'session_expired' or 'session_updated'
  tell(index, kind, session, string.format(',"status":"%s","was":"%s"', plain(status), plain(was)))
end

-- A client's level that became another; the session is the one in which it did.
local function tell_level(index, kind, session, was, level)
  tell(index, kind, session, string.format(',"level":"%s","was":"%s"', level, plain(was)))
end

-- Of sessions that ran out without having been expired, before they leave the indices. An id that is in none of a
-- session's own never was one.
local function tell_ended(active, index, ids)
  for _, id in ipairs(ids) do
    if redis.call('ZSCORE', active, id) and not redis.call('ZSCORE', index .. 'expired', id) then
      tell(index, 'session_expired', id)
    end
  end
end
