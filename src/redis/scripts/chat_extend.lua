-- chat_extend: sets a chat's TTL and starts it anew. Later messages keep it. Safe to repeat.
-- (after chat.lua)
--
-- KEYS  1-10 as chat.lua
-- ARGV  1, 2, 3 as chat.lua
--       4 TTL ms
-- reply number of values set aside, then: none | stands, ms that it stands now | foreign, mark, bytes

local chat, foreign = standing()
if foreign then
  return foreign
end
if not chat then
  return { set_aside, 'none' }
end
local now_ms = time_ms()
chat.ttl_ms = tonumber(ARGV[4])
local ends_ms = ends_from(chat, now_ms)
keep(chat, ends_ms)
return { set_aside, 'stands', whole(ends_ms - now_ms) }
