-- attempt: counts a try to log in before it is judged, and tells what the password has to match.
--
-- KEYS  1 clinician
-- ARGV  1 tries that may fail, 2 ms for which the last of them locks the name
-- reply open, who it is, as JSON | locked | unknown

local known = redis.call('HMGET', KEYS[1], 'about', 'tries', 'locked_ms')
if not known[1] then
  return { 'unknown' }
end
local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
if (tonumber(known[3]) or 0) > now_ms then
  return { 'locked' }
end
local tries = (tonumber(known[2]) or 0) + 1
if tries >= tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'locked_ms', string.format('%.0f', now_ms + ARGV[2]))
  tries = 0
end
redis.call('HSET', KEYS[1], 'tries', tries)
return { 'open', known[1] }
