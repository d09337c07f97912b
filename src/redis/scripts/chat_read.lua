-- chat_read: a chat's bytes, how long it stands and some of its messages. Writes only where it is told that the chat is
-- broken: that one is set aside, and begins again from 0 in the time that was left. Safe to repeat.
-- (after chat.lua)
--
-- KEYS  1-10 as chat.lua
-- ARGV  1, 2, 3 as chat.lua
--       4 TTL ms of a broken chat that had no end, 5 index of the first message that is wanted, or -
-- reply number of values set aside, then: none | stands, mark, bytes, ms that it stands or -1, messages

if ARGV[3] ~= '-' then
  local chat, _, ends_ms = standing()
  if not chat and ends_ms then
    local now_ms = time_ms()
    local begun = { count = 0, created_ms = now_ms, last_ms = now_ms, ttl_ms = tonumber(ARGV[4]) }
    keep(begun, ends_ms > now_ms and ends_ms or now_ms + begun.ttl_ms)
  end
end
local bytes, mark = written()
if not bytes then
  return { set_aside, 'none' }
end
local messages = ARGV[5] ~= '-' and read('LRANGE', MESSAGES, ARGV[5], -1) or {}
return { set_aside, 'stands', mark, bytes, redis.call('PTTL', CHAT), messages }
