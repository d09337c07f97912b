-- Shared: a plain chat as it stands in Redis, whoever wrote it.
--
-- KEYS  1 chat, 2 messages, 3 count, 4 about, 5 said, 6 where an unreadable chat is set aside, 7 where unreadable messages
--       are, 8 index of the organisation's chats, 9 state of the therapy session of this id, 10 organisations
-- ARGV  1 session id, 2 organisation, 3 what is known of a chat that another program wrote: its mark and then
--       either broken, or count, ms of its making, of its last activity and of its TTL, ms when it was left or -, and why
--       or -; - alone where nothing is known
--
-- The chat is JSON that other programs read and write; here it is put together of its pieces and never read. What is known
-- of it stands beside it, under the mark (a digest) of what was written last: under another mark somebody else wrote it,
-- and the caller reads it and says what is in it. Where the chat has gone, what stands beside it counts no more.

local CHAT, MESSAGES, COUNT, ABOUT, SAID = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local set_aside = 0

local function time_ms()
  local time = redis.call('TIME')
  return math.floor((time[1] * 1000000 + time[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

local function seconds(ms)
  return string.format('%.3f', ms / 1000)
end

-- Nil where there is none, or it is of another kind.
local function read(...)
  local answer = redis.pcall(...)
  if not answer or (type(answer) == 'table' and answer.err) then
    return nil
  end
  return answer
end

-- The chat's bytes and their mark. What is no text at all has a mark without bytes.
local function written()
  local kind = redis.call('TYPE', CHAT).ok
  if kind == 'none' then
    return nil, nil
  end
  local bytes = read('GET', CHAT)
  return bytes or '', bytes and redis.sha1hex(bytes) or kind
end

-- With its own end; what had none ends in a day.
local function aside(key, to)
  redis.call('RENAME', key, to)
  if redis.call('PTTL', to) == -1 then
    redis.call('PEXPIRE', to, 86400000)
  end
  set_aside = set_aside + 1
end

-- The known chat: count, created_ms, last_ms, ttl_ms, left_ms, reason, message_ms. Nil where there is none; nil and the
-- reply for the caller where only it can read what is there.
local function standing()
  local bytes, mark = written()
  if not bytes then
    redis.call('DEL', MESSAGES, COUNT, ABOUT, SAID)
    return nil
  end
  local kind = redis.call('TYPE', MESSAGES).ok
  if kind ~= 'none' and kind ~= 'list' then
    aside(MESSAGES, KEYS[7])
  end
  local own = read('HMGET', ABOUT, 'mark', 'created_ms', 'last_ms', 'ttl_ms', 'left_ms', 'reason', 'message_ms') or {}
  local count = tonumber(read('GET', COUNT) or nil)
  if own[1] == mark and count then
    return { count = count, created_ms = tonumber(own[2]), last_ms = tonumber(own[3]), ttl_ms = tonumber(own[4]),
      left_ms = tonumber(own[5] or nil), reason = own[6] or nil, message_ms = tonumber(own[7] or nil) }
  end
  local seen, rest = string.match(ARGV[3], '^(%S+) (.+)$')
  if seen ~= mark then
    return nil, { set_aside, 'foreign', mark, bytes }
  end
  if rest == 'broken' then
    local ends_ms = redis.call('PEXPIRETIME', CHAT)
    aside(CHAT, KEYS[6])
    redis.call('DEL', COUNT, ABOUT, SAID)
    return nil, nil, ends_ms
  end
  local theirs, created_ms, last_ms, ttl_ms, left_ms, reason = string.match(rest, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  return { count = math.max(count or 0, tonumber(theirs)), created_ms = tonumber(created_ms), last_ms = tonumber(last_ms),
    ttl_ms = tonumber(ttl_ms), left_ms = tonumber(left_ms), reason = reason ~= '-' and reason or nil,
    message_ms = tonumber(own[7] or nil) }
end

-- When a chat ends whose time starts now: with the therapy session beside it, where there is one.
local function ends_from(chat, now_ms)
  local session = read('HMGET', KEYS[9], 'session_id', 'ttl_ms', 'turn_count')
  if not session or not session[1] then
    return now_ms + chat.ttl_ms, nil
  end
  chat.ttl_ms = tonumber(session[2] or nil) or chat.ttl_ms
  local ends_ms = redis.call('PEXPIRETIME', KEYS[9])
  return ends_ms > now_ms and ends_ms or now_ms + chat.ttl_ms, tonumber(session[3] or nil) or 0
end

-- Writes all of a chat under one end.
local function keep(chat, ends_ms)
  local data = '"count":' .. whole(chat.count) .. ',"last_activity":' .. seconds(chat.last_ms)
  if chat.left_ms then
    data = data .. ',"disconnected_at":' .. seconds(chat.left_ms)
  end
  if chat.reason then
    data = data .. ',"shutdown_reason":"' .. chat.reason .. '"'
  end
  local bytes = '{"data":{' .. data .. '},"created_at":' .. seconds(chat.created_ms) .. ',"ttl":'
    .. string.format('%.15g', chat.ttl_ms / 1000) .. '}'
  redis.call('SET', CHAT, bytes)
  redis.call('SET', COUNT, whole(chat.count))
  if redis.call('TYPE', ABOUT).ok ~= 'hash' then
    redis.call('DEL', ABOUT)
  end
  redis.call('HDEL', ABOUT, 'left_ms', 'reason')
  redis.call('HSET', ABOUT, 'mark', redis.sha1hex(bytes), 'created_ms', whole(chat.created_ms),
    'last_ms', whole(chat.last_ms), 'ttl_ms', whole(chat.ttl_ms))
  if chat.left_ms then
    redis.call('HSET', ABOUT, 'left_ms', whole(chat.left_ms))
  end
  if chat.reason then
    redis.call('HSET', ABOUT, 'reason', chat.reason)
  end
  if chat.message_ms then
    redis.call('HSET', ABOUT, 'message_ms', whole(chat.message_ms))
  end
  for _, key in ipairs({ CHAT, MESSAGES, COUNT, ABOUT }) do
    redis.call('PEXPIREAT', key, whole(ends_ms))
  end
  redis.call('ZADD', KEYS[8], whole(ends_ms), ARGV[1])
  redis.call('SADD', KEYS[10], ARGV[2])
end
