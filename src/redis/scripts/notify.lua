-- notify: keeps a notice of an alert, where the one that it follows still stands. Safe to repeat.
-- (after alert.lua)
--
-- KEYS  1 the alert
-- ARGV  1 id of the alert, 2 prefix of the alerts, 3 channel, 4 stamp of the notice that it follows, or empty,
--       5 its own stamp, 6 the notice as JSON, 7 the ms in which something is to be done about it next,
--       8 1 where somebody is about to send it: of an alert that is not open nobody is told
-- reply kept | overtaken | closed | absent

local was = alert_of(ARGV[2], ARGV[1])
if not was then
  return 'absent'
end
local field = 'notice:' .. ARGV[3]
local standing = redis.call('HGET', KEYS[1], field .. ':stamp') or ''
if standing == ARGV[5] then
  return 'kept'
end
if standing ~= ARGV[4] then
  return 'overtaken'
end
if was.state ~= 'open' and ARGV[8] == '1' then
  return 'closed'
end
redis.call('HSET', KEYS[1], field, ARGV[6], field .. ':stamp', ARGV[5])
if was.state == 'open' then
  redis.call('ZADD', ours(ARGV[2] .. 'notices:' .. ARGV[3]), ARGV[7], ARGV[1])
end
return 'kept'
