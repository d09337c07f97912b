-- withdraw: a waiter goes, and gives its permit back. Safe to repeat.
-- (after seat.lua)
--
-- KEYS  1-5 as seat.lua
--       6 the reply under the idempotency key, where there is one
-- ARGV  1-5 as seat.lua
--       6 server
--       7 1 where a lease that was handed over meanwhile is kept, 0 where it is given up
-- reply held | gone, ms that the lock still stands

local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
local held, lane, permit, idem = holder()
if held == ME then
  if ARGV[7] == '1' then
    return { 'held', 0 }
  end
  redis.call('HDEL', TICKETS, ME)
  release(ME, lane, permit, idem, true, now_ms)
  return { 'gone', 0 }
end
local score = redis.call('ZSCORE', QUEUE, ME)
if score then
  leave(ME, score, now_ms)
end
local body, runner, joined = running(KEYS[6] and redis.call('GET', KEYS[6]))
if body then
  local me = ME .. '@' .. ARGV[6] .. ' '
  local from, to = string.find(joined, me, 1, true)
  if from then
    joined = string.sub(joined, 1, from - 1) .. string.sub(joined, to + 1)
    redis.call('SET', KEYS[6], 'r' .. body .. runner .. joined, 'KEEPTTL')
  end
end
return { 'gone', math.max(redis.call('PTTL', LOCK), 0) }
