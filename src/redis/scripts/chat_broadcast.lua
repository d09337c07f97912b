-- chat_broadcast: keeps words to everybody in a piece of an organisation's chats. Safe to repeat.
-- (the names of the keys behind a chat's come from keys.rs)
--
-- KEYS  1 index of the organisation's chats
-- ARGV  1 what stands before an id in the keys of chats, 2 the message as JSON up to the id, 3 the rest of it,
--       4 score at which the piece begins, 5 how many of that score are done, 6 most chats, 7 name of the broadcast,
--       8 name of the piece, 9 most messages
-- reply number of chats that it was kept in, score at which the next piece begins or -, how many of that score are done
--
-- It moves no chat's end and counts as no message. A chat that is met again, because it moved, is passed over; one that
-- is met again by the same piece, because its answer was lost, counts again. Keys are put together here: one node has all.

local kept, last, at_last = 0, ARGV[4], tonumber(ARGV[5])
local piece = redis.call('ZRANGE', KEYS[1], ARGV[4], '+inf', 'BYSCORE', 'LIMIT', ARGV[5], ARGV[6], 'WITHSCORES')

local function take(chat)
  local ends_ms = redis.call('PEXPIRETIME', chat)
  if ends_ms == -2 then
    return 0
  end
  local meta = chat .. ABOUT
  local before = redis.pcall('HGET', meta, 'broadcast')
  if type(before) == 'table' then
    return 0
  end
  local name, part = string.match(before or '', '^(%S+) (%S+)$')
  if name == ARGV[7] then
    return part == ARGV[8] and 1 or 0
  end
  local id = string.sub(chat, #ARGV[1] + 1)
  local pushed = redis.pcall('RPUSH', chat .. MESSAGES, ARGV[2] .. id .. ARGV[3])
  if type(pushed) == 'table' then
    return 0
  end
  redis.call('LTRIM', chat .. MESSAGES, -tonumber(ARGV[9]), -1)
  redis.call('HSET', meta, 'broadcast', ARGV[7] .. ' ' .. ARGV[8])
  if ends_ms > 0 then
    redis.call('PEXPIREAT', chat .. MESSAGES, string.format('%.0f', ends_ms))
    redis.call('PEXPIREAT', meta, string.format('%.0f', ends_ms))
  end
  return 1
end

for at = 1, #piece, 2 do
  kept = kept + take(ARGV[1] .. piece[at])
  at_last = piece[at + 1] == last and at_last + 1 or 1
  last = piece[at + 1]
end
if #piece < 2 * tonumber(ARGV[6]) then
  last = '-'
end
return { kept, last, at_last }
