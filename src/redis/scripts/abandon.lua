-- abandon: releases a lease with nothing written. Safe to repeat: without effect where the lease is not held.
-- (after seat.lua)
--
-- KEYS  1-5 as seat.lua
-- ARGV  1-5 as seat.lua; the lease is ARGV 1
--       6 1 where the permit is given back, 0 where it stays taken
-- reply 1 where it was held, else 0

local held, lane, permit, idem = holder()
if held ~= ME then
  return 0
end
local time = redis.call('TIME')
release(ME, lane, permit, idem, ARGV[6] == '1', math.floor((time[1] * 1000000 + time[2]) / 1000))
return 1
