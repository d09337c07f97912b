-- beat: a server says that it is there, and is told how many others are. Safe to repeat.
--
-- KEYS  1 servers, by the millisecond in which each was last heard of
-- ARGV  1 server, 2 ms after which one that was not heard of is gone, 3 1 where it takes its leave,
--       4 the channel of all, on which a server that has come says so
-- reply how many others there are

local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now_ms - ARGV[2]))
if ARGV[3] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return redis.call('ZCARD', KEYS[1])
end
if redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms), ARGV[1]) == 1 then
  redis.call('PUBLISH', ARGV[4], 'hello ' .. ARGV[1])
end
return redis.call('ZCARD', KEYS[1]) - 1
