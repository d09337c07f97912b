-- chat_note: notes that nobody of a server is connected to a chat any more, or that somebody is again. Safe to repeat.
-- (after chat.lua)
--
-- KEYS  1-10 as chat.lua
-- ARGV  1, 2, 3 as chat.lua
--       4 ms when it was left or -, 5 why or -
-- reply number of values set aside, then: none | stands | foreign, mark, bytes
--
-- Nobody's presence keeps a chat alive: its end stays.

local chat, foreign = standing()
if foreign then
  return foreign
end
if not chat then
  return { set_aside, 'none' }
end
chat.left_ms = tonumber(ARGV[4])
chat.reason = ARGV[5] ~= '-' and ARGV[5] or nil
local ends_ms = redis.call('PEXPIRETIME', CHAT)
keep(chat, ends_ms > 0 and ends_ms or ends_from(chat, time_ms()))
return { set_aside, 'stands' }
