-- chat_say: counts a message, keeps it and tells those who hear the session. Safe to repeat under the same name.
-- (after chat.lua)
--
-- KEYS  1-10 as chat.lua
-- ARGV  1, 2, 3 as chat.lua
--       4 name of this message, 5 TTL ms of a chat that begins, 6 the message as JSON up to its time, 7 the rest of it,
--       8 channel of the session, 9 what is told before the count, 10 most messages, 11 most names, 12 ms that a name
--       is kept
-- reply number of values set aside, then: said, count, ms of the message | foreign, mark, bytes
--
-- The number and the message are one change. Beside a therapy session it is counted on from the turns, and no word is
-- kept: those are the history's. No two messages of a chat have the same time, so that a page can begin behind one.

local known = read('ZSCORE', SAID, ARGV[4])
if known then
  return { 0, 'said', known, (read('HMGET', ABOUT, 'message_ms') or {})[1] or '0' }
end
local chat, foreign = standing()
if foreign then
  return foreign
end
local now_ms = time_ms()
local begun = not chat
chat = chat or { count = 0, created_ms = now_ms, last_ms = now_ms, ttl_ms = tonumber(ARGV[5]) }
local ends_ms, turns = ends_from(chat, now_ms)
if begun and turns then
  chat.count = turns
end
chat.count = chat.count + 1
chat.last_ms = now_ms
chat.left_ms, chat.reason = nil, nil
chat.message_ms = math.max(now_ms, (chat.message_ms or 0) + 1)
local message = ARGV[6] .. whole(chat.message_ms) .. ARGV[7]
if not turns then
  redis.call('RPUSH', MESSAGES, message)
  redis.call('LTRIM', MESSAGES, -tonumber(ARGV[10]), -1)
end
keep(chat, ends_ms)
if redis.call('TYPE', SAID).ok ~= 'zset' then
  redis.call('DEL', SAID)
end
redis.call('ZADD', SAID, whole(chat.count), ARGV[4])
redis.call('ZREMRANGEBYRANK', SAID, 0, -tonumber(ARGV[11]) - 1)
redis.call('PEXPIRE', SAID, math.min(tonumber(ARGV[12]), chat.ttl_ms))
redis.call('PUBLISH', ARGV[8], ARGV[9] .. whole(chat.count) .. ' ' .. message)
return { set_aside, 'said', whole(chat.count), whole(chat.message_ms) }
